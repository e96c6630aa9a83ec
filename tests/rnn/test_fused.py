"""What is the fused backend's own; its equality with torch.nn is tested with the other backends."""

import os
import subprocess
import sys
from itertools import product
from typing import Any

import pytest
import torch
from cell_forms import CELL_FORMS
from needs import needs_compiled_code
from tolerances import assert_as_near, assert_near, of_window, rounding

needs_compiled_code()

from charlm import kernels
from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.rnn.backends import builtin, fused
from charlm.rnn.backends.choice import choose_backend
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.buffers import PooledBuffer
from charlm.rnn.backends.fused.layer import FusedLayer
from charlm.rnn.cells import make_cell
from charlm.rnn.stack import RecurrentStack

# Those forms of cells that it has, by name.
CELLS = tuple(
    name for name, form in CELL_FORMS.items() if fused.supports(make_cell(ModelConfig(**form)))
)
CANNOT_WAIT = pytest.mark.skipif(
    not kernels.synchronizes(2), reason="compiled code cannot share torch's threads"
)
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
    sizes: dict[str, Any] = {"hidden_size": H, "num_layers": layers, "layer_norm": layer_norm}
    config = ModelConfig(**CELL_FORMS[cell], **sizes)
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


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("T", "B", "H"), SHAPES)
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("threads", [1, 3])
def test_it_computes_what_scratch_does(
    cell: str, T: int, B: int, H: int, one_hot: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(policy, "WORTH_A_THREAD", 1)
    torch.manual_seed(0)
    model = stack(cell, H, layers=2)
    plain = stack(cell, H, layers=2, backend="scratch")
    plain.load_state_dict(model.state_dict())
    inputs = torch.randint(6, (T, B)) if one_hot else torch.randn(T, B, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(B))
    pairs = [loss_and_gradients(each, inputs, state) for each in (model, plain)]
    exact = in_double(model, inputs, state)
    assert_as_near(*pairs, exact, rounding(torch.float32, of_window(T, H, layers=2)))


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_float32_on_the_cpu_is_left_to_scratch(cell: str) -> None:
    model, plain = stack(cell, 5).double(), stack(cell, 5, backend="scratch").double()
    ids, state = torch.randint(6, (4, 2)), model.initial_state(2)
    for mine, theirs in zip(
        loss_and_gradients(model, ids, state), loss_and_gradients(plain, ids, state), strict=True
    ):
        assert torch.equal(mine, theirs)
    model, plain = model.float(), plain.float()
    with torch.autocast("cpu", torch.float16):
        pair = [each(ids, each.initial_state(2))[0] for each in (model, plain)]
    assert torch.equal(*pair)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("one_hot", [True, False])
def test_weights_far_from_zero_are_no_different(cell: str, one_hot: bool) -> None:
    torch.manual_seed(0)
    mine, theirs = (stack(cell, 33, layers=2, backend=each) for each in ("fused", "scratch"))
    with torch.no_grad():
        for weight in mine.parameters():
            weight.add_(torch.rand_like(weight) - 0.5)
    theirs.load_state_dict(mine.state_dict())
    inputs = torch.randint(6, (7, 3)) if one_hot else torch.randn(7, 3, 6)
    state = tuple(torch.randn_like(each) for each in mine.initial_state(3))
    pairs = [loss_and_gradients(each, inputs, state) for each in (mine, theirs)]
    floor = rounding(torch.float32, of_window(7, 33, layers=2))
    assert_as_near(*pairs, in_double(mine, inputs, state), floor)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("H", [17, 32, 96])
def test_bfloat16_is_as_near_the_exact_result_as_torchs_autocast(
    H: int, cell: str, one_hot: bool
) -> None:
    # Not the same as torch's: tiles sum in float32, torch rounds what it hands out. But both round
    # the same factors, and what the net makes of that is what torch's own autocast shows.
    torch.manual_seed(0)
    model = stack(cell, H, layers=2)
    plain = stack(cell, H, layers=2, backend="scratch")
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
    before = sum(len(each) for each in PooledBuffer.free.values())
    loss_and_gradients(model, one, state)
    assert sum(len(each) for each in PooledBuffer.free.values()) == before


@CANNOT_WAIT
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "lstm-capped"])
@pytest.mark.parametrize(("narrow", "H"), [(False, 5), (False, 70), (True, 32), (True, 96)])
@pytest.mark.parametrize("threads", [2, 3])
def test_a_window_is_the_same_whichever_way_threads_share_it(
    threads: int, narrow: bool, H: int, cell: str, one_hot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = stack(cell, H, layers=2)
    inputs = torch.randint(6, (9, 5)) if one_hot else torch.randn(9, 5, 6)
    state = tuple(torch.randn_like(each) for each in model.initial_state(5))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(policy, "WORTH_A_THREAD", 1)
    calls = []
    for near in (-1, 10**9):
        monkeypatch.setattr(policy, "READ_BY_ALL", near)
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            calls.append(loss_and_gradients(model, inputs, state))
    # Either of the lstm's two products in f C + i g may be fused with the sum, and the compiler
    # chooses anew for each way.
    if cell.startswith("lstm"):
        dtype = torch.bfloat16 if narrow else torch.float32
        assert_near(*calls, rounding(dtype, 1) if narrow else rounding(dtype, of_window(9, H, 2)))
        return
    for mine, theirs in zip(*calls, strict=True):
        assert torch.equal(mine, theirs)


@CANNOT_WAIT
@pytest.mark.parametrize("near", [-1, 10**9], ids=["columns", "rows"])
@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize(("B", "H"), [(7, 20), (1, 70)])
def test_the_result_does_not_depend_on_how_many_threads_compute(
    B: int, H: int, cell: str, gates: int, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "WORTH_SHARING", 0)
    monkeypatch.setattr(policy, "most_threads", lambda: 3)
    monkeypatch.setattr(policy, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(policy, "READ_BY_ALL", near)
    torch.manual_seed(0)
    state = [torch.randn(B, H, requires_grad=True) for _ in range(2 if cell == "lstm" else 1)]
    table = torch.randn(6, gates * H, requires_grad=True)
    ids, U, c_n = torch.randint(6, (9, B)), torch.randn(gates * H, H), torch.randn(H)
    U.requires_grad_()
    layer: Any = FusedLayer
    capped = (True,) if cell == "lstm" else ()
    before, results = torch.get_num_threads(), []
    for threads in (3, 2, 1):
        torch.set_num_threads(threads)
        outputs, *last = layer.apply(
            cell, capped, torch.float32, ids, table, c_n if cell == "gru" else U[:0, 0], U, *state
        )
        loss = outputs.square().sum() + sum(each.sin().sum() for each in last)
        results.append([outputs, *last, *torch.autograd.grad(loss, [table, U, *state])])
    torch.set_num_threads(before)
    for result in results[1:]:
        for mine, theirs in zip(result, results[0], strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("setting", ["OMP_DYNAMIC=true", "OMP_THREAD_LIMIT=1"])
def test_no_thread_waits_for_one_that_may_not_come(setting: str) -> None:
    name, value = setting.split("=")
    script = (
        "import torch; from charlm import kernels; from charlm.rnn.backends.fused import policy;"
        "torch.set_num_threads(2); assert not kernels.synchronizes(2);"
        "policy.READ_BY_ALL = -1; policy.WORTH_A_THREAD = 1;"
        "from charlm.rnn.stack import RecurrentStack; from charlm.config import ModelConfig;"
        "layer = RecurrentStack(ModelConfig(hidden_size=32), 6, 'fused');"
        "layer.initialize('uniform', torch.Generator().manual_seed(0));"
        "outputs, _ = layer(torch.randint(6, (9, 5)), layer.initial_state(5));"
        "outputs.sum().backward()"
    )
    environment = {**os.environ, name: value}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=100)


def sharing(monkeypatch: pytest.MonkeyPatch, shares: bool, synchronizes: bool = True) -> None:
    monkeypatch.setattr(kernels, "shares_threads", lambda: shares)
    monkeypatch.setattr(kernels, "synchronizes", lambda threads: synchronizes)


def test_rows_are_divided_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "most_threads", lambda: 4)
    sharing(monkeypatch, True)
    assert policy.parts_of(torch.zeros(64, 256)) == 4
    assert policy.parts_of(torch.zeros(1, 10_000)) == 1
    assert policy.parts_of(torch.zeros(30, 30)) == 1
    # Of a matrix that is large enough, the columns are shared.
    assert policy.parts_of(torch.zeros(1, 300), torch.zeros(900, 300)) == 4
    assert policy.parts_of(torch.zeros(1, 30), torch.zeros(90, 30)) == 1
    sharing(monkeypatch, False)
    assert policy.parts_of(torch.zeros(64, 256)) == 1


def test_threads_that_cannot_be_shared_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    U, large = torch.zeros(48, 16), torch.zeros(4096, 4096)
    monkeypatch.setattr(policy, "most_threads", lambda: 4)
    sharing(monkeypatch, True)
    assert policy.runs_window(U, torch.float32, 64, 1)
    assert not policy.runs_window(large, torch.float32, 64, 1)
    assert policy.runs_window(large, torch.float32, 64, 2)
    assert not policy.splits_rows(large, torch.float32, 64, 2)
    assert policy.splits_rows(U, torch.float32, 64, 2)
    assert not policy.splits_rows(U, torch.float32, 1, 2)
    sharing(monkeypatch, True, synchronizes=False)
    assert policy.parts_of(torch.zeros(1, 300), torch.zeros(900, 300)) == 1
    assert not policy.runs_window(large, torch.float32, 64, 2)
    assert policy.splits_rows(large, torch.float32, 64, 2)
    sharing(monkeypatch, False)
    assert not policy.runs_window(U, torch.float32, 64, 1)
    monkeypatch.setattr(policy, "most_threads", lambda: 1)
    assert policy.runs_window(U, torch.float32, 64, 1)


# Sizes of a matrix, whether tile registers have it, and whether pairs have it.
@pytest.mark.parametrize(
    ("N", "K", "by_tiles", "by_pairs"),
    [(96, 32, True, True), (96, 48, False, True), (24, 32, False, True), (51, 17, False, False)],
)
def test_bfloat16_windows_need_a_processor_for_them(
    N: int, K: int, by_tiles: bool, by_pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charlm.kernels import amx, tiles

    U = torch.zeros(N, K)
    sharing(monkeypatch, True)
    for has_tiles, has_pairs in product((True, False), repeat=2):
        monkeypatch.setattr(amx, "available", lambda has=has_tiles: has)
        monkeypatch.setattr(tiles, "multiplies_pairs", lambda has=has_pairs: has)
        fit = (has_tiles and by_tiles) or (has_pairs and by_pairs)
        assert policy.has_bfloat16(N, K) == fit
        assert policy.runs_window(U, torch.bfloat16, 5, 1) == fit
    sharing(monkeypatch, False)
    monkeypatch.setattr(policy, "most_threads", lambda: 2)
    monkeypatch.setattr(amx, "available", lambda: True)
    assert not policy.has_bfloat16(96, 32)


@pytest.mark.parametrize("cell", CELLS)
def test_the_fastest_backend_is_chosen(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form = CELL_FORMS[cell]
    torchs = "builtin" if builtin.supports(make_cell(ModelConfig(**form))) else "scratch"
    sharing(monkeypatch, True)
    assert choose_backend(ModelConfig(**form)) == "fused"
    for tiles in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(policy, "has_bfloat16", lambda N, K, tiles=tiles: tiles)
            narrow = choose_backend(ModelConfig(**form), precision="bf16")
        assert narrow == ("builtin" if cell == "lstm" and not tiles else "fused")
    with monkeypatch.context() as patch:
        sharing(patch, False)
        patch.setattr(policy, "most_threads", lambda: 2)
        assert choose_backend(ModelConfig(**form)) == narrow
    large = ModelConfig(**form, hidden_size=1024)
    assert choose_backend(large, precision="bf16") == "fused"
    assert choose_backend(ModelConfig(**form, layer_norm=True)) == "scratch"
    assert choose_backend(ModelConfig(**form, zoneout=0.1)) == "scratch"
    assert choose_backend(ModelConfig(**form), device="cuda") == torchs
    with pytest.raises(UsageError, match="on cuda"):
        choose_backend(ModelConfig(**form), "fused", "cuda")
    monkeypatch.setattr(kernels, "available", lambda: False)
    assert choose_backend(ModelConfig(**form)) == torchs
    with pytest.raises(UsageError, match="fused"):
        choose_backend(ModelConfig(**form), "fused")


@pytest.mark.parametrize("cell", CELLS)
def test_narrow_products_are_near_and_the_state_is_not_narrow(cell: str) -> None:
    sizes = {"vocabulary_size": 9, "hidden_size": 32, "embedding_size": 4}
    config = ModelConfig(**CELL_FORMS[cell], **sizes)
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
