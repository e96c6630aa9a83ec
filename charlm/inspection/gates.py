"""What each gate does when it is closed and when it is open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Gate(NamedTuple):
    """What a gate does near 0 and near 1, as words to follow "it"."""

    near_0: str
    near_1: str


OVERWRITES, KEEPS = "overwrites the state", "keeps the state"
LSTM = {
    "i": Gate("takes nothing in", "takes the candidate in"),
    "f": Gate("forgets the memory C", "keeps the memory C"),
    "o": Gate("hides the memory C", "shows the memory C"),
}
# By cell and name. The candidate n or g is no gate but what is written, between -1 and 1 or without
# bounds. The rnn has no gates.
GATES: Mapping[str, Mapping[str, Gate]] = MappingProxyType(
    {
        "rnn": {},
        "gru": {
            "r": Gate("leaves the state out of n", "lets the state into n"),
            "z": Gate(OVERWRITES, KEEPS),  # h' = (1 - z) n + z h, as in torch
        },
        "lstm": LSTM,
        "mogrifier": LSTM,
        "mingru": {"z": Gate(KEEPS, OVERWRITES)},  # h' = (1 - z) h + z n
        "minlstm": {"i": Gate(KEEPS, OVERWRITES), "f": Gate(OVERWRITES, KEEPS)},  # i + f = 1
    }
)
