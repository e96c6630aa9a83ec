"""Files of a task in a run: texts and arrays, each written whole."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from charlm.errors import RunError
from charlm.files.reading import COPY_AGAIN, LARGEST_TEXT, Shapes, load_arrays, read
from charlm.files.structures import dumps, loads
from charlm.files.whole import Arrays, save_arrays, write, writing
from charlm.machine.memory import available_memory, check_memory, memory_at_hand
from charlm.runs.commands import run_command

Parsed = TypeVar("Parsed")
Kept = TypeVar("Kept")


def load_what_fits(path: Path, check: Callable[[Shapes], None] = lambda shapes: None) -> Arrays:
    """`load_arrays` of a file that may be a stranger's, if the memory can hold it.

    Raises:
        NotEnoughMemoryError: it cannot.
        RunError: as in `load_arrays`, or from `check`.
    """
    with whole_in_memory(path.with_suffix(".safetensors")):
        return load_arrays(path, check)


@contextmanager
def whole_in_memory(file: Path) -> Iterator[None]:
    """Read a file whole within the block; NotEnoughMemoryError if the memory cannot hold it."""
    advice = "Use it where there is more memory."
    with suppress(OSError):  # of which its reader says what it is
        size = file.stat().st_size
        if size > LARGEST_TEXT:
            check_memory(f"Reading '{file}'", size, available_memory(), advice)
    with memory_at_hand(advice):
        yield


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

    def read_file(self, name: str, most: int = LARGEST_TEXT) -> str | None:
        """Content of one of the task's files; None if there is no such file.

        Args:
            most: bytes that it may have; of data, as many as the memory holds.

        Raises:
            NotEnoughMemoryError: the memory cannot hold it.
            RunError: it is damaged, or has more bytes than `most`.
        """
        path = self.path / name
        if not path.exists():
            return None
        with whole_in_memory(path):
            return read(path, most)

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
            return parse(load_what_fits(self.path / name))
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
