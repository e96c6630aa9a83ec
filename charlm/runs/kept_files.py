"""Files of a task in a run: texts and arrays, each written whole."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from charlm.errors import RunError
from charlm.files.structures import dumps, loads
from charlm.files.whole import (
    COPY_AGAIN,
    Arrays,
    load_arrays,
    read,
    save_arrays,
    write,
    writing,
)
from charlm.runs.commands import run_command

Parsed = TypeVar("Parsed")
Kept = TypeVar("Kept")


class KeptFiles:
    """The folder of a run, and the files that its task keeps there."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def resume_command(self) -> str:
        """Shell command that resumes the run."""
        return run_command(self.path, "train", option="resume")

    @property
    def advice_when_unwritable(self) -> str:
        """What to tell the user if the run can no longer be written."""
        return f"Once it can be written, go on with it: {self.resume_command}"

    def read_file(self, name: str) -> str | None:
        """Content of one of the task's files; None if there is no such file."""
        path = self.path / name
        return read(path) if path.exists() else None

    def parse_file(self, name: str, parse: Callable[[str], Parsed]) -> Parsed:
        """Read a file that the task needs.

        Args:
            parse: makes what it stands for of its content; ValueError where it cannot.

        Raises:
            RunError: it is missing or damaged.
        """
        file = self.path / name
        try:
            return parse(read(file))
        except (ValueError, RecursionError) as error:
            raise RunError(f"'{file}' is damaged ({error}).", COPY_AGAIN) from None

    def write_file(self, name: str, content: str) -> None:
        """Write one of the task's files."""
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / name, content)

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        """Write arrays of the task's, to a safetensors file of this name."""
        with writing(self.path, self.advice_when_unwritable):
            save_arrays(self.path / name, arrays)

    def parse_arrays(self, name: str, parse: Callable[[Arrays], Parsed]) -> Parsed | None:
        """Read what `write_arrays` wrote; None if there is no such file.

        Args:
            parse: makes what they stand for of them; ValueError where it cannot.

        Raises:
            RunError: the file is damaged.
        """
        file = (self.path / name).with_suffix(".safetensors")
        if not file.exists():
            return None
        try:
            return parse(load_arrays(self.path / name))
        except (ValueError, UnicodeDecodeError) as error:
            raise RunError(f"'{file}' is damaged ({error}).", COPY_AGAIN) from None

    def kept(self, name: str, key: str, kind: type[Kept]) -> Kept | None:
        """What was kept as `name`.json with the same key; None if there is nothing usable.

        Args:
            key: names all that it was made from.
            kind: its dataclass, as `charlm.files.structures` stores it.
        """
        with suppress(RunError, ValueError):
            first, _, rest = (self.read_file(f"{name}.json") or "").partition("\n")
            if first == json.dumps(key):
                return loads(kind, rest)
        return None

    def keep(self, name: str, key: str, value: object) -> None:
        """Keep a dataclass as `name`.json; a run that cannot be written keeps nothing."""
        with suppress(RunError):
            self.write_file(f"{name}.json", f"{json.dumps(key)}\n{dumps(value)}\n")
