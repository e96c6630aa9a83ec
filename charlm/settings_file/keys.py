"""What may stand in a settings file: every option of `charlm train`, by its name."""

from dataclasses import Field, fields
from typing import Any

from charlm.config import check
from charlm.errors import SettingError, look_up
from charlm.loggers.names import NAMES as LOGGERS
from charlm.presets import DECIDED_BY_DATA, NO_PRESET
from charlm.rnn.weights import GATES
from charlm.tasks.registry import TASKS
from charlm.text.normalize import NORMALIZATIONS

# Options that are no settings, and the types of their values; the texts are called `corpus`, as
# in `charlm train --help`.
OPTIONS: dict[str, Any] = {
    "corpus": str | list[str],
    "task": str,
    "preset": str,
    "run": str,
    "init_from": str,
    "plot": str,
    "repeat": int,
    "processes": int,
    "max_restarts": int,
    "device": str,
    "backend": str,
    "threads": int,
    "runs_dir": str,
    "log_to": str | list[str],
    "json": bool,
    "quiet": bool,
}
# Those that only the command line has; Python has other ways.
OF_THE_COMMAND_LINE = (
    "plot",
    "repeat",
    "processes",
    "max_restarts",
    "threads",
    "json",
    "quiet",
)
# The dataclass fields of each setting, of every task that has it; their types are the same.
FIELDS: dict[str, list[Field[Any]]] = {}
for _task in TASKS.values():
    for _config in _task.run_type.sections().values():
        for _each in fields(_config):
            if _each.metadata and _each.name not in DECIDED_BY_DATA:
                FIELDS.setdefault(_each.name, []).append(_each)
TYPES: dict[str, Any] = OPTIONS | {name: each[0].type for name, each in FIELDS.items()}
# Names that values are chosen from, where a setting itself does not list them.
NAMES: dict[str, tuple[str, ...]] = {
    "task": tuple(TASKS),
    "preset": (*dict.fromkeys(name for task in TASKS.values() for name in task.presets), NO_PRESET),
    "cell": tuple(GATES),
    "backend": ("auto", "scratch", "builtin", "fused"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "normalize": tuple(NORMALIZATIONS),
    "sampling": ("sequential", "random"),
    "log_to": LOGGERS,
}
# Options whose values are files or folders.
PATHS = ("plot", "runs_dir", *(name for name, each in FIELDS.items() if each[0].metadata["path"]))


def choices_of(name: str) -> tuple[str, ...]:
    """The values that an option can have; empty where that is open."""
    own = (each.metadata["choices"] for each in FIELDS.get(name, []))
    return tuple(dict.fromkeys(sum(own, ()))) or NAMES.get(name, ())


def check_name(name: str, value: Any) -> None:
    """Raise UsageError unless a value is one of the names that there are for an option."""
    if name in NAMES and isinstance(value, str):
        # A device may have a number: cuda:1.
        chosen = value.partition(":")[0] if name == "device" else value
        look_up(dict.fromkeys(NAMES[name]), chosen, name)


def check_range(name: str, value: Any) -> None:
    """Raise SettingError unless a setting's value is within its range."""
    least = {"threads": 1, "repeat": 2, "processes": 1, "max_restarts": 0}.get(name)
    if least is not None and value < least:
        raise SettingError(name, f"must be at least {least}, not {value}.")
    problems = []
    for each in FIELDS.get(name, []):
        try:
            check(name, each.type, value, each.metadata)
        except SettingError as error:
            problems.append(error)
        else:
            return  # One task takes it; another says so itself.
    if problems:
        raise problems[0]


def kind_of(name: str) -> str:
    """What a value has to be, in words."""
    kind = TYPES[name]
    members = set(getattr(kind, "__args__", (kind,))) - {type(None)}
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text in quotes",
    }
    if list[str] in members:
        return "a text in quotes, or a list of them"
    return " or ".join(words[each] for each in words if each in members)
