"""Train on strange texts and run every command on what comes of it; print a line for each.

    python tests/measure/odd_texts.py [NAME ...]

Each text is trained on for a few steps, and then scored, written from, looked at, drawn,
compressed and reported. A command may refuse in one sentence; it may not end in a traceback, nor
print "nan" or "inf" as if these were results. The last line tells how many commands were run, and
how many failed.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUPPORT = Path(__file__).resolve().parents[1] / "support"

ARABIC = "كان يا ما كان، كانت هناك ساعة قديمة لم تعد تدق.\n"
PERSIAN = "می‌خواهم بدانم که ساعتِ کهنه چرا دیگر نمی‌زند؟\n"
HEBREW = "הָיָה הָיָה פַּעַם שָׁעוֹן יָשָׁן שֶׁלֹּא צִלְצֵל עוֹד.\n"
FAMILY = (
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44b\U0001f3fd \u2764\ufe0f\n"
)
MARKS = "e\u0301a\u0308o\u0302 z\u0300\u0301\u0302\u0303 n\u0303\n"
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J a\u202eb\u2069 \x08\x7f\x85\x0b hello\n"


def every_plane() -> str:
    """Characters of all 17 planes, among them private ones, non-characters and the last one."""
    points = [plane * 0x10000 + at for plane in range(17) for at in (0x41, 0x100, 0xABC, 0xFFFE)]
    return "".join(map(chr, [*points, 0x10FFFF])) + "\n"


# What every text that can be read at all is made of here; of some nothing is left to train on.
TEXTS: dict[str, bytes] = {
    "one-character": b"a" * 3000,
    "two-characters": b"ab" * 1500,
    "one-letter-lines": b"a\n" * 1500,
    "every-plane": every_plane().encode() * 40,
    "arabic": ARABIC.encode() * 60,
    "persian": PERSIAN.encode() * 60,
    "hebrew": HEBREW.encode() * 60,
    "emoji": FAMILY.encode() * 120,
    "combining": MARKS.encode() * 120,
    "escapes": ESCAPES.encode() * 60,
    "mark-within": b"it was\xef\xbb\xbf the best\n" * 120,
    "line-ends": b"one\r\ntwo\rthree\xc2\x85four\xe2\x80\xa8five\n" * 90,
    "one-line": b"the best of times, the worst of times; " * 80,
    "blanks": b" " * 3000,
    "line-feeds": b"\n" * 3000,
    "short": b"ab",
    "shortest": b"a",
    "empty": b"",
    "nul": b"a\0b" * 900,
    "surrogates": b"a\xed\xa0\x80b" * 900,
    "half-a-character": b"it was the best of times\n" * 90 + b"\xe2\x82",
}
SMALL = "--hidden-size 8 --batch-size 4 --seq-length 16 --max-steps 6 --eval-every 3"
COMMANDS = (
    "train text.txt --run {run} " + SMALL,
    "train text.txt --run {run}-bytes --units bytes " + SMALL,
    "train text.txt --run {run}-words --units words --min-count 1 " + SMALL,
    "eval --run {run}",
    "eval --run {run} --per-line",
    "eval --run {run} --calibrate",
    "eval text.txt --run {run} --json",
    "generate --run {run} --length 30 --seed 1",
    "generate --run {run} --length 10 --temperature 0",
    "generate --run {run} --length 10 --beams 2",
    "generate --run {run} --length 10 --prefix-file text.txt",
    "vocab text.txt",
    "vocab text.txt --json",
    "corpus show text.txt",
    "plot {run}",
    "plot {run} --out picture.svg",
    "inspect surprise --run {run}",
    "inspect neurons --run {run}",
    "inspect memory --run {run}",
    "inspect copying --run {run}",
    "runs list",
    "runs show {run}",
    "runs compare {run} {run}-bytes",
    "report {run} --out page.html",
    "export {run} --out model.safetensors",
    "compress text.txt --run {run}",
    "decompress text.txt.charlm --out again.txt",
    "train --resume {run} --max-steps 8",
)
NO_RESULT = re.compile(r"(?<![\w-])[-+]?(?:nan|inf(?:inity)?)(?![\w-])", re.IGNORECASE)


class Outcome(NamedTuple):
    """How a command ended; `problem` is empty if that was well."""

    command: str
    code: int
    seconds: float
    problem: str
    said: str


def outcomes(
    content: bytes, folder: Path, commands: tuple[str, ...] = COMMANDS
) -> Iterator[Outcome]:
    """Run the commands on a text, in a folder in which it is written."""
    from cli_runner import charlm

    os.chdir(folder)
    Path("text.txt").write_bytes(content)
    for command in commands:
        started, problem, code, said = time.monotonic(), "", -1, ""
        try:
            result = charlm(*command.format(run="odd").split())
        except Exception as error:  # what would have been a traceback
            problem = f"{type(error).__name__}: {error}"
        else:
            code, said = result.code, (result.err.strip().splitlines() or [""])[-1]
            if code not in (0, 1, 2) or (code and result.err.count("Error: ") != 1):
                problem = f"exit code {code}: {result.err[-300:]}"
            elif found := NO_RESULT.search(result.out + result.err):
                problem = f"it prints {found[0]}: {(result.out + result.err)[-400:]}"
            elif command.startswith("decompress") and not code:
                problem = "" if Path("again.txt").read_bytes() == content else "other bytes"
        yield Outcome(command, code, time.monotonic() - started, problem, said)


def main() -> None:
    """Run all commands on the texts that are named, or on all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *TEXTS], default=[])
    sys.path.insert(0, str(SUPPORT))
    chosen = parser.parse_args().names or list(TEXTS)
    number = failed = 0
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            for each in outcomes(TEXTS[name], Path(folder)):
                number, failed = number + 1, failed + bool(each.problem)
                mark = "FAILED" if each.problem else "ok"
                print(
                    f"{mark:6} {each.code} {each.seconds:5.1f} s  {name}: {each.command}",
                    flush=True,
                )
                if each.problem or each.code:
                    print(f"         {each.problem or each.said}", flush=True)
            os.chdir("/")
    print(f"{number} commands, {failed} failed")


if __name__ == "__main__":
    main()
