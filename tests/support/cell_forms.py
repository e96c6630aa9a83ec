"""Every cell in every form in which the same weights mean something else."""

from typing import Any

from charlm.rnn.cells import CELLS

# By name, the settings of the model.
CELL_FORMS: dict[str, dict[str, Any]] = {name: {"cell": name} for name in CELLS} | {
    "gru-textbook": {"cell": "gru", "reset_after": False},
    "lstm-capped": {"cell": "lstm", "capped_gate": True},
    "mogrifier-capped": {"cell": "mogrifier", "capped_gate": True},
}
