"""The registry of cells."""

from charlm.config import ModelConfig
from charlm.errors import look_up
from charlm.rnn.cells.cell import Cell, LayerWeights, State, Zoneout
from charlm.rnn.cells.gru import GRU
from charlm.rnn.cells.lstm import CAPPED, LSTM
from charlm.rnn.cells.minimal import LinearCell, MinGRU, MinLSTM
from charlm.rnn.cells.mogrifier import MogrifierLSTM
from charlm.rnn.cells.rnn import RNN

CELLS: dict[str, type[Cell]] = {
    cell.name: cell for cell in (RNN, GRU, LSTM, MogrifierLSTM, MinGRU, MinLSTM)
}


def make_cell(config: ModelConfig) -> Cell:
    """The cell that a configuration names, in the variant that it asks for.

    Raises:
        UsageError: there is no such cell.
    """
    return look_up(CELLS, config.cell, "cell")(config)


__all__ = [
    "CAPPED",
    "CELLS",
    "Cell",
    "LayerWeights",
    "LinearCell",
    "MogrifierLSTM",
    "State",
    "Zoneout",
    "make_cell",
]
