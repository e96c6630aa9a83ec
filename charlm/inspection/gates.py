"""What each gate does when it is closed and when it is open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from charlm.errors import UsageError


class Gate(NamedTuple):
    """What a gate does near 0 and near 1, as words to follow "the unit"."""

    near_0: str
    near_1: str


OVERWRITES, KEEPS = "overwrites its state", "keeps its state"
LSTM = {
    "i": Gate("takes nothing in", "takes the candidate in"),
    "f": Gate("forgets its memory C", "keeps its memory C"),
    "o": Gate("hides its memory C", "shows its memory C"),
}
# By cell and name. A candidate (n, g) is no gate: it is what is written, between -1 and 1 or
# without bounds. The rnn has none.
GATES: Mapping[str, Mapping[str, Gate]] = MappingProxyType(
    {
        "rnn": {},
        "gru": {
            "r": Gate("is left out of the candidate n", "enters the candidate n"),
            "z": Gate(OVERWRITES, KEEPS),  # h' = (1 - z) n + z h, as in torch
        },
        "lstm": LSTM,
        "mogrifier": LSTM,
        "mingru": {"z": Gate(KEEPS, OVERWRITES)},  # h' = (1 - z) h + z n
        "minlstm": {"i": Gate("takes nothing in", OVERWRITES), "f": Gate(OVERWRITES, KEEPS)},
    }
)
MEMORY = "tanh(C)"


def activity_names(cell: str, names: Mapping[str, object]) -> tuple[str, ...]:
    """What can be looked at of a cell, the default first: its state, its gates, its candidate.

    Args:
        names: what is recorded of it.
    """
    memory = (MEMORY,) if "C" in names else ()
    return (*memory, "h", *(each for each in names if each not in ("h", "C")))


def check_activity(cell: str, name: str, names: tuple[str, ...]) -> str:
    """The name of an activity, "C" standing for tanh(C).

    Raises:
        UsageError: the cell has none of that name.
    """
    wanted = MEMORY if name == "C" else name
    if wanted not in names:
        raise UsageError(f"A {cell} has no gate '{name}'.", f"It has {', '.join(names)}.")
    return wanted
