"""What each gate does when it is closed and when it is open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


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
