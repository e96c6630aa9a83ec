"""Weights in one piece, with a stand-in for the function of cuDNN that lays them out.

It leaves gaps between the weights, as cuDNN may; only cuDNN knows where, and nobody else may guess.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from fake_cuda import OnCuda
from tolerances import assert_near, of_window, rounding
from torch import Tensor
from torch.func import functional_call

from charlm.config import EncoderConfig, ModelConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.rnn.backends import builtin, flat
from charlm.rnn.cells import LayerWeights, make_cell
from charlm.rnn.encoder import Encoder
from charlm.rnn.stack import RecurrentStack
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training.learner import Learner

CELLS = ("rnn", "gru", "lstm")
GAP = 3


def lay_out(weights: Sequence[Tensor], *sizes: object) -> Tensor:
    """torch._cudnn_rnn_flatten_weight."""
    assert not torch.is_grad_enabled() and not any(each.is_inference() for each in weights)
    asked.append(sizes)
    starts = np.cumsum([0, *(each.numel() + GAP for each in weights)]).tolist()
    buffer = torch.full((starts[-1],), torch.nan, dtype=weights[0].dtype)
    for weight, start in zip(weights, starts, strict=False):
        place = buffer[start : start + weight.numel()].view_as(weight)
        place.copy_(weight)
        weight.set_(place.untyped_storage(), start, weight.shape)
    return buffer


asked: list[tuple[object, ...]] = []


@pytest.fixture
def cudnn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bool]]:
    """A cuDNN that computes on the CPU; of each layer it ran, whether its weights were flat."""
    asked.clear()
    found: dict[str, list[bool]] = {"flat": []}
    monkeypatch.setattr(torch, "_cudnn_rnn_flatten_weight", lay_out)
    monkeypatch.setattr(flat, "get_cudnn_mode", lambda mode: f"mode {mode}")
    monkeypatch.setattr(flat, "wants_flat", lambda cell, weights: cell in CELLS)

    def watched(kernel: object) -> object:
        def run(
            inputs: Tensor, state: object, weights: Sequence[Tensor], *others: object
        ) -> object:
            places = {each.untyped_storage().data_ptr() for each in weights}
            found["flat"].append(len(places) == 1 and not weights[0].storage_offset())
            return kernel(inputs, state, weights, *others)  # type: ignore[operator]

        return run

    kernels = {name: watched(kernel) for name, kernel in builtin.KERNELS.items()}
    monkeypatch.setattr(builtin, "KERNELS", kernels)
    return found


def places_of(stack: RecurrentStack) -> list[int]:
    return [each.data_ptr() for each in stack.parameters()]


def assert_flat(stack: RecurrentStack) -> None:
    """Each layer in each direction has a piece of its own."""
    pieces = set()
    for layer in range(stack.config.num_layers):
        for reverse in stack.directions:
            weights = list(stack.layer_weights(layer, reverse).values())
            assert flat.is_flat(weights)
            pieces.add(weights[0].data_ptr())
    assert len(pieces) == stack.config.num_layers * len(stack.directions)


def model_of(cell: str, backend: str = "builtin", **sizes: object) -> LanguageModel:
    values: dict[str, object] = {"vocabulary_size": 7, "hidden_size": 5, "num_layers": 2}
    model = LanguageModel(ModelConfig(cell=cell, **values | sizes), backend)  # type: ignore[arg-type]
    model.initialize("uniform", 0)
    return model


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_that_is_moved_has_each_layer_in_one_piece(
    cell: str, cudnn: dict[str, list[bool]]
) -> None:
    model, before = model_of(cell), model_of(cell).weights()
    model.to(torch.float32)  # as if to a GPU: torch gives each weight memory of its own
    assert_flat(model.rnn)
    assert {name: tuple(each.shape) for name, each in model.weights().items()} == {
        name: tuple(each.shape) for name, each in before.items()
    }
    for name, each in model.weights().items():
        assert torch.equal(each, before[name])
    names = {"rnn": "RNN_TANH", "gru": "GRU", "lstm": "LSTM"}
    # Weights a layer, input size, mode, hidden size, no projection, one layer, one direction.
    end = (f"mode {names[cell]}", 5, 0, 1, False, False)
    assert asked == [(4, 7, *end), (4, 5, *end)]


def test_a_bidirectional_encoder_has_a_piece_for_each_direction(
    cudnn: dict[str, list[bool]],
) -> None:
    sizes = EncoderConfig(vocabulary_size=6, hidden_size=4, num_layers=2, bidirectional=True)
    encoder = Encoder(sizes, "builtin")
    encoder.initialize("uniform", 0)
    encoder.double()
    assert_flat(encoder.rnn)
    encoder(torch.randint(6, (5, 3)))
    assert cudnn["flat"] == [True] * 4


@pytest.mark.parametrize("cell", CELLS)
def test_weights_stay_flat_through_training_scoring_loading_and_resuming(
    cell: str, cudnn: dict[str, list[bool]]
) -> None:
    model = model_of(cell, embedding_size=3, output_dropout=0.2).to(torch.float32)
    ids = np.random.default_rng(0).integers(0, 7, 300, dtype=np.uint8)
    config = TextTrainConfig(
        batch_size=3, seq_length=5, epochs=3, ema_decay=0.9, optimizer="adamw", weight_decay=0.1
    )
    learner = Learner(LanguageModeling(model, ids, ids[:50], config), config)
    learner.task.load_epoch(0)
    before = places_of(model.rnn)
    for window in range(4):
        learner.step(window, 0.01)
        learner.averages.update(window + 1, 0)
    scores = learner.scores(lambda: False)
    assert scores is not None and scores["raw"] != scores["ema"]
    weights, tensors, scaler = learner.capture()
    learner.restore(weights, tensors, scaler, averaging=False)
    model.load_weights({name: each + 1 for name, each in weights.items()})
    learner.scores(lambda: False)
    assert places_of(model.rnn) == before
    assert_flat(model.rnn)
    assert cudnn["flat"] and all(cudnn["flat"])


@pytest.mark.parametrize("kind", ["ema", "average"])
def test_an_average_gives_its_values_and_not_its_place(kind: str) -> None:
    model = model_of("gru")
    config = TextTrainConfig(batch_size=2, seq_length=5, epochs=3, ema_decay=0.9)
    ids = np.arange(60, dtype=np.uint8) % 7
    averages = Learner(LanguageModeling(model, ids, ids[:0], config), config).averages
    averages.start(kind)
    mean = [each.add_(0.5).clone() for each in averages.averages[kind]]
    own, places = [each.detach().clone() for each in model.parameters()], places_of(model.rnn)
    with averages.in_model(kind):
        assert places_of(model.rnn) == places
        assert all(map(torch.equal, model.parameters(), mean))
        assert all(map(torch.equal, averages.averages[kind], own))
    assert all(map(torch.equal, model.parameters(), own))
    assert all(map(torch.equal, averages.averages[kind], mean))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "dropout",
    [
        {"weight_drop": 0.5},
        {"weight_drop": 0.5, "input_dropout": 0.5},
        {"weight_drop": 0.5, "input_dropout": 0.5, "embedding_size": 3},
    ],
)
def test_weights_with_dropout_are_copied_into_one_piece_and_get_their_gradients(
    cell: str,
    dropout: dict[str, float],
    cudnn: dict[str, list[bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for in_one_piece in (False, True):
        monkeypatch.setattr(flat, "wants_flat", lambda cell, weights, wanted=in_one_piece: wanted)
        model = model_of(cell, **dropout).to(torch.float32)
        torch.manual_seed(0)
        ids = torch.randint(7, (6, 4))
        cudnn["flat"].clear()
        logits, _ = model(ids, model.initial_state(4))
        logits.square().sum().backward()
        found.append([logits, *(each.grad for each in model.parameters())])
        assert cudnn["flat"] == [in_one_piece] * 2
    assert_near(found[1], found[0], rounding(torch.float32, of_window(12, 12, 2)))


def test_weights_from_elsewhere_are_copied_into_one_piece(cudnn: dict[str, list[bool]]) -> None:
    model = model_of("lstm").to(torch.float32)
    others = {name: 2 * each for name, each in model.weights().items()}
    ids = torch.randint(7, (6, 4))
    logits, _ = functional_call(model, others, (ids, model.initial_state(4)))
    model.load_weights(others)
    assert torch.equal(logits, model(ids, model.initial_state(4))[0])
    assert len(cudnn["flat"]) == 4 and all(cudnn["flat"])


def test_the_readable_backend_leaves_weights_where_they_are(cudnn: dict[str, list[bool]]) -> None:
    model = model_of("gru", "scratch")
    before = places_of(model.rnn)
    model.to(torch.float32)
    assert places_of(model.rnn) == before and not asked


def on_cuda(*shape: int) -> Tensor:
    return torch.rand(*shape).as_subclass(OnCuda)


@pytest.mark.parametrize("acceptable", [False, True])
@pytest.mark.parametrize("nvidia", [False, True])
def test_only_cudnn_wants_weights_in_one_piece(
    acceptable: bool, nvidia: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "is_acceptable", lambda weight: acceptable)
    monkeypatch.setattr(torch, "_use_cudnn_rnn_flatten_weight", lambda: nvidia)
    weights = [on_cuda(6, 4), on_cuda(6, 2), on_cuda(6), on_cuda(6)]
    assert flat.wants_flat("gru", weights) is (acceptable and nvidia)
    assert not flat.wants_flat("mingru", weights)
    assert not flat.wants_flat("gru", [torch.rand(2, 2)] * 4)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_autocast_does_not_reach_torchs_layers_on_a_gpu(
    cell: str, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it would make them float16, whatever it is told to (torch from 2.11 on), or a loop."""
    seen = []

    def kernel(inputs: Tensor, state: object, weights: Sequence[Tensor], *_: object) -> object:
        states = state if isinstance(state, tuple) else (state,)
        dtypes = {each.dtype for each in (inputs, *states, *weights)}
        seen.append((torch.is_autocast_enabled("cuda"), dtypes))
        return (inputs.new_zeros(*inputs.shape[:2], 5), *states)

    monkeypatch.setattr(builtin, "KERNELS", dict.fromkeys(CELLS, kernel))
    monkeypatch.setattr(flat, "wants_flat", lambda cell, weights: False)
    made = make_cell(ModelConfig(cell=cell, hidden_size=5))
    shapes = made.weight_shapes(3, 5)
    weights = LayerWeights({letter: on_cuda(*shape) for letter, shape in shapes.items()})
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", precision)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Else torch says that there is no CUDA here, and leaves autocast as it is.
            patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
            state = tuple(on_cuda(4, 5) for _ in made.state_names)
            outputs, last = builtin.run_layer(made, on_cuda(6, 4, 3), state, weights)
        assert torch.is_autocast_enabled("cuda")
        assert torch.get_autocast_dtype("cuda") == precision
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
    assert seen == [(False, {torch.float32})]
    assert {each.dtype for each in (outputs, *last)} == {torch.float32}
