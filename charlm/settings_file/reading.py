"""Reading a settings file, with the line in which each thing that is wrong stands."""

import glob
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from charlm.config import fits
from charlm.errors import CharlmError, SettingError, UsageError, option
from charlm.files.paths import expanded
from charlm.files.schema import quoted
from charlm.files.toml import LARGEST, line_of, loads
from charlm.runs.commands import command
from charlm.settings_file.keys import (
    OF_THE_COMMAND_LINE,
    PATHS,
    TYPES,
    check_name,
    check_range,
    kind_of,
)
from charlm.text.catalog import CATALOG
from charlm.text.sources import STDIN

NEAR = 0.7  # how alike a name has to be to be suggested, from 0 to 1


class SettingsFileError(UsageError):
    """A settings file that cannot be read, or that has something wrong in it."""


@dataclass(frozen=True)
class SettingsFile:
    """What a settings file says.

    Args:
        path: as it was given.
        values: by the names of options, with underscores.
        lines: where each of them stands, if it is known.
    """

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int | None] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Where a name stands, as the beginning of a sentence."""
        line = self.lines.get(name)
        return f"'{self.path}', line {line}" if line else f"'{self.path}'"

    def without(self, *names: str) -> "SettingsFile":
        """The same without some names."""
        kept = {name: value for name, value in self.values.items() if name not in names}
        return SettingsFile(self.path, kept, self.lines)

    def error_about(self, error: CharlmError) -> CharlmError:
        """The error, with the place of what it is about, if that stands in this file.

        A setting is known by its name; a path, or the name of a run or a text, where the message
        quotes it.
        """
        if isinstance(error, SettingError):
            for name in (error.setting, *error.others):
                if name in self.values:
                    return SettingsFileError(f"{self.place(name)}: {error.message}")
            return error
        for name, value in self.values.items():
            quoted = [f"'{each}'" for each in (value if isinstance(value, list) else [value])]
            if any(each in error.message for each in quoted):
                error.message = f"{self.place(name)}: {error.message}"
                break
        return error


def read_settings(path: str | Path) -> dict[str, Any]:
    """What a settings file says, as keyword arguments of `charlm.train`.

        charlm.train(**charlm.read_settings("run.toml") | {"cell": "lstm"})

    What only the command line has is left out: plot, repeat, threads, json and quiet.

    Raises:
        UsageError: the file cannot be read, or something in it is no option or has no such value.
    """
    values = dict(read_settings_file(path).without(*OF_THE_COMMAND_LINE).values)
    if "corpus" in values:
        values["source"] = values.pop("corpus")
    return values


def read_settings_file(path: str | Path) -> SettingsFile:
    """Read a settings file, and check each of its values by itself.

    Paths in it are relative to the folder that it lies in.

    Raises:
        SettingsFileError: it cannot be read, or something in it is no option or has no such value.
    """
    place = expanded(path)
    content = text_of(place)
    try:
        found = loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(
            f"'{place}' is no TOML: {with_line(lowered(str(error)), content)}.",
            'A line is a name, = and a value, such as cell = "lstm" or epochs = 3.',
        ) from None
    except ValueError as error:
        raise SettingsFileError(f"'{place}' is no TOML: {lowered(str(error))}.") from None
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    lines: dict[str, int | None] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        where = SettingsFile(place, {}, {name: line_of(content, key)})
        if name in values:
            raise SettingsFileError(
                f"{where.place(name)}: '{key}' stands there already, as '{spelled[name]}'.",
                "Leave one of them out.",
            )
        values[name] = checked(where, key, name, value)
        spelled[name], lines[name] = key, where.lines[name]
    return SettingsFile(place, values, lines)


def with_line(problem: str, content: str) -> str:
    """What Python says is wrong, with a line number at the end of the document too."""
    last = content.rstrip().count("\n") + 1
    return problem.replace("at end of document", f"at line {last}, the last one")


def text_of(path: Path) -> str:
    """The text of a file, without a byte-order mark.

    Raises:
        SettingsFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:  # which may be a pipe
            return file.read(LARGEST + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsFileError(
            f"'{path}' is not UTF-8 at byte {error.start:,}.", "Save it as UTF-8."
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsFileError(
            f"The settings file '{path}' cannot be read: {lowered(why)}.",
            f"Name a TOML file; that of a run: {command('runs', 'show', toml=True)}",
        ) from None


def checked(file: SettingsFile, key: str, name: str, value: Any) -> Any:
    """A value as the option takes it, after checking it by itself.

    Args:
        file: which knows the line.
        key: as it is written.

    Raises:
        SettingsFileError: there is no such option, or it has no such value.
    """
    place = file.place(name)
    if isinstance(value, dict) or (isinstance(value, list) and {*map(type, value)} == {dict}):
        raise SettingsFileError(
            f"{place}: '{key}' is a table, and settings stand without tables.",
            "Leave out the heading in brackets, and anything before a dot.",
        )
    if name in ("resume", "config"):
        raise SettingsFileError(
            f"{place}: '{key}' is for the command line only.", f"Give it there: {option(name)}."
        )
    if name not in TYPES:
        raise SettingsFileError(f"{place}: there is no option '{key}'.", nearest(key))
    if not suits(value, TYPES[name]):
        raise SettingsFileError(f"{place}: '{key}' takes {kind_of(name)}, not {shown(value)}.")
    try:
        check_name(name, value)
        check_range(name, value)
    except SettingError as error:
        raise SettingsFileError(f"{place}: {key} {error.problem}") from None
    except UsageError as error:
        raise SettingsFileError(f"{place}: {error.message}", error.hint) from None
    if isinstance(value, int) and not isinstance(value, bool) and float in members(TYPES[name]):
        value = float(value)
    return with_paths(name, value, file.path.parent)


def members(kind: Any) -> tuple[Any, ...]:
    """The types that a type allows."""
    return get_args(kind) if hasattr(kind, "__args__") and kind != list[str] else (kind,)


def suits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type; a list has to hold texts, and not to be empty."""
    if isinstance(value, list):
        texts = bool(value) and all(isinstance(each, str) for each in value)
        return list[str] in members(kind) and texts
    return fits(value, kind)


def shown(value: Any) -> str:
    """A value as it is written in TOML, more or less."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str | list | int) else str(value)


def nearest(key: str) -> str:
    """What to do about a name that is no option's."""
    name = key.replace("-", "_").lower()
    near = get_close_matches(name, TYPES, n=1, cutoff=NEAR)
    if not near:
        return f"To see all of them: {command('train', '--help')}"
    return f"Did you mean '{near[0].replace('_', '-') if '-' in key else near[0]}'?"


def with_paths(name: str, value: Any, folder: Path) -> Any:
    """The value with paths as they are seen from the current folder.

    Args:
        folder: the one that paths are relative to.
    """
    if name == "corpus":
        given = value if isinstance(value, list) else [value]
        return [each if each in (STDIN, *CATALOG) else joined(folder, each) for each in given]
    if name == "init_from":
        # A run's name is looked for in the folder of the runs, a path is not.
        return joined(folder, value) if "/" in value or "\\" in value else value
    if name in PATHS and value not in CATALOG:
        return joined(folder, value)
    return value


def joined(folder: Path, path: str) -> str:
    """A path that is relative to a folder; an absolute one, or one from a home, stays."""
    if not path or path.startswith("~"):
        return path
    whole = folder / path
    if glob.has_magic(path) and not whole.exists():
        # Only what was written is a pattern, and not the folder's name.
        return str(Path(glob.escape(str(folder))) / path)
    return str(whole)


def lowered(sentence: str) -> str:
    """A message as the end of a sentence."""
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
