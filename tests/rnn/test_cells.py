"""Every cell on every backend against torch.nn, and the textbook GRU against its equations.

A cell that torch.nn lacks is held to the scratch backend, which is the specification, and that one
to a numeric gradient.
"""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from cell_forms import CELL_FORMS
from tolerances import of_window, rounding
from torch import Tensor, nn

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.rnn.backends import scratch
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import CELLS, Cell, LayerWeights, State, Zoneout
from charlm.rnn.cells.minimal import scan
from charlm.rnn.stack import RecurrentStack

# T, B, I, H, L
SHAPES = [(1, 1, 3, 5, 1), (7, 3, 4, 5, 2), (7, 1, 6, 5, 3), (1, 3, 5, 1, 2), (12, 2, 2, 8, 1)]
DTYPES = (torch.float64, torch.float32)
TORCH_MODULES = {
    name: getattr(nn, name.upper()) for name in CELLS if hasattr(nn, name.upper())
}  # nn.RNN, nn.GRU, nn.LSTM


def tolerance(cell: str, dtype: torch.dtype, shape: tuple[int, int, int, int, int]) -> float:
    T, B, I, H, L = shape  # noqa: E741
    # A weight's gradient sums over T·B rows what a window forth and back has rounded. Each of the
    # Mogrifier's rounds is a step of its own.
    operations = 2 * of_window(T, I + H, L) + T * B
    return rounding(dtype, operations * (6 if cell == "mogrifier" else 1))


def configuration(
    cell: str, hidden_size: int, num_layers: int, layer_norm: bool = False
) -> ModelConfig:
    return ModelConfig(
        cell=cell,
        hidden_size=hidden_size,
        num_layers=num_layers,
        layer_norm=layer_norm,
        mogrifier_rank=2,
    )


def has_cell(backend: str, cell: str) -> bool:
    try:
        stack = RecurrentStack(configuration(cell, 2, 1), 2, backend)
        stack.initialize("uniform", torch.Generator())
        stack(torch.zeros(1, 1, 2), stack.initial_state(1))
    except UsageError:
        return False
    return True


PAIRS = [(cell, backend) for cell in CELLS for backend in BACKENDS if has_cell(backend, cell)]


def test_scratch_has_every_cell_and_builtin_every_one_of_torch() -> None:
    assert {cell for cell, backend in PAIRS if backend == "scratch"} == set(CELLS)
    assert {cell for cell, backend in PAIRS if backend == "builtin"} == set(TORCH_MODULES)
    assert set(TORCH_MODULES) >= {"rnn", "gru", "lstm"}


class Case:
    """A stack and its reference with the same random weights, and something to feed both."""

    def __init__(
        self,
        cell: str,
        backend: str,
        shape: tuple[int, int, int, int, int],
        dtype: torch.dtype,
        one_hot: bool,
    ) -> None:
        T, B, I, H, L = shape  # noqa: E741 (the letters of the literature)
        self.random = torch.Generator().manual_seed(1000 * T + 100 * B + 10 * H + L)
        self.dtype = dtype
        config = configuration(cell, H, L)
        self.stack = RecurrentStack(config, I, backend).to(dtype)
        with torch.no_grad():
            for weight in self.stack.parameters():
                weight.copy_(self.normal(*weight.shape))
        self.reference = self.make_reference(config, I)
        self.inputs = self.normal(T, B, I)
        self.ids: Tensor | None = None
        if one_hot:
            self.ids = torch.randint(I, (T, B), generator=self.random)
            self.inputs = F.one_hot(self.ids, I).to(dtype)
        self.state = tuple(self.normal(L, B, H) for _ in CELLS[cell].state_names)
        # What the gradient is of: every output and every final state with a weight of its own.
        self.output_share = self.normal(T, B, H)
        self.state_share = [self.normal(L, B, H) for _ in self.state]

    def make_reference(self, config: ModelConfig, input_size: int) -> nn.Module:
        """Torch's module, else the scratch backend, with the stack's weights."""
        module = TORCH_MODULES.get(config.cell)
        reference = (
            RecurrentStack(config, input_size, "scratch")
            if module is None
            else module(input_size, config.hidden_size, config.num_layers)
        ).to(self.dtype)
        reference.load_state_dict(self.stack.state_dict(), strict=True)
        return reference

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random, dtype=self.dtype)

    def run(
        self, module: nn.Module, *, cuts: tuple[int, ...] = (), read_ids: bool = False
    ) -> dict[str, Tensor]:
        """Outputs, final state, and the gradients of weights, inputs and first state.

        Args:
            cuts: where the window is cut in pieces, each run from the state after the one before.
        """
        module.zero_grad()
        inputs = self.inputs.clone().requires_grad_()
        first = tuple(each.clone().requires_grad_() for each in self.state)
        source = self.ids if read_ids and self.ids is not None else inputs
        pieces, state = [], first
        for start, stop in zip((0, *cuts), (*cuts, len(source)), strict=True):
            outputs, state = call(module, source[start:stop], state)
            pieces.append(outputs)
        outputs = torch.cat(pieces)
        total = (outputs * self.output_share).sum()
        for each, share in zip(state, self.state_share, strict=True):
            total = total + (each * share).sum()
        total.backward()
        results = {"outputs": outputs.detach()}
        results |= {f"state {i}": each.detach() for i, each in enumerate(state)}
        results |= {f"gradient of state {i}": graded(each) for i, each in enumerate(first)}
        results |= {f"gradient of {n}": graded(w) for n, w in module.named_parameters()}
        if source is inputs:
            results["gradient of inputs"] = graded(inputs)
        return results


def graded(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad.clone()


def call(module: nn.Module, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    if isinstance(module, RecurrentStack):
        return module(inputs, state)
    outputs, last = module(inputs, state if len(state) > 1 else state[0])
    return outputs, last if isinstance(last, tuple) else (last,)


def assert_equal(got: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    for name, value in got.items():
        torch.testing.assert_close(
            value,
            wanted[name],
            rtol=tolerance,
            atol=tolerance * max(1.0, float(wanted[name].abs().max())),
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("one_hot", [False, True], ids=["vectors", "ids"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_outputs_state_and_gradients_are_those_of_torch(
    cell: str,
    backend: str,
    shape: tuple[int, int, int, int, int],
    dtype: torch.dtype,
    one_hot: bool,
) -> None:
    case = Case(cell, backend, shape, dtype, one_hot)
    wanted = case.run(case.reference)
    whole = case.run(case.stack, read_ids=one_hot)
    assert whole["outputs"].shape == (shape[0], shape[1], shape[3])
    allowed = tolerance(cell, dtype, shape)
    assert_equal(whole, wanted, allowed)
    for cut in {1, shape[0] // 2, shape[0] - 1} - {0, shape[0]}:
        split = case.run(case.stack, cuts=(cut,), read_ids=one_hot)
        assert_equal(split, wanted, allowed)


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_nothing_that_goes_in_is_changed(cell: str, backend: str) -> None:
    case = Case(cell, backend, (7, 3, 4, 5, 2), torch.float32, False)
    before = [each.clone() for each in (case.inputs, *case.state, *case.stack.parameters())]
    with torch.no_grad():
        case.stack(case.inputs, case.state)
    for old, new in zip(before, (case.inputs, *case.state, *case.stack.parameters()), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_each_stream_of_a_batch_runs_by_itself(cell: str, backend: str) -> None:
    case = Case(cell, backend, (7, 3, 4, 5, 2), torch.float64, False)
    with torch.no_grad():
        together, _ = case.stack(case.inputs, case.state)
        for b in range(3):
            alone, _ = case.stack(
                case.inputs[:, b : b + 1], tuple(each[:, b : b + 1] for each in case.state)
            )
            torch.testing.assert_close(alone[:, 0], together[:, b], rtol=1e-12, atol=1e-12)


# Checkpoints


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_weights_load_strictly_into_every_other_backend(cell: str, backend: str) -> None:
    case = Case(cell, backend, (7, 3, 4, 5, 2), torch.float32, False)
    saved = case.stack.state_dict()
    for other in (name for each, name in PAIRS if each == cell):
        stack = RecurrentStack(configuration(cell, 5, 2), 4, other)
        stack.load_state_dict(saved, strict=True)
        allowed = tolerance(cell, torch.float32, (7, 3, 4, 5, 2))
        assert_equal(case.run(stack), case.run(case.stack), allowed)


@pytest.mark.parametrize("cell", TORCH_MODULES)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_weights_have_the_names_shapes_and_order_of_torch(cell: str, num_layers: int) -> None:
    theirs = TORCH_MODULES[cell](4, 5, num_layers)
    ours = RecurrentStack(configuration(cell, 5, num_layers), 4)
    assert [(name, w.shape) for name, w in ours.named_parameters()] == [
        (name, w.shape) for name, w in theirs.named_parameters()
    ]
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)


# Numeric gradients


FORMS = [
    pytest.param(
        ModelConfig(mogrifier_rank=2, layer_norm=normalized, **form), id=f"{name}-{normalized}"
    )
    for normalized, (name, form) in product((False, True), CELL_FORMS.items())
]


def random_weights(equations: Cell, I: int, H: int) -> dict[str, Tensor]:  # noqa: E741
    random = torch.Generator().manual_seed(0)
    return {
        letter: torch.randn(*shape, generator=random, dtype=torch.float64).requires_grad_()
        for letter, shape in equations.weight_shapes(I, H).items()
    }


@pytest.mark.parametrize("form", FORMS)
def test_gradient_on_scratch_is_the_numeric_one(form: ModelConfig) -> None:
    T, B, I, H = 3, 2, 3, 4  # noqa: E741
    equations = CELLS[form.cell](form)
    weights, states = random_weights(equations, I, H), len(equations.state_names)
    tensors = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in [(T, B, I), *[(B, H)] * states]
    ]

    def run(inputs: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        layer = LayerWeights(zip(weights, rest[states:], strict=True))
        outputs, state = scratch.run_layer(equations, inputs, rest[:states], layer)
        return outputs, *state

    assert torch.autograd.gradcheck(
        run, [*tensors, *weights.values()], eps=1e-6, atol=1e-7, rtol=1e-6
    )


@pytest.mark.parametrize("form", FORMS)
def test_gradient_through_ids_on_scratch_is_the_numeric_one(form: ModelConfig) -> None:
    equations = CELLS[form.cell](form)
    weights = random_weights(equations, 5, 3)
    ids = torch.tensor([[0, 4], [2, 2], [0, 1]])
    state = tuple(torch.zeros(2, 3, dtype=torch.float64) for _ in equations.state_names)

    def run(*each: Tensor) -> Tensor:
        layer = LayerWeights(zip(weights, each, strict=True))
        return scratch.run_layer(equations, ids, state, layer)[0]

    assert torch.autograd.gradcheck(run, list(weights.values()), eps=1e-6, atol=1e-7, rtol=1e-6)


# Layer normalization, zoneout, and cells that torch lacks


def direct_norm(x: Tensor, gain: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain


def test_layer_norm_is_that_of_the_equations() -> None:
    equations = CELLS["lstm"](ModelConfig(cell="lstm", layer_norm=True))
    weights = LayerWeights(random_weights(equations, 3, 4))
    x, h, C = torch.randn(5, 2, 3).double(), torch.randn(2, 4).double(), torch.randn(2, 4).double()
    outputs, _ = scratch.run_layer(equations, x, (h, C), weights)
    for x_t, output in zip(x, outputs, strict=True):
        sums = direct_norm(x_t @ weights.W.T, weights.gain_W) + weights.b
        sums = sums + direct_norm(h @ weights.U.T, weights.gain_U) + weights.c
        i, f, g, o = sums.chunk(4, dim=1)
        C = f.sigmoid() * C + i.sigmoid() * g.tanh()
        h = o.sigmoid() * C.tanh()
        torch.testing.assert_close(output, h, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_zoneout_holds_units_in_training_and_takes_the_mean_otherwise(cell: str) -> None:
    equations = CELLS[cell](ModelConfig(cell=cell, mogrifier_rank=2))
    weights = LayerWeights(random_weights(equations, 3, 40))
    share = equations.input_projection(torch.randn(1, 6, 3).double(), weights)[0]
    weights = equations.prepare(weights)
    state = tuple(torch.randn(6, 40).double() for _ in equations.state_names)
    new = equations.step(share, state, weights)
    mean = Zoneout(equations, 0.3, training=False).step(share, state, weights)
    torch.manual_seed(0)
    drawn = Zoneout(equations, 0.3, training=True).step(share, state, weights)
    for before, after, expected, zoned in zip(state, new, mean, drawn, strict=True):
        torch.testing.assert_close(expected, 0.3 * before + 0.7 * after)
        held = zoned == before
        assert torch.equal(zoned, torch.where(held, before, after))
        assert held.double().mean().item() == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
@pytest.mark.parametrize(("T", "B"), [(1, 1), (2, 3), (7, 2), (64, 1), (65, 3)])
def test_all_steps_at_once_are_those_one_by_one(cell: str, T: int, B: int) -> None:
    equations = CELLS[cell]()
    weights = LayerWeights(random_weights(equations, 3, 4))
    x, h = torch.randn(T, B, 3).double(), torch.randn(B, 4).double()
    outputs, (last,) = scratch.run_layer(equations, x, (h,), weights)
    for share, output in zip(equations.input_projection(x, weights), outputs, strict=True):
        (h,) = equations.step(share, (h,), weights)
        torch.testing.assert_close(output, h, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(last, h, rtol=1e-11, atol=1e-11)


def test_the_scan_takes_coefficients_of_any_sign_and_size() -> None:
    a, v = torch.randn(37, 2, 3).double() * 2, torch.randn(37, 2, 3).double()
    h = start = torch.randn(2, 3).double()
    wanted = []
    for each, add in zip(a, v, strict=True):
        h = each * h + add
        wanted.append(h)
    torch.testing.assert_close(scan(a, v, start), torch.stack(wanted))


def test_mingru_and_minlstm_are_those_of_the_paper() -> None:
    """Feng et al. 2024, equations of the sequential mode."""
    x, h = torch.randn(2, 3).double(), torch.randn(2, 4).double()
    for cell in ("mingru", "minlstm"):
        equations = CELLS[cell]()
        weights = LayerWeights(random_weights(equations, 3, 4))
        parts = (x @ weights.W.T + weights.b).chunk(len(equations.gate_names), dim=1)
        if cell == "mingru":
            z = parts[0].sigmoid()
            wanted = (1 - z) * h + z * parts[1]
        else:
            i, f = parts[0].sigmoid(), parts[1].sigmoid()
            wanted = f / (f + i) * h + i / (f + i) * parts[2]
        (after,) = equations.step(equations.input_projection(x[None], weights)[0], (h,), weights)
        torch.testing.assert_close(after, wanted)


def test_a_capped_gate_lets_in_at_most_what_is_forgotten() -> None:
    """Melis et al. 2018, section 3: i is min(1 - f, σ(…)), unit by unit."""
    equations = CELLS["lstm"](ModelConfig(cell="lstm", capped_gate=True))
    made = random_weights(equations, 3, 4)
    weights = LayerWeights({letter: each.detach() for letter, each in made.items()})
    x, h, C = torch.randn(9, 3).double(), torch.randn(9, 4).double(), torch.rand(9, 4).double()
    wanted, capped = torch.zeros(9, 4).double(), 0
    for row, unit in product(range(9), range(4)):
        i, f, g, _ = (
            float(weights.W[j] @ x[row] + weights.U[j] @ h[row] + weights.b[j] + weights.c[j])
            for j in (unit, 4 + unit, 8 + unit, 12 + unit)
        )
        i, f, g = 1 / (1 + math.exp(-i)), 1 / (1 + math.exp(-f)), math.tanh(g)
        capped += i > 1 - f
        wanted[row, unit] = f * C[row, unit] + min(i, 1 - f) * g
    assert 0 < capped < wanted.numel()
    _, after = equations.step(equations.input_projection(x[None], weights)[0], (h, C), weights)
    torch.testing.assert_close(after, wanted)
    assert after.abs().max() <= 1


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_the_mogrifier_is_that_of_the_paper(rounds: int) -> None:
    """Melis et al. 2020, equations 1 and 2; without rounds it is an lstm."""
    form = ModelConfig(cell="mogrifier", mogrifier_rounds=rounds, mogrifier_rank=2)
    equations = CELLS["mogrifier"](form)
    weights = LayerWeights(random_weights(equations, 3, 4))
    x, h, C = torch.randn(2, 3).double(), torch.randn(2, 4).double(), torch.randn(2, 4).double()
    after = equations.step(x, (h, C), weights)
    for i in range(1, rounds + 1):
        if i % 2:
            x = 2 * (h @ (weights[f"Q{i}_up"] @ weights[f"Q{i}_down"]).T).sigmoid() * x
        else:
            h = 2 * (x @ (weights[f"R{i}_up"] @ weights[f"R{i}_down"]).T).sigmoid() * h
    plain = LayerWeights({letter: weights[letter] for letter in "WUbc"})
    _, (wanted_h, wanted_C) = scratch.run_layer(CELLS["lstm"](), x[None], (h, C), plain)
    torch.testing.assert_close(after, (wanted_h, wanted_C))


# The textbook GRU


def d2l_gru(
    X: Tensor, H: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    """d2l.ai 10.2, equations 10.2.1 to 10.2.3, one step at a time.

    Args:
        X: (T, B, I).
        H: (B, H).
        W, U, b, c: rows in the order reset, update, candidate.
    """
    W_xr, W_xz, W_xh = (each.T for each in W.chunk(3))
    W_hr, W_hz, W_hh = (each.T for each in U.chunk(3))
    b_r, b_z, b_h = (b + c).chunk(3)
    outputs = []
    for X_t in X:
        R = 1 / (1 + torch.exp(-(X_t @ W_xr + H @ W_hr + b_r)))
        Z = 1 / (1 + torch.exp(-(X_t @ W_xz + H @ W_hz + b_z)))
        candidate = torch.tanh(X_t @ W_xh + (R * H) @ W_hh + b_h)
        H = Z * H + (1 - Z) * candidate
        outputs.append(H)
    return torch.stack(outputs), H


def textbook(input_size: int, hidden_size: int, num_layers: int, backend: str) -> RecurrentStack:
    config = ModelConfig(
        cell="gru", hidden_size=hidden_size, num_layers=num_layers, reset_after=False
    )
    stack = RecurrentStack(config, input_size, backend).double()
    stack.initialize("uniform", torch.Generator().manual_seed(3))
    return stack


@pytest.mark.parametrize(("T", "B", "L"), [(1, 1, 1), (7, 3, 1), (7, 1, 2), (3, 3, 3)])
def test_textbook_gru_is_the_one_of_d2l(T: int, B: int, L: int) -> None:
    stack = textbook(4, 5, L, "scratch")
    random = torch.Generator().manual_seed(4)
    inputs = torch.randn(T, B, 4, generator=random, dtype=torch.float64)
    state = torch.randn(L, B, 5, generator=random, dtype=torch.float64)
    share = torch.randn(T, B, 5, generator=random, dtype=torch.float64)

    outputs, (last,) = stack(inputs, (state,))
    (outputs * share).sum().backward()
    gradients = {name: graded(weight) for name, weight in stack.named_parameters()}

    stack.zero_grad()
    wanted, wanted_last = inputs, []
    for layer in range(L):
        wanted, h = d2l_gru(wanted, state[layer], **stack.layer_weights(layer))
        wanted_last.append(h)
    (wanted * share).sum().backward()

    torch.testing.assert_close(outputs, wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last, torch.stack(wanted_last), rtol=1e-12, atol=1e-12)
    for name, weight in stack.named_parameters():
        torch.testing.assert_close(gradients[name], graded(weight), rtol=1e-10, atol=1e-12)


def test_the_two_grus_are_different_functions() -> None:
    before = textbook(4, 5, 1, "scratch")
    after = RecurrentStack(ModelConfig(cell="gru", hidden_size=5), 4, "scratch").double()
    after.load_state_dict(before.state_dict())
    inputs = torch.randn(7, 3, 4, generator=torch.Generator().manual_seed(5)).double()
    state = (torch.ones(1, 3, 5, dtype=torch.float64),)
    assert not torch.allclose(before(inputs, state)[0], after(inputs, state)[0], atol=1e-3)


def test_textbook_gru_on_builtin_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="resets before") as caught:
        stack = textbook(4, 5, 1, "builtin")
        stack(torch.zeros(7, 3, 4).double(), stack.initial_state(3))
    assert "scratch" in caught.value.hint
