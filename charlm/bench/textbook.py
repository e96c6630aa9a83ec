"""Training and prediction loops as tutorials write them, to compare charlm's speed with.

One-hot input, a Python step for every character, gates as separate matrices, a host synchronization
for every batch. Written from the equations of the cells, as d2l.ai's chapters build them up.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, ...]


class TextbookModel(nn.Module):
    """One recurrent layer over one-hot input and an output layer, with a Python loop over steps."""

    def __init__(self, cell: str, vocabulary_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell, self.vocabulary_size, self.hidden_size = cell, vocabulary_size, hidden_size
        gates = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}[cell]
        self.W_x = nn.ParameterDict(
            {gate: nn.Parameter(0.01 * torch.randn(vocabulary_size, hidden_size)) for gate in gates}
        )
        self.W_h = nn.ParameterDict(
            {gate: nn.Parameter(0.01 * torch.randn(hidden_size, hidden_size)) for gate in gates}
        )
        self.b = nn.ParameterDict({g: nn.Parameter(torch.zeros(hidden_size)) for g in gates})
        self.W_q = nn.Parameter(0.01 * torch.randn(hidden_size, vocabulary_size))
        self.b_q = nn.Parameter(torch.zeros(vocabulary_size))

    def gate(self, name: str, X: Tensor, H: Tensor) -> Tensor:
        """A gate before its nonlinearity, (B, H)."""
        sum_: Tensor = X @ self.W_x[name] + H @ self.W_h[name] + self.b[name]
        return sum_

    def step(self, X: Tensor, state: State) -> State:
        """One time step, for X (B, V) and a state of tensors (B, H)."""
        if self.cell == "rnn":
            return (torch.tanh(self.gate("h", X, state[0])),)
        if self.cell == "gru":
            (H,) = state
            R, Z = (torch.sigmoid(self.gate(name, X, H)) for name in "rz")
            candidate = torch.tanh(self.gate("n", X, R * H))
            return (Z * H + (1 - Z) * candidate,)
        H, C = state
        I, F_, O = (torch.sigmoid(self.gate(name, X, H)) for name in "ifo")  # noqa: E741
        C = F_ * C + I * torch.tanh(self.gate("g", X, H))
        return O * torch.tanh(C), C

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (B, H) each."""
        zeros = self.b_q.new_zeros(batch_size, self.hidden_size)
        return (zeros, zeros) if self.cell == "lstm" else (zeros,)

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (T·B, V) for ids (T, B)."""
        outputs = []
        for X in F.one_hot(ids, self.vocabulary_size).float():
            state = self.step(X, state)
            outputs.append(state[0] @ self.W_q + self.b_q)
        return torch.cat(outputs), state


class TorchModel(nn.Module):
    """`TextbookModel` with a layer of torch.nn in place of the loop."""

    def __init__(self, cell: str, vocabulary_size: int, hidden_size: int) -> None:
        super().__init__()
        self.vocabulary_size, self.hidden_size = vocabulary_size, hidden_size
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rnn = kind(vocabulary_size, hidden_size)
        self.states = 2 if cell == "lstm" else 1
        self.linear = nn.Linear(hidden_size, vocabulary_size)

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (1, B, H) each."""
        return (self.linear.bias.new_zeros(1, batch_size, self.hidden_size),) * self.states

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (T·B, V) for ids (T, B)."""
        X = F.one_hot(ids, self.vocabulary_size).float()
        Y, last = self.rnn(X, state if self.states > 1 else state[0])
        return self.linear(Y.flatten(0, 1)), last if self.states > 1 else (last,)


def training_step(
    model: TextbookModel | TorchModel, ids: Tensor, targets: Tensor
) -> Callable[[], None]:
    """A function that takes a step of the tutorials' training loop: SGD, clipping at norm 1.

    Args:
        ids, targets: (T, B).
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    state = model.initial_state(ids.shape[1])
    total = 0.0

    def step() -> None:
        nonlocal state, total
        state = tuple(each.detach() for each in state)
        logits, state = model(ids, state)
        loss = F.cross_entropy(logits, targets.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()

    return step


def prediction(model: TorchModel, characters: int) -> Callable[[], None]:
    """A function that writes characters as tutorials do: one-hot, a call of torch.nn, int(argmax).

    Args:
        characters: how many are written in a call.
    """

    device = model.linear.bias.device

    @torch.no_grad()
    def predict() -> None:
        state, outputs = model.initial_state(1), [1]
        for _ in range(characters):
            logits, state = model(torch.tensor([[outputs[-1]]], device=device), state)
            outputs.append(int(logits.argmax(dim=1)))

    return predict
