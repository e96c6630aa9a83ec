"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000; d2l.ai 10.1)."""

import torch
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES

CAPPED = "with a capped input gate (--capped-gate)"


class LSTM(Cell):
    """i = σ(W_i x + b_i + U_i h + c_i)
    f = σ(W_f x + b_f + U_f h + c_f)
    g = tanh(W_g x + b_g + U_g h + c_g)
    o = σ(W_o x + b_o + U_o h + c_o)
    C' = f ⊙ C + i ⊙ g
    h' = o ⊙ tanh(C')

    With `capped_gate`, min(i, 1 - f) takes the place of i, so that the memory stays between -1 and
    1, as the GRU's state does (Melis, Dyer, Blunsom 2018).

    The memory is C here, since c is the recurrent bias; d2l writes C too.
    """

    name = "lstm"
    gate_names = GATES[name]
    state_names = ("h", "C")

    @property
    def variant(self) -> str:
        capped = CAPPED if self.config.capped_gate else ""
        return " ".join(each for each in (super().variant, capped) if each)

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        h = state[0]
        H = h.shape[1]
        i_f, g, o = (Wx + self.recurrent_product(h, weights)).split_with_sizes((2 * H, H, H), dim=1)
        i, f = torch.sigmoid(i_f).chunk(2, dim=1)
        if self.config.capped_gate:
            i = torch.minimum(i, 1 - f)
        return i, f, torch.tanh(g), torch.sigmoid(o)

    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        i, f, g, o = gates
        C = f * state[1] + i * g
        return o * torch.tanh(C), C
