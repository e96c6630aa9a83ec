"""Everything that a process does to files below a folder, recorded below Python's own functions.

From the record the folder can be made again as it was at any moment, and as it may be after a crash
of the system, which loses, halves and reorders whatever was not synced.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = 0
Tree = dict[str, bytes | None]  # by relative path: the content of a file; None for a folder


@dataclass(frozen=True)
class Step:
    """One change, or one wait for the disk.

    Args:
        kind: "create", "mkdir", "rename", "remove", "write", "truncate" or "sync".
        node: number of the file or folder that it is about; of the first four, that they are in.
        name, other: of what is made, renamed or removed; the new name.
        made: number of the file or folder that is made.
        at: where it is written, or the new size.
    """

    kind: str
    node: int
    name: str = ""
    other: str = ""
    made: int = -1
    at: int = 0
    content: bytes = b""

    @property
    def changes_names(self) -> bool:
        return self.kind in ("create", "mkdir", "rename", "remove")


@dataclass
class State:
    """Files and folders by number: contents, and numbers by name."""

    files: dict[int, bytearray] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})

    def apply(self, step: Step) -> None:
        """Do a step, if what it needs is there."""
        names = self.folders.get(step.node, {})
        if step.kind in ("create", "mkdir"):
            names[step.name] = step.made
            if step.kind == "mkdir":
                self.folders.setdefault(step.made, {})
            else:
                self.files.setdefault(step.made, bytearray())
        elif step.kind == "rename" and step.name in names:
            names[step.other] = names.pop(step.name)
        elif step.kind == "remove":
            names.pop(step.name, None)
        elif step.kind == "truncate":
            self._resize(step.node, step.at)
        elif step.kind == "write":
            self._resize(step.node, max(len(self.files.get(step.node, b"")), step.at))
            self.files[step.node][step.at : step.at + len(step.content)] = step.content

    def _resize(self, node: int, size: int) -> None:
        content = self.files.setdefault(node, bytearray())
        del content[size:]
        content.extend(bytes(size - len(content)))

    def tree(self, node: int = ROOT, prefix: str = "") -> Tree:
        """All that can be reached, by path."""
        found: Tree = {}
        for name, number in self.folders[node].items():
            path = f"{prefix}{name}"
            if number in self.folders:
                found[path] = None
                found |= self.tree(number, f"{path}/")
            else:
                found[path] = bytes(self.files[number])
        return found

    def find(self, parts: Sequence[str]) -> int | None:
        """The number of what lies at a path."""
        node: int | None = ROOT
        for part in parts:
            node = self.folders.get(-1 if node is None else node, {}).get(part)
        return node


class Recorder:
    """Records what this process does below a folder, as long as `recording` lasts.

    Attributes:
        steps: all of it, in order.
        state: what there is now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.steps: list[Step] = []
        self.state = State()
        self.numbers = iter(range(1, 1 << 60))
        self.handles: dict[int, int] = {}  # numbers of open files and folders, by descriptor
        self.paths: dict[int, str] = {}  # their paths

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.state.apply(step)

    def parts(self, path: Any, within: int | None = None) -> tuple[str, ...] | None:
        """A path relative to the folder; None if it lies elsewhere."""
        given = Path(os.fsdecode(path))
        if within is not None:
            if within not in self.paths:
                return None
            given = Path(self.paths[within]) / given
        given = Path(os.path.abspath(given))  # noqa: PTH100 (a link is not followed)
        inside = given.is_relative_to(self.folder) and given != self.folder
        return given.relative_to(self.folder).parts if inside else None

    def place(self, path: Any, within: int | None = None) -> tuple[int, str] | None:
        """The number of the folder that a path is in, and the name there."""
        parts = self.parts(path, within)
        node = None if parts is None else self.state.find(parts[:-1])
        return None if node is None or not parts else (node, parts[-1])

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record within the block."""
        names = ("open", "close", "write", "ftruncate", "fsync", "mkdir", "rename", "replace")
        own: dict[str, Any] = {name: getattr(self, f"_{name}") for name in names}
        own |= {"unlink": self._remove("unlink"), "remove": self._remove("remove")}
        own["rmdir"] = self._remove("rmdir")
        self.original = {name: getattr(os, name) for name in own}
        with patch.multiple(os, **own):
            yield

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self.place(path, dir_fd)
        there = place is not None and place[1] in self.state.folders[place[0]]
        handle: int = self.original["open"](path, flags, mode, dir_fd=dir_fd)
        if place is not None:
            node, name = place
            if not there and flags & os.O_CREAT:
                self.add(Step("create", node, name, made=next(self.numbers)))
            number = self.state.folders[node].get(name, -1)
            if flags & os.O_TRUNC and there:
                self.add(Step("truncate", number))
            self.handles[handle] = number
        elif Path(os.fsdecode(path)).absolute() == self.folder:
            self.handles[handle] = ROOT
        parts = self.parts(path, dir_fd)
        if parts is not None:
            self.paths[handle] = str(self.folder.joinpath(*parts))
        return handle

    def _close(self, handle: int) -> None:
        self.handles.pop(handle, None)
        self.paths.pop(handle, None)
        self.original["close"](handle)

    def _write(self, handle: int, content: Any) -> int:
        node = self.handles.get(handle)
        at = 0 if node is None else os.lseek(handle, 0, os.SEEK_CUR)
        size: int = self.original["write"](handle, content)
        if node is not None:
            self.add(Step("write", node, at=at, content=bytes(content[:size])))
        return size

    def _ftruncate(self, handle: int, size: int) -> None:
        self.original["ftruncate"](handle, size)
        node = self.handles.get(handle)
        if node is not None and len(self.state.files[node]) != size:
            self.add(Step("truncate", node, at=size))

    def _fsync(self, handle: int) -> None:
        # The disk itself is not asked to wait, which says nothing here and takes long.
        if handle in self.handles:
            self.add(Step("sync", self.handles[handle]))

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self.original["mkdir"](path, mode, dir_fd=dir_fd)
        if (place := self.place(path, dir_fd)) is not None:
            self.add(Step("mkdir", *place, made=next(self.numbers)))

    def _rename(self, path: Any, to: Any, **more: Any) -> None:
        self._move("rename", path, to, **more)

    def _replace(self, path: Any, to: Any, **more: Any) -> None:
        self._move("replace", path, to, **more)

    def _move(self, how: str, path: Any, to: Any, **more: Any) -> None:
        places = self.place(path), self.place(to)
        self.original[how](path, to, **more)
        if places[0] is not None and places[1] is not None:
            assert places[0][0] == places[1][0], "only within a folder is it promised to be atomic"
            self.add(Step("rename", *places[0], other=places[1][1]))

    def _remove(self, how: str) -> Callable[..., None]:
        def remove(path: Any, *, dir_fd: int | None = None) -> None:
            place = self.place(path, dir_fd)
            self.original[how](path, dir_fd=dir_fd)
            if place is not None:
                self.add(Step("remove", *place))

        return remove


def pending(steps: Sequence[Step]) -> list[int]:
    """Which of these steps were not synced: nothing promises that a crash leaves them."""
    left: list[int] = []
    for number, step in enumerate(steps):
        if step.kind == "sync":
            left = [each for each in left if steps[each].node != step.node]
        else:
            left.append(number)
    return left


def tree_of(steps: Sequence[Step], lost: Collection[int] = (), torn: Collection[int] = ()) -> Tree:
    """What the folder holds after these steps, without those that were lost, and some written half.

    Args:
        torn: numbers of writes of which the second half is zeros.
    """
    state = State()
    for number, step in enumerate(steps):
        if number in torn:
            half = len(step.content) // 2
            zeros = bytes(len(step.content) - half)
            step = Step("write", step.node, at=step.at, content=step.content[:half] + zeros)
        if number not in lost:
            state.apply(step)
    return state.tree()


def after_a_crash(steps: Sequence[Step]) -> Iterator[Tree]:
    """What the folder may hold after a crash of the system that comes after these steps.

    All that was not synced came to the disk, or nothing of it, or as much as a journal had; only
    one step of it, or all but one, as if they had been reordered; or the names did, and of what was
    written nothing, zeros, or the first half.
    """
    open_steps = pending(steps)
    yield tree_of(steps)
    for many in range(len(open_steps)):
        yield tree_of(steps, set(open_steps[many:]))
    for each in open_steps:
        yield tree_of(steps, set(open_steps) - {each})
        yield tree_of(steps, {each})
    writes = [each for each in open_steps if steps[each].kind == "write"]
    if writes:
        yield tree_of(steps, set(writes))
        yield tree_of(steps, torn=set(writes))
        yield tree_of([shortened(step) if n in writes else step for n, step in enumerate(steps)])


def shortened(step: Step) -> Step:
    """A write of which only the first half was made."""
    return Step("write", step.node, at=step.at, content=step.content[: len(step.content) // 2])


def hash_of(tree: Tree) -> str:
    """A name for what is in a folder."""
    found = hashlib.sha256()
    for path, content in sorted(tree.items()):
        told = b"folder" if content is None else hashlib.sha256(content).digest()
        found.update(path.encode() + b"\0" + told + b"\0")
    return found.hexdigest()


def write_tree(tree: Tree, folder: Path) -> None:
    """Make the folder that a tree describes."""
    folder.mkdir(parents=True)
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def read_tree(folder: Path) -> Tree:
    """The tree that a folder is."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }
