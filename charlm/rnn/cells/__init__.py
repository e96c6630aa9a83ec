"""The registry of cells."""

from charlm.rnn.cells.cell import Cell, LayerWeights, State, Zoneout
from charlm.rnn.cells.gru import GRU
from charlm.rnn.cells.lstm import LSTM
from charlm.rnn.cells.minimal import LinearCell, MinGRU, MinLSTM
from charlm.rnn.cells.mogrifier import MogrifierLSTM
from charlm.rnn.cells.rnn import RNN

CELLS: dict[str, type[Cell]] = {
    cell.name: cell for cell in (RNN, GRU, LSTM, MogrifierLSTM, MinGRU, MinLSTM)
}

__all__ = ["CELLS", "Cell", "LayerWeights", "LinearCell", "MogrifierLSTM", "State", "Zoneout"]
