"""The registry of cells."""

from charlm.rnn.cells.cell import Cell, State
from charlm.rnn.cells.gru import GRU
from charlm.rnn.cells.lstm import LSTM
from charlm.rnn.cells.rnn import RNN

CELLS: dict[str, type[Cell]] = {cell.name: cell for cell in (RNN, GRU, LSTM)}

__all__ = ["CELLS", "Cell", "State"]
