"""Layers on top of one another: dropout, weights, state, choice of backend."""

import math

import pytest
import torch
import torch.nn.functional as F
from needs import compiles
from tolerances import alike
from torch import Tensor

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.rnn.backends import choice
from charlm.rnn.backends.choice import (
    BACKENDS,
    available_backends,
    choose_backend,
    choose_precision_and_backend,
)
from charlm.rnn.cells import CELLS, LinearCell
from charlm.rnn.dropout import dropout_mask
from charlm.rnn.names import weight_name
from charlm.rnn.stack import RecurrentStack

FLOAT = torch.float32
# Every cell with every backend that has it.
PAIRS = [(c, b) for c in CELLS for b in BACKENDS if BACKENDS[b].supports(CELLS[c]())]


def make_stack(
    cell: str = "gru", backend: str = "auto", input_size: int = 4, seed: int = 0, **settings: object
) -> RecurrentStack:
    config = ModelConfig(cell=cell, **{"hidden_size": 5, **settings})  # type: ignore[arg-type]
    stack = RecurrentStack(config, input_size, backend)
    stack.initialize("uniform", torch.Generator().manual_seed(seed))
    return stack


def vectors(T: int = 7, B: int = 3, size: int = 4) -> Tensor:
    return torch.randn(T, B, size, generator=torch.Generator().manual_seed(1))


def run(stack: RecurrentStack, inputs: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return stack(inputs, stack.initial_state(inputs.shape[1]))[0].detach()


# State


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("B", "L"), [(1, 1), (3, 2), (1, 3)])
def test_initial_state_is_a_tuple_of_zeros(cell: str, B: int, L: int) -> None:
    stack = make_stack(cell, num_layers=L)
    for dtype in (torch.float32, torch.float64):
        state = stack.to(dtype).initial_state(B)
        assert isinstance(state, tuple)
        assert (
            len(state)
            == len(CELLS[cell].state_names)
            == (2 if cell in ("lstm", "mogrifier") else 1)
        )
        for each in state:
            assert each.shape == (L, B, 5)
            assert each.dtype == dtype
            assert not each.any()
            assert not each.requires_grad


@pytest.mark.parametrize("cell", CELLS)
def test_the_last_output_is_the_last_layers_state(cell: str) -> None:
    stack = make_stack(cell, num_layers=2)
    outputs, state = stack(vectors(), stack.initial_state(3))
    assert torch.equal(outputs[-1], state[0][-1])


# Dropout


@pytest.mark.parametrize("backend", available_backends(ModelConfig(), "cpu"))
def test_dropout_lies_between_layers_and_not_after_the_last(backend: str) -> None:
    """With the mask known, the layers can be run by hand."""
    stack = make_stack("gru", backend, num_layers=2, dropout=0.5).train()
    inputs = vectors()
    outputs = run(stack, inputs, seed=9)

    lower, upper = make_stack("gru", backend), make_stack("gru", backend, input_size=5)
    for letter in "WUbc":
        first, second = weight_name(letter, 0), weight_name(letter, 1)
        lower.get_parameter(first).data.copy_(stack.get_parameter(first))
        upper.get_parameter(first).data.copy_(stack.get_parameter(second))
    hidden = run(lower, inputs)
    torch.manual_seed(9)
    dropped = hidden * dropout_mask(hidden, (1, 3, 5), 0.5)  # one mask for all steps
    assert (dropped == 0).any()
    torch.testing.assert_close(outputs, run(upper, dropped), **alike(7, 10, 2))


@pytest.mark.parametrize("backend", available_backends(ModelConfig(), "cpu"))
@pytest.mark.parametrize(
    ("settings", "active"),
    [
        ({"dropout": 0.5, "num_layers": 2}, True),
        ({"dropout": 0.5, "num_layers": 1}, False),
        ({"input_dropout": 0.5, "num_layers": 1}, True),
        ({"weight_drop": 0.5, "num_layers": 1}, True),
        ({"weight_drop": 0.5, "num_layers": 3}, True),
    ],
    ids=str,
)
def test_dropout_and_weight_drop_act_in_training_alone(
    backend: str, settings: dict[str, float], active: bool
) -> None:
    stack, inputs = make_stack("lstm", backend, **settings), vectors()
    plain = make_stack("lstm", backend, num_layers=settings["num_layers"])
    stack.train()
    assert torch.equal(run(stack, inputs, 1), run(stack, inputs, 2)) is not active
    assert torch.equal(run(stack, inputs, 1), run(stack, inputs, 1))
    stack.eval()
    assert torch.equal(run(stack, inputs, 1), run(stack, inputs, 2))
    assert torch.equal(run(stack, inputs), run(plain, inputs))


READ = {
    "vectors": 1,
    "ids, a table for each stream": 3,
    "ids, more characters than a table is worth": 9,
}


@pytest.mark.parametrize("size", READ.values(), ids=READ)
@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_input_dropout_is_one_mask_over_each_streams_vectors(
    cell: str, backend: str, size: int
) -> None:
    """Whichever way the vectors are read; gradients too."""
    T, B, E, p = 12, 3, 4, 0.4
    stack = make_stack(cell, backend, input_dropout=p).train()
    plain = make_stack(cell, backend).train()
    ids = torch.randint(size, (T, B), generator=torch.Generator().manual_seed(3))
    table = torch.randn(size, E, generator=torch.Generator().manual_seed(4))
    mine, wanted = table.clone().requires_grad_(), table.clone().requires_grad_()
    torch.manual_seed(5)
    mask = dropout_mask(table, (1, B, E), p)
    assert 0 < (mask == 0).sum() < mask.numel()
    by_hand, _ = plain(wanted[ids] * mask, plain.initial_state(B))
    torch.manual_seed(5)
    if size == 1:
        outputs, _ = stack(mine[ids], stack.initial_state(B))
    else:
        outputs, _ = stack(ids, stack.initial_state(B), mine)
    torch.testing.assert_close(outputs, by_hand, **alike(9, 10))
    for each in (outputs, by_hand):
        each.square().sum().backward()
    torch.testing.assert_close(mine.grad, wanted.grad, **alike(2 * 9, 10))
    for one, other in zip(stack.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **alike(2 * 9, 10))


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_input_dropout_on_one_hot_vectors_drops_whole_characters(cell: str, backend: str) -> None:
    T, B, V, p = 9, 3, 4, 0.4
    stack = make_stack(cell, backend, input_dropout=p).train()
    plain = make_stack(cell, backend).train()
    ids = torch.randint(V, (T, B), generator=torch.Generator().manual_seed(3))
    torch.manual_seed(5)
    mask = dropout_mask(torch.ones(1), (1, B, V), p)
    by_hand, _ = plain(F.one_hot(ids, V) * mask, plain.initial_state(B))
    torch.manual_seed(5)
    outputs, _ = stack(ids, stack.initial_state(B))
    torch.testing.assert_close(outputs, by_hand, **alike(9, 10))
    for each in (outputs, by_hand):
        each.square().sum().backward()
    for one, other in zip(stack.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **alike(2 * 9, 10))


@pytest.mark.parametrize("backend", available_backends(ModelConfig(), "cpu"))
def test_weight_drop_masks_the_recurrent_matrix_once_a_window(backend: str) -> None:
    stack, inputs = make_stack("gru", backend, weight_drop=0.4).train(), vectors()
    outputs = run(stack, inputs, seed=3)
    masked = make_stack("gru", backend)
    torch.manual_seed(3)
    U = masked.get_parameter("weight_hh_l0").data
    U.copy_(stack.weight_hh_l0.detach() * dropout_mask(U, tuple(U.shape), 0.4))
    torch.testing.assert_close(outputs, run(masked, inputs), **alike(7, 10))


def test_weight_drop_leaves_the_weights_alone_and_lets_the_gradient_through() -> None:
    stack = make_stack("gru", weight_drop=0.4).train()
    before = {name: weight.detach().clone() for name, weight in stack.named_parameters()}
    torch.manual_seed(0)
    outputs, _ = stack(vectors(), stack.initial_state(3))
    outputs.sum().backward()
    for name, weight in stack.named_parameters():
        assert torch.equal(weight, before[name])
    kept = stack.weight_hh_l0.grad != 0
    assert 0.4 < kept.float().mean() < 0.8  # about 60 % of 75 entries


# Initialization


def initialized(cell: str, scheme: str, seed: int = 0, H: int = 32, L: int = 2) -> RecurrentStack:
    stack = RecurrentStack(ModelConfig(cell=cell, hidden_size=H, num_layers=L), 24)
    with torch.no_grad():
        for weight in stack.parameters():
            weight.fill_(math.nan)  # so that nothing is left out
    stack.initialize(scheme, torch.Generator().manual_seed(seed))
    return stack.requires_grad_(False)


@pytest.mark.parametrize("scheme", ["uniform", "normal", "orthogonal"])
@pytest.mark.parametrize("cell", CELLS)
def test_same_seed_same_weights(cell: str, scheme: str) -> None:
    state = torch.get_rng_state()
    first, again, other = (initialized(cell, scheme, seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in first.items():
        assert weight.isfinite().all()
        assert torch.equal(weight, again[name])
        if "weight" in name:
            assert not torch.equal(weight, other[name])


@pytest.mark.parametrize("cell", CELLS)
def test_uniform_fills_the_interval_of_torch(cell: str) -> None:
    bound = 1 / math.sqrt(32)
    for name, weight in initialized(cell, "uniform").named_parameters():
        assert weight.abs().max() <= bound
        if "weight" in name:
            # Standard deviation of the uniform distribution: bound / √3.
            assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert weight.abs().max() > 0.98 * bound
            assert abs(weight.mean()) < 0.06 * bound
        else:
            assert weight.any()


@pytest.mark.parametrize("cell", CELLS)
def test_normal_is_the_one_of_d2l(cell: str) -> None:
    for name, weight in initialized(cell, "normal", H=64).named_parameters():
        if name[0] in "QR":  # the mogrifier's own
            continue
        if "bias" in name:
            assert not weight.any()
        else:
            assert weight.std() == pytest.approx(0.01, rel=0.05)
            assert abs(weight.mean()) < 0.0005
            assert weight.abs().max() > 0.028  # not cut off, as a uniform one would be


@pytest.mark.parametrize("cell", CELLS)
def test_orthogonal_is_so_for_each_gate(cell: str) -> None:
    stack = initialized(cell, "orthogonal")
    for layer in range(2):
        weights = stack.layer_weights(layer)
        W, b = weights.W, weights.b
        for each in weights.U.chunk(len(stack.cell.gate_names)) if "U" in weights else ():
            torch.testing.assert_close(each @ each.T, torch.eye(32), **alike(1, 32))
        assert W.abs().max() <= 1 / math.sqrt(32)
        assert W.std() == pytest.approx(1 / math.sqrt(3 * 32), rel=0.05)
        assert "c" not in weights or not weights.c.any()
        for gate, share in zip(
            stack.cell.gate_names, b.chunk(len(stack.cell.gate_names)), strict=True
        ):
            assert (share == (1.0 if gate == "f" else 0.0)).all()


def test_the_forget_gate_is_the_second_of_the_lstm() -> None:
    """As torch orders its rows; the first unit of a memory then keeps what it holds."""
    b = initialized("lstm", "orthogonal").layer_weights(0).b
    assert b.tolist() == [0.0] * 32 + [1.0] * 32 + [0.0] * 64


# Backends


def test_unknown_names_are_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'lstm'") as caught:
        RecurrentStack(ModelConfig(cell="lstmm"), 3)
    assert "cell called 'lstmm'" in caught.value.message
    with pytest.raises(UsageError, match="Did you mean 'scratch'") as caught:
        RecurrentStack(ModelConfig(), 3, "scrach")
    assert "backend called 'scrach'" in caught.value.message


def test_auto_is_the_fastest_backend_that_has_the_cell() -> None:
    fastest = "fused" if compiles() else "builtin"
    for cell in ("rnn", "gru", "lstm"):
        assert choose_backend(ModelConfig(cell=cell)) == fastest
    assert choose_backend(ModelConfig(cell="gru", reset_after=False)) == "scratch"
    assert choose_backend(ModelConfig(cell="lstm", reset_after=False)) == fastest
    for backend in available_backends(ModelConfig(), "cpu"):
        assert choose_backend(ModelConfig(), backend) == backend


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_auto_runs_every_cell(cell: str, reset_after: bool) -> None:
    stack = make_stack(cell, reset_after=reset_after)
    assert stack.backend in BACKENDS
    assert run(stack, vectors()).isfinite().all()


@pytest.mark.parametrize(
    ("tiles", "cell", "H", "precision"),
    [
        (False, "gru", 128, "fp32"),
        (False, "gru", 512, "bf16"),
        (True, "gru", 128, "bf16"),
        (True, "gru", 32, "fp32"),
        (False, "mingru", 32, "bf16"),
    ],
)
def test_the_width_chooses_the_arithmetic(
    tiles: bool, cell: str, H: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    monkeypatch.setattr(choice, "windows_in_bfloat16", lambda cell: tiles)
    cpu, config = torch.device("cpu"), ModelConfig(cell=cell, hidden_size=H)
    backend = choose_backend(config, precision=precision)
    assert choose_precision_and_backend(config, cpu) == (precision, backend)
    assert choose_precision_and_backend(config, cpu, "fp32", "scratch") == ("fp32", "scratch")
    # Only compiled code makes products in tiles.
    narrow = "bf16" if H == 512 or cell == "mingru" else "fp32"
    assert choose_precision_and_backend(config, cpu, "auto", "scratch") == (narrow, "scratch")
    with pytest.raises(UsageError):
        choose_precision_and_backend(config, cpu, "auto", "cudnn")


# Lower precision


@pytest.mark.parametrize("one_hot", [False, True], ids=["vectors", "ids"])
@pytest.mark.parametrize("L", [1, 2])
@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_under_autocast_the_state_stays_in_float32(
    cell: str, backend: str, L: int, one_hot: bool
) -> None:
    stack = make_stack(cell, backend, num_layers=L)
    ids = torch.randint(4, (7, 3), generator=torch.Generator().manual_seed(2))
    inputs = ids if one_hot else vectors()
    first = stack.initial_state(3)
    exact, exact_state = stack(inputs, first)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, state = stack(inputs, first)
    assert [each.dtype for each in state] == [FLOAT] * len(state)
    # Each of 7 steps in each layer rounds a sum of numbers below 1 to 8 bits.
    allowed = 7 * L * 2**-8
    torch.testing.assert_close(outputs.float(), exact, rtol=0, atol=allowed)
    for got, wanted in zip(state, exact_state, strict=True):
        torch.testing.assert_close(got.float(), wanted, rtol=0, atol=allowed)
    # A linear cell that looks its input up multiplies nothing.
    multiplies = L > 1 or not one_hot or not isinstance(stack.cell, LinearCell)
    assert torch.equal(outputs.float(), exact) != multiplies
    outputs.float().sum().backward()
    for weight in stack.parameters():
        assert weight.grad is not None
        assert weight.grad.dtype == FLOAT
        assert weight.grad.isfinite().all()
