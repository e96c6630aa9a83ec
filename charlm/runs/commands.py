"""Commands to show in messages, quoted so that they can be pasted into the same shell."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from charlm.files.paths import runs_folder

NAME = re.compile(r"[^\W_][\w.+-]*")
# Characters that mean something to Windows' shells, and that only quotes keep from it.
SPECIAL = re.compile(r"[&|<>^()%!;,`'$@{}#]")


def command(*words: str | Path, folder: Path | None = None, **options: object) -> str:
    """Format `charlm WORDS --option VALUE`, with the quotes that a shell needs.

    Args:
        words: the command and its arguments.
        folder: folder of the runs; left out if it is the one used by default.
        options: values by name; None leaves an option out, and True gives it without a value.
    """
    parts = ["charlm", *map(str, words)]
    if folder is not None and folder != runs_folder():
        options["runs_dir"] = folder
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            parts.append(option)
        elif value is not None:
            # A value that begins with a dash would be taken for another option.
            dashed = str(value).startswith("-")
            parts += [f"{option}={value}"] if dashed else [option, str(value)]
    return " ".join(map(shell_quoted, parts))


def run_command(path: Path, *words: str, option: str = "", **options: object) -> str:
    """Format a command about the run at `path`.

    Args:
        words: the command and its arguments.
        option: option that names the run; by default the last argument names it.
        options: all other options.
    """
    name = path.name
    folder: Path | None = path.parent
    # Fall back on the path: an odd name would not be found, and a run in the current folder would
    # come first.
    if not NAME.fullmatch(name) or (Path(name) / "run.json").exists():
        name, folder = str(path), None
        name = f"./{name}" if name.startswith("-") else name
    if option:
        return command(*words, folder=folder, **{option: name, **options})
    return command(*words, name, folder=folder, **options)


def shell_quoted(word: str) -> str:
    """Quote a word for this system's shell."""
    if os.name != "nt":
        return shlex.quote(word)
    quoted = subprocess.list2cmdline([word])
    return f'"{word}"' if quoted == word and SPECIAL.search(word) else quoted
