"""What is the fused backend's own; its equality with torch.nn is tested with the other backends."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from needs import UNCOMPILED
from tolerances import assert_as_near, assert_near, of_window, rounding

from charlm.config import ModelConfig
from charlm.model import LanguageModel
from charlm.rnn import builtin, cells, fused
from charlm.rnn.fused import machine
from charlm.rnn.fused.gated import FusedLayer
from charlm.rnn.stack import RecurrentStack, choose_backend

CELLS = tuple(name for name, cell in cells.CELLS.items() if fused.supports(cell()))
FORMS = tuple(
    (name, layer_norm)
    for name, cell in cells.CELLS.items()
    for layer_norm in (False, True)
    if fused.supports(cell(ModelConfig(cell=name, layer_norm=layer_norm)))
)
NEEDS_COMPILED = pytest.mark.skipif(not machine.COMPILED, reason=UNCOMPILED)
BF16 = torch.finfo(torch.bfloat16).eps
SHAPES = [(1, 1, 1), (1, 3, 5), (7, 1, 5), (7, 3, 16), (4, 2, 33)]


def stack(
    cell: str,
    H: int,
    layers: int = 1,
    dtype: torch.dtype = torch.float32,
    layer_norm: bool = False,
    backend: str = "fused",
) -> RecurrentStack:
    config = ModelConfig(cell=cell, hidden_size=H, num_layers=layers, layer_norm=layer_norm)
    made = RecurrentStack(config, 6, backend)
    made.initialize("uniform", torch.Generator().manual_seed(0))
    return made.to(dtype)


def loss_and_gradients(
    model: RecurrentStack, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]
) -> list[torch.Tensor]:
    """A loss that depends on every output and on the last state, and all gradients."""
    state = tuple(each.clone().requires_grad_() for each in state)
    outputs, last = model(inputs, state)
    loss = outputs.square().sum() + sum(each.sin().sum() for each in last)
    wanted = [*model.parameters(), *state]
    return [loss.detach(), *torch.autograd.grad(loss, wanted)]


def in_double(
    model: RecurrentStack, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]
) -> list[torch.Tensor]:
    """The loss and gradients of the same on the scratch backend, in float64."""
    exact = RecurrentStack(model.config, 6, "scratch").double()
    exact.load_state_dict(model.state_dict())
    wide = inputs.double() if inputs.is_floating_point() else inputs
    return loss_and_gradients(exact, wide, tuple(each.double() for each in state))


@NEEDS_COMPILED
@pytest.mark.parametrize(("cell", "layer_norm"), FORMS)
@pytest.mark.parametrize(("T", "B", "H"), SHAPES)
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("threads", [1, 3])
def test_compiled_arithmetic_equals_torchs(
    cell: str,
    T: int,
    B: int,
    H: int,
    one_hot: bool,
    layer_norm: bool,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(machine, "WORTH_SHARING", 1)
    torch.manual_seed(0)
    # A single unit, normalized, is its bias: nothing to compare but rounding of zero over zero.
    model = stack(cell, H, layers=2, layer_norm=layer_norm and H > 1)
    inputs = torch.randint(6, (T, B)) if one_hot else torch.randn(T, B, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(B))
    compiled = loss_and_gradients(model, inputs, state)
    monkeypatch.setattr(machine, "COMPILED", False)
    plain = loss_and_gradients(model, inputs, state)
    # Normalizing so few units, which come close to each other, magnifies rounding: torch's too.
    exact = in_double(model, inputs, state)
    assert_as_near(compiled, plain, exact, rounding(torch.float32, of_window(T, H, layers=2)))


@pytest.mark.parametrize(("cell", "layer_norm"), FORMS)
@pytest.mark.parametrize("one_hot", [True, False])
def test_gradients_in_double_precision(cell: str, one_hot: bool, layer_norm: bool) -> None:
    torch.manual_seed(0)
    model = stack(cell, 3, layers=2, dtype=torch.float64, layer_norm=layer_norm)
    inputs = torch.randint(6, (4, 2)) if one_hot else torch.randn(4, 2, 6, dtype=torch.float64)
    state = tuple(torch.randn_like(each).requires_grad_() for each in model.initial_state(2))
    names = [name for name, _ in model.named_parameters()]
    values = [each.detach().clone().requires_grad_() for each in model.parameters()]

    def function(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = dict(zip(names, arguments, strict=False))
        outputs, last = torch.func.functional_call(
            model, weights, (inputs, arguments[len(names) :])
        )
        return (outputs, *last)

    assert torch.autograd.gradcheck(function, (*values, *state))


@pytest.mark.parametrize(("cell", "layer_norm"), FORMS)
@pytest.mark.parametrize("one_hot", [True, False])
def test_every_form_is_that_of_scratch(cell: str, layer_norm: bool, one_hot: bool) -> None:
    torch.manual_seed(0)
    mine, theirs = (
        stack(cell, 33, layers=2, layer_norm=layer_norm, backend=each)
        for each in ("fused", "scratch")
    )
    with torch.no_grad():
        for weight in mine.parameters():
            weight.add_(torch.rand_like(weight) - 0.5)
    theirs.load_state_dict(mine.state_dict())
    inputs = torch.randint(6, (7, 3)) if one_hot else torch.randn(7, 3, 6)
    state = tuple(torch.randn_like(each) for each in mine.initial_state(3))
    pairs = [loss_and_gradients(each, inputs, state) for each in (mine, theirs)]
    floor = rounding(torch.float32, of_window(7, 33, layers=2))
    assert_as_near(*pairs, in_double(mine, inputs, state), floor)


@NEEDS_COMPILED
@pytest.mark.parametrize(("cell", "layer_norm"), FORMS)
@pytest.mark.parametrize("one_hot", [True, False])
def test_narrow_products_are_the_same_compiled_or_not(
    cell: str, layer_norm: bool, one_hot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = stack(cell, 17, layers=2, layer_norm=layer_norm)
    inputs = torch.randint(6, (9, 3)) if one_hot else torch.randn(9, 3, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(3))
    with torch.autocast("cpu", torch.bfloat16):
        compiled = loss_and_gradients(model, inputs, state)
        monkeypatch.setattr(machine, "COMPILED", False)
        plain = loss_and_gradients(model, inputs, state)
    assert_as_near(compiled, plain, in_double(model, inputs, state), BF16)


@pytest.mark.parametrize(("cell", "layer_norm"), FORMS)
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("H", [32, 96])
def test_narrow_products_in_tiles_are_near_the_exact_ones(
    H: int, cell: str, layer_norm: bool, one_hot: bool
) -> None:
    # Not the same as torch's: tiles sum in float32, torch rounds what it hands out. But both round
    # the same factors, and what the net makes of that is what torch's own autocast shows.
    torch.manual_seed(0)
    model = stack(cell, H, layers=2, layer_norm=layer_norm)
    plain = stack(cell, H, layers=2, layer_norm=layer_norm, backend="scratch")
    plain.load_state_dict(model.state_dict())
    inputs = torch.randint(6, (9, 3)) if one_hot else torch.randn(9, 3, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(3))
    with torch.autocast("cpu", torch.bfloat16):
        narrow = loss_and_gradients(model, inputs, state)
        torchs = loss_and_gradients(plain, inputs, state)
    assert_as_near(narrow, torchs, in_double(model, inputs, state), BF16)


@pytest.mark.parametrize("cell", CELLS)
def test_memory_is_used_again_but_never_while_it_is_needed(cell: str) -> None:
    torch.manual_seed(0)
    model = stack(cell, 5)
    state = model.initial_state(3)
    one, two = torch.randint(6, (7, 3)), torch.randint(6, (7, 3))
    alone = [loss_and_gradients(model, each, state) for each in (one, two)]
    # Both graphs are alive at once, and the first is gone through twice.
    losses = [model(each, state)[0].square().sum() for each in (one, two)]
    weights = list(model.parameters())
    first = torch.autograd.grad(losses[0], weights, retain_graph=True)
    torch.autograd.grad(losses[1], weights)
    again = torch.autograd.grad(losses[0], weights)
    for mine, theirs in zip(first, again, strict=True):
        assert torch.equal(mine, theirs)
    for each, expected in zip((one, two), alone, strict=True):
        for mine, theirs in zip(loss_and_gradients(model, each, state), expected, strict=True):
            assert torch.equal(mine, theirs)
    del losses
    before = sum(len(each) for each in machine.Lease.free.values())
    loss_and_gradients(model, one, state)
    assert sum(len(each) for each in machine.Lease.free.values()) == before


def test_two_matrices_of_one_shape_are_multiplied_by_at_once() -> None:
    x = torch.randn(5, 64).bfloat16()
    matrices = torch.randn(2, 96, 64).bfloat16().unbind(0)
    products = [machine.multiplier(each, 5) for each in matrices]
    for multiply, matrix in zip(products, matrices, strict=True):
        # The factors are exact; sums of 64 products are made in float32, and perhaps rounded.
        exact = x.double() @ matrix.double().t()
        sizes = x.double().abs() @ matrix.double().abs().t()
        allowed = (
            rounding(torch.float32, 64) * sizes + torch.finfo(torch.bfloat16).eps * exact.abs()
        )
        assert ((multiply(x).double() - exact).abs() <= allowed).all()


@NEEDS_COMPILED
@pytest.mark.skipif(not machine.barrier(), reason="compiled code cannot share torch's threads")
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("narrow", "H"), [(False, 5), (False, 70), (True, 32), (True, 96)])
@pytest.mark.parametrize("threads", [2, 3])
def test_a_sweep_of_threads_that_meet_is_that_of_threads_that_do_not(
    threads: int, narrow: bool, H: int, cell: str, one_hot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = stack(cell, H, layers=2)
    inputs = torch.randint(6, (9, 5)) if one_hot else torch.randn(9, 5, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(5))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(machine, "WORTH_SHARING", 1)
    calls = []
    for near in (-1, 10**9):
        monkeypatch.setattr(machine, "NEAR", near)
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            calls.append(loss_and_gradients(model, inputs, state))
    # Either of the lstm's two products in f C + i g may be fused with the sum, and the compiler
    # chooses for each sweep anew.
    if cell == "lstm":
        dtype = torch.bfloat16 if narrow else torch.float32
        assert_near(*calls, rounding(dtype, 1) if narrow else rounding(dtype, of_window(9, H, 2)))
        return
    for mine, theirs in zip(*calls, strict=True):
        assert torch.equal(mine, theirs)


@NEEDS_COMPILED
@pytest.mark.skipif(not machine.barrier(), reason="compiled code cannot share torch's threads")
@pytest.mark.parametrize("near", [-1, 10**9], ids=["together", "apart"])
@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_result_does_not_depend_on_how_many_threads_compute(
    cell: str, gates: int, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "most_threads", lambda: 3)
    monkeypatch.setattr(machine, "WORTH_SHARING", 1)
    monkeypatch.setattr(machine, "NEAR", near)
    torch.manual_seed(0)
    B, H = 7, 20
    state = [torch.randn(B, H, requires_grad=True) for _ in range(2 if cell == "lstm" else 1)]
    table = torch.randn(6, gates * H, requires_grad=True)
    ids, U, c_n = torch.randint(6, (9, B)), torch.randn(gates * H, H), torch.randn(H)
    layer: Any = FusedLayer
    before, results = torch.get_num_threads(), []
    for threads in (3, 2, 1):
        torch.set_num_threads(threads)
        outputs, *last = layer.apply(
            cell, torch.float32, ids, table, c_n if cell == "gru" else U[:0, 0], U[:0, 0], U, *state
        )
        loss = outputs.square().sum() + sum(each.sin().sum() for each in last)
        # The gradient of U, and what of torch's makes it, is left out.
        results.append([outputs, *last, *torch.autograd.grad(loss, [table, *state])])
    torch.set_num_threads(before)
    for result in results[1:]:
        for mine, theirs in zip(result, results[0], strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("setting", ["OMP_DYNAMIC=true", "OMP_THREAD_LIMIT=1"])
def test_no_thread_waits_for_one_that_may_not_come(setting: str) -> None:
    name, value = setting.split("=")
    script = (
        "import torch; from charlm.rnn.fused import machine; torch.set_num_threads(2);"
        "assert machine.barrier() == 0; machine.NEAR = -1; machine.WORTH_SHARING = 1;"
        "from charlm.rnn.stack import RecurrentStack; from charlm.config import ModelConfig;"
        "layer = RecurrentStack(ModelConfig(hidden_size=32), 6, 'fused');"
        "layer.initialize('uniform', torch.Generator().manual_seed(0));"
        "outputs, _ = layer(torch.randint(6, (9, 5)), layer.initial_state(5));"
        "outputs.sum().backward()"
    )
    environment = {**os.environ, name: value}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=100)


@NEEDS_COMPILED
def test_rows_are_shared_among_threads_only_where_it_pays() -> None:
    assert machine.parts_of(torch.zeros(64, 256)) == min(torch.get_num_threads(), 16)
    assert machine.parts_of(torch.zeros(1, 10_000)) == 1
    assert machine.parts_of(torch.zeros(30, 30)) == 1
    assert machine.parts_of(torch.zeros(64, 256, dtype=torch.float64)) == 1


@NEEDS_COMPILED
def test_threads_that_cannot_be_shared_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    U, rows = torch.zeros(48, 16), torch.zeros(64, 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(machine, "TEAM", 1)
    assert machine.sweeps(U, rows, 1)
    assert not machine.sweeps(U, rows.bfloat16(), 1)
    large = torch.zeros(4096, 4096)
    assert not machine.sweeps(large, rows, 1)
    assert machine.sweeps(large, rows, 2) == (machine.barrier() != 0)
    monkeypatch.setattr(machine, "barrier", lambda: 0)
    assert not machine.sweeps(large, rows, 2)
    monkeypatch.setattr(machine, "TEAM", 0)
    assert not machine.sweeps(U, rows, 1)
    assert machine.parts_of(torch.zeros(64, 256)) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert machine.sweeps(U, rows, 1)


@NEEDS_COMPILED
def test_narrow_products_are_made_in_tiles_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "TEAM", 1)
    from charlm.rnn import amx

    tiles = amx.available()
    for N, K, fit in ((96, 32, True), (96, 48, False), (24, 32, False), (51, 17, False)):
        U, rows = torch.zeros(N, K), torch.zeros(5, K, dtype=torch.bfloat16)
        assert machine.in_tiles(N, K) == (fit and tiles)
        assert machine.sweeps(U, rows, 1) == (fit and tiles)
    large = torch.zeros(4096, 1024)
    assert machine.sweeps(large, torch.zeros(64, 1024, dtype=torch.bfloat16), 2) == tiles
    monkeypatch.setattr(machine, "barrier", lambda: 0)
    assert machine.sweeps(large, torch.zeros(64, 1024, dtype=torch.bfloat16), 2) == tiles
    assert not machine.sweeps(large, torch.zeros(64, 1024, dtype=torch.bfloat16), 32)
    assert not machine.sweeps(large, torch.zeros(64, 1024, dtype=torch.float16), 1)
    monkeypatch.setattr(machine, "TEAM", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert not machine.in_tiles(96, 32)


@NEEDS_COMPILED
@pytest.mark.parametrize("cell", CELLS)
def test_without_numba_torchs_kernels_are_the_fastest(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchs = "builtin" if builtin.supports(cells.CELLS[cell]()) else "scratch"
    assert choose_backend(ModelConfig(cell=cell)) == "fused"
    for tiles in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(machine, "in_tiles", lambda N, K, tiles=tiles: tiles)
            narrow = choose_backend(ModelConfig(cell=cell), precision="bf16")
        assert narrow == ("builtin" if cell == "lstm" and not tiles else "fused")
    with monkeypatch.context() as patch:
        patch.setattr(machine, "TEAM", 0)
        assert choose_backend(ModelConfig(cell=cell)) == narrow
    large = ModelConfig(cell=cell, hidden_size=1024)
    assert choose_backend(large, precision="bf16") == "fused"
    normalized = "fused" if (cell, True) in FORMS else "scratch"
    assert choose_backend(ModelConfig(cell=cell, layer_norm=True)) == normalized
    assert choose_backend(ModelConfig(cell=cell, zoneout=0.1)) == "scratch"
    assert choose_backend(ModelConfig(cell=cell), device="cuda") == torchs
    monkeypatch.setattr(machine, "COMPILED", False)
    assert choose_backend(ModelConfig(cell=cell)) == torchs
    assert choose_backend(ModelConfig(cell=cell), "fused") == "fused"


@pytest.mark.parametrize("cell", CELLS)
def test_narrow_products_are_near_and_the_state_is_not_narrow(cell: str) -> None:
    config = ModelConfig(vocabulary_size=9, cell=cell, hidden_size=32, embedding_size=4)
    model = LanguageModel(config, "fused")
    model.initialize("uniform", 0)
    scratch = LanguageModel(config, "scratch")
    scratch.load_weights(model.weights())
    ids = torch.randint(9, (11, 3))
    wide, _ = model(ids, model.initial_state(3))
    with torch.autocast("cpu", torch.bfloat16):
        narrow, state = model(ids, model.initial_state(3))
        torchs, _ = scratch(ids, scratch.initial_state(3))
    assert all(each.dtype == torch.float32 for each in state)
    assert not torch.equal(narrow.float(), wide)
    assert_as_near([narrow], [torchs], [wide], BF16)
