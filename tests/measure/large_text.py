"""Measures how charlm treats a text larger than memory.

It makes a text of random lines in a stream, prepares, trains on and scores it, each in a process of
its own, and prints seconds, CPU seconds, MB a CPU second and the peak of resident memory.

    python tests/measure/large_text.py --megabytes 2000
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BOOK = Path(__file__).resolve().parents[2] / "data" / "time-traveller.txt"
# Lines in other scripts, so that characters take one, two, three and four bytes.
OTHERS = (
    "Ὁ Σωκράτης ἔφη· τίς;",
    "روزی بود و روزگاری",
    "春眠不覚暁 処処聞啼鳥",
    "naïve café 🙂 «déjà»",
)
BLOCK = 20_000  # lines
CHILD = """
import json, resource, sys, time
from charlm.cli.app import main
started = time.perf_counter()
try:
    code = main(json.loads(sys.argv[1]))
except SystemExit as ended:
    code = ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
told = {
    "code": code or 0,
    "seconds": time.perf_counter() - started,
    "cpu": used.ru_utime + used.ru_stime,
    "peak": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
}
print("MEASURED " + json.dumps(told), file=sys.stderr)
"""


def blocks(size: int, mixed: bool = False, seed: int = 0) -> Iterator[bytes]:
    """Random lines of the novella that comes with charlm, of at least `size` bytes together.

    Args:
        mixed: with lines in other scripts, one in ten.
    """
    lines = [line for line in BOOK.read_bytes().splitlines(keepends=True) if line.strip()]
    if mixed:
        lines += [f"{each}\n".encode() for each in OTHERS] * (len(lines) // 36)
    random, made = np.random.default_rng(seed), 0
    while made < size:
        block = b"".join(map(lines.__getitem__, random.integers(len(lines), size=BLOCK).tolist()))
        made += len(block)
        yield block


def make_text(path: Path, size: int, mixed: bool = False) -> int:
    """Write such a text to a file; return its size in bytes."""
    with path.open("wb") as file:
        for block in blocks(size, mixed):
            file.write(block)
    return path.stat().st_size


def measured(arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command of charlm in a process of its own: code, seconds, cpu and peak bytes."""
    run = [sys.executable, "-c", CHILD, json.dumps(arguments)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    said, _, told = done.stderr.rpartition("MEASURED ")
    if not told:
        return {"code": done.returncode, "seconds": 0, "cpu": 0, "peak": 0}
    found: dict[str, float] = json.loads(told)
    if found["code"]:
        print(said, file=sys.stderr)
    return found


def main() -> None:
    """Measure, and print a line for each command."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--megabytes", type=int, default=2_000)
    read.add_argument("--mixed", action="store_true", help="with lines in other scripts")
    read.add_argument("--steps", type=int, default=50, help="of training")
    read.add_argument("--eval-megabytes", type=int, default=100, help="of another text to score")
    read.add_argument("--folder", type=Path, help="where the texts go; by default a temporary one")
    read.add_argument("--options", default="", help="further options for train")
    given = read.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, ignore_cleanup_errors=True) as name:
        measure(Path(name), given)


def measure(folder: Path, given: argparse.Namespace) -> None:
    """Make the texts in a folder, and measure each command."""
    text, other = folder / "big.txt", folder / "other.txt"
    started = time.perf_counter()
    size = make_text(text, given.megabytes * 1_000_000, given.mixed)
    make_text(other, given.eval_megabytes * 1_000_000, given.mixed)
    print(f"made {size:,} bytes in {time.perf_counter() - started:.0f} s", flush=True)
    places = {"CHARLM_CACHE_DIR": str(folder / "cache"), "CHARLM_RUNS_DIR": str(folder / "runs")}
    environment = {**os.environ, **places}
    net = ["--hidden-size", "64", "--max-steps", str(given.steps), "--eval-characters", "20000"]
    train = ["train", str(text), *net, *given.options.split()]
    commands = {
        "prepare (corpus show)": ["corpus", "show", str(text)],
        "again (corpus show)": ["corpus", "show", str(text)],
        "train": [*train, "--run", "one"],
        "train again": [*train, "--run", "two"],
        "eval, its own text": ["eval", "--run", "one"],
        "eval, another text": ["eval", str(other), "--run", "one"],
    }
    print(f"{'':24}{'s':>9}{'CPU s':>9}{'MB/CPU s':>10}{'peak MB':>9}")
    for name, arguments in commands.items():
        told = measured(arguments, environment)
        rate = size / 1e6 / told["cpu"] if told["cpu"] and name.startswith("prepare") else 0
        numbers = f"{told['seconds']:9.1f}{told['cpu']:9.1f}{rate:10.1f}{told['peak'] / 1e6:9.0f}"
        failed = f"  exit code {told['code']:g}" if told["code"] else ""
        print(f"{name:24}{numbers}{failed}", flush=True)


if __name__ == "__main__":
    main()
