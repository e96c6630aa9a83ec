"""Commands for messages, as they are typed: pasted into the same shell, they do what is said."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from charlm.files.paths import runs_folder

NAME = re.compile(r"[^\W_][\w.+-]*")


def command(*words: str | Path, folder: Path | None = None, **options: object) -> str:
    """`charlm WORDS --option VALUE`, with the quotes that a shell needs.

    Args:
        words: the command and its arguments.
        folder: of the runs; it is left out where the shell's own settings lead to it.
        options: values by name; None is left out, and True stands for the option alone.
    """
    parts = ["charlm", *map(str, words)]
    if folder is not None and folder != runs_folder():
        options["runs_dir"] = folder
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            parts.append(option)
        elif value is not None:
            # What begins with a dash would be taken for another option.
            dashed = str(value).startswith("-")
            parts += [f"{option}={value}"] if dashed else [option, str(value)]
    return " ".join(map(shell_quoted, parts))


def run_command(path: Path, *words: str, option: str = "", **options: object) -> str:
    """A command about the run in a folder.

    Args:
        option: the one that names the run; without it the last argument does.
        options: the others.
    """
    name = path.name
    folder: Path | None = path.parent
    # A run in the current folder would be taken in its place, and an odd name for none.
    if not NAME.fullmatch(name) or (Path(name) / "run.json").exists():
        name, folder = str(path), None
        name = f"./{name}" if name.startswith("-") else name
    if option:
        return command(*words, folder=folder, **{option: name, **options})
    return command(*words, name, folder=folder, **options)


def shell_quoted(word: str) -> str:
    """A word as this system's shell reads it."""
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)
