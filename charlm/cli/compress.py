"""charlm compress and charlm decompress"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import coding
from charlm.cli.loading import load_run
from charlm.cli.options import Json, RunName, RunsDir, Threads
from charlm.cli.output_files import ANOTHER_FILE, checked

if TYPE_CHECKING:
    from charlm.compression.compress import Compressed

SUFFIX = ".charlm"
STREAM = Path("-")
InputFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file, or - for standard input.")]


def compress(
    file: InputFile = STREAM,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or - for standard output.",
            show_default=f"FILE{SUFFIX}, or - for standard input",
        ),
    ] = None,
    run: RunName = None,
    encoding: Annotated[
        str,
        typer.Option(
            help="How the text's bytes spell characters, or auto; bytes that are none are kept."
        ),
    ] = "utf-8",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Compress a text with a run, losslessly; `charlm decompress` needs the same run again."""
    from charlm.compression.compress import compress

    target = where_to(out, STREAM if file == STREAM else with_suffix(file))
    check_output(target, json, binary=True)
    trained = load_run(run, runs_dir).language
    content = contents_of(file)
    with coding("Compressing") as report:
        made = compress(trained, content, encoding, report)
    write(target, made.content)
    if json:
        console.write_json(
            {
                "run": trained.name,
                "file": str(target),
                "bytes": len(content),
                "compressed_bytes": len(made.content),
                "header_bytes": made.header_size,
                "characters": made.characters,
                "unknown_characters": made.unknown,
                "respelled_characters": made.respelled,
                "encoding": made.encoding,
            }
        )
        return
    if encoding == "auto":
        console.say(f"The text is read as {made.encoding}; every byte of it comes back.")
    tell_what_was_spelled(trained.name, made)
    say_sizes(target, len(content), len(made.content))


def decompress(
    file: InputFile = STREAM,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or - for standard output.",
            show_default=f"FILE without {SUFFIX}, or - for standard input",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", help="A run's name or path.", show_default="the one it names"),
    ] = None,
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Give back the bytes that `charlm compress` was given."""
    from charlm.compression.compress import decompress, run_of
    from charlm.errors import UsageError

    if out is None and file != STREAM and file.suffix != SUFFIX:
        raise UsageError(
            f"'{file}' does not end in {SUFFIX}, so its text has no name.", "Name it with --out."
        )
    target = where_to(out, STREAM if file == STREAM else file.with_suffix(""))
    check_output(target, json, binary=False)
    content = contents_of(file)
    trained = run_of(content, run, runs_dir)
    with coding("Decompressing") as report:
        made = decompress(trained, content, report)
    write(target, made)
    if json:
        console.write_json(
            {
                "run": trained.name,
                "file": str(target),
                "bytes": len(made),
                "compressed_bytes": len(content),
            }
        )
    elif target != STREAM:
        console.say(f"Wrote {target}: {len(made):,} bytes.")


def with_suffix(file: Path) -> Path:
    """The name of a compressed file."""
    return file.with_name(file.name + SUFFIX)


def where_to(out: Path | None, usual: Path) -> Path:
    """Where the output goes: as given, or where it usually goes, if nothing is there.

    Raises:
        UsageError: something is there already, or it is a folder.
        RunError: there is no such folder, or nothing can be written to it.
    """
    from charlm.errors import UsageError
    from charlm.files.paths import expanded

    target = expanded(usual if out is None else out)
    if target == STREAM:
        return target
    if target.exists() and not target.is_dir():
        raise UsageError(f"'{target}' exists already.", "Delete it, or name another with --out.")
    return checked(target)


def check_output(target: Path, json: bool, binary: bool) -> None:
    """Raise UsageError if standard output is to take what it cannot."""
    from charlm.errors import UsageError

    if target != STREAM:
        return
    if json:
        raise UsageError("--json and the output cannot both go out there.", "Name a file: --out.")
    if binary and sys.stdout.isatty():
        raise UsageError(
            "A compressed text is not for a terminal.", "Name a file with --out, or use a pipe."
        )


def contents_of(file: Path) -> bytes:
    """The bytes of a file, or of standard input.

    Raises:
        CorpusError: they cannot be read.
    """
    from charlm.cli.options import announce_standard_input
    from charlm.files.paths import expanded
    from charlm.text.sources import read_bytes, read_standard_input

    if file != STREAM:
        return read_bytes(expanded(file))
    announce_standard_input([str(file)])
    return read_standard_input()


def write(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all, or to standard output."""
    from charlm.files.whole import write, writing

    if target == STREAM:
        console.write_bytes(content)
        return
    with writing(target, ANOTHER_FILE):
        write(target, content)


def tell_what_was_spelled(run: str, made: "Compressed") -> None:
    """Say so if the run could not predict all of the text."""
    if made.unknown:
        console.say(
            f"The run '{run}' lacks {made.unknown:,} of {made.characters:,} characters, which are "
            "spelled out and take more room."
        )
    if made.respelled:
        console.say(
            f"The run '{run}' reads {made.respelled:,} of {made.characters:,} characters otherwise "
            "than they stand there (line ends, or its normalization); how they stand is kept too."
        )


def say_sizes(target: Path, before: int, after: int) -> None:
    """Say how small it has become."""
    name = "" if target == STREAM else f"Wrote {target}: "
    share = f", {8 * after / before:.3f} bits a byte" if before else ""
    console.say(f"{name}{before:,} bytes in {after:,}{share}.")
