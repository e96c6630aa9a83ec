"""The language model: shapes, sharing, weights in and out."""

import math

import pytest
import torch
from tolerances import alike
from torch import Tensor

from charlm.config import ModelConfig
from charlm.errors import RunError, SettingError
from charlm.language_model import LanguageModel
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import CELLS
from charlm.rnn.dropout import dropout_mask

V, H = 7, 5
# Every cell with every backend that has it.
PAIRS = [(c, b) for c in CELLS for b in BACKENDS if BACKENDS[b].supports(CELLS[c]())]


def make_model(backend: str = "auto", seed: int = 0, **settings: object) -> LanguageModel:
    values = {"vocabulary_size": V, "hidden_size": H, **settings}
    model = LanguageModel(ModelConfig(**values), backend)  # type: ignore[arg-type]
    model.initialize("uniform", seed)
    return model


def some_ids(T: int = 7, B: int = 3) -> Tensor:
    return torch.randint(V, (T, B), generator=torch.Generator().manual_seed(1))


def logits_of(model: LanguageModel, ids: Tensor) -> Tensor:
    return model(ids, model.initial_state(ids.shape[1]))[0].detach()


SIZES = [
    {},
    {"embedding_size": 4},
    {"embedding_size": H, "tie_weights": True},
    {"embedding_size": 3, "tie_weights": True},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("cell", "backend"), PAIRS)
@pytest.mark.parametrize(("T", "B", "L"), [(1, 1, 1), (7, 3, 2), (7, 1, 3)])
def test_ids_go_in_and_logits_and_state_come_out(
    cell: str, backend: str, sizes: dict[str, int], T: int, B: int, L: int
) -> None:
    model = make_model(backend, cell=cell, num_layers=L, **sizes)
    logits, state = model(some_ids(T, B), model.initial_state(B))
    assert logits.shape == (T, B, V)
    assert logits.dtype == torch.float32
    assert [each.shape for each in state] == [(L, B, H)] * len(CELLS[cell].state_names)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_counted_once(cell: str, sizes: dict[str, int]) -> None:
    model = make_model(cell=cell, num_layers=2, **sizes)
    E, tied = sizes.get("embedding_size", 0), sizes.get("tie_weights", False)
    gates, I = len(CELLS[cell].gate_names), E or V  # noqa: E741
    recurrent = gates * H * (I + H + 2) + gates * H * (H + H + 2)
    if cell == "mogrifier":  # three rounds gate the input, two the state, by matrices of rank 40
        recurrent += 5 * 40 * (I + H) + 5 * 40 * (H + H)
    elif cell in ("mingru", "minlstm"):
        recurrent = gates * H * (I + 1) + gates * H * (H + 1)
    vectors = V * E
    output = V if tied else V * H + V
    projection = H * E if tied and E != H else 0
    assert model.parameter_count == recurrent + vectors + output + projection
    assert sum(weight.numel() for weight in model.weights().values()) == model.parameter_count


def test_tying_shares_one_parameter() -> None:
    model = make_model(embedding_size=H, tie_weights=True)
    assert model.output.weight is model.embedding.weight
    assert model.projection is None
    names = list(model.weights())
    assert "embedding.weight" in names
    assert "output.weight" not in names
    model.output.weight.data[2, 3] = 42.0
    assert model.embedding.weight[2, 3] == 42.0
    logits_sum = model(some_ids(), model.initial_state(3))[0].sum()
    logits_sum.backward()
    # Both uses reach it: rows of characters that are never read get the output layer's share.
    assert model.embedding.weight.grad.abs().sum(dim=1).min() > 0


def test_tied_vectors_of_another_size_are_met_half_way() -> None:
    model = make_model(embedding_size=3, tie_weights=True)
    assert model.projection is not None
    assert model.projection.weight.shape == (3, H)
    assert model.projection.bias is None
    ids = some_ids()
    hidden, _ = model.rnn(model.embedding(ids), model.initial_state(3))
    wanted = hidden @ model.projection.weight.T @ model.embedding.weight.T + model.output.bias
    torch.testing.assert_close(logits_of(model, ids), wanted.detach(), **alike(7, 2 * H))


def test_vectors_untied_are_two_matrices() -> None:
    model = make_model(embedding_size=H)
    assert model.output.weight is not model.embedding.weight
    assert {"embedding.weight", "output.weight"} <= set(model.weights())


def test_tying_needs_vectors() -> None:
    with pytest.raises(SettingError, match="tie_weights"):
        ModelConfig(tie_weights=True)


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_one_hot_input_is_an_identity_embedding(cell: str, backend: str) -> None:
    one_hot = make_model(backend, cell=cell, num_layers=2)
    embedded = make_model(backend, cell=cell, num_layers=2, embedding_size=V)
    embedded.load_weights({**one_hot.weights(), "embedding.weight": torch.eye(V)})
    torch.testing.assert_close(
        logits_of(one_hot, some_ids()), logits_of(embedded, some_ids()), **alike(7, V + H, 2)
    )


def test_output_dropout_acts_in_training_alone() -> None:
    model, plain, ids = make_model(output_dropout=0.5), make_model(), some_ids()
    model.train()
    torch.manual_seed(1)
    first = logits_of(model, ids)
    assert torch.equal(first, logits_of_seeded(model, ids, 1))
    assert not torch.equal(first, logits_of_seeded(model, ids, 2))
    model.eval()
    assert torch.equal(logits_of_seeded(model, ids, 1), logits_of_seeded(model, ids, 2))
    assert torch.equal(logits_of(model, ids), logits_of(plain, ids))


def test_output_dropout_is_one_mask_for_all_steps() -> None:
    model, plain, ids = make_model(output_dropout=0.5).train(), make_model(), some_ids()
    hidden, _ = plain.rnn(ids, plain.initial_state(3))
    torch.manual_seed(1)
    mask = dropout_mask(hidden, (1, 3, H), 0.5)
    wanted = plain.output(hidden * mask).detach()
    torch.testing.assert_close(logits_of_seeded(model, ids, 1), wanted, **alike(7, V + H, 2))


def logits_of_seeded(model: LanguageModel, ids: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return logits_of(model, ids)


# Initialization


@pytest.mark.parametrize("scheme", ["uniform", "normal", "orthogonal"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_same_seed_same_weights_whatever_the_global_generator_does(
    scheme: str, sizes: dict[str, int]
) -> None:
    models = [make_model(**sizes) for _ in range(3)]
    for global_seed, (model, seed) in enumerate(zip(models, (3, 3, 4), strict=True)):
        for weight in model.parameters():
            weight.data.fill_(math.nan)
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        model.initialize(scheme, seed)
        assert torch.equal(torch.get_rng_state(), before)
    first, again, other = (model.weights() for model in models)
    for name, weight in first.items():
        assert weight.isfinite().all()
        assert torch.equal(weight, again[name])
        assert torch.equal(weight, other[name]) == (not weight.any())


def test_normal_initialization_is_the_one_of_d2l() -> None:
    model = LanguageModel(ModelConfig(vocabulary_size=28, hidden_size=64))
    model.initialize("normal", 0)
    for name, weight in model.weights().items():
        if "bias" in name:
            assert not weight.any()
        else:
            assert float(weight.std()) == pytest.approx(0.01, rel=0.06)
    # So that a new model predicts every character about alike.
    ids = torch.zeros(3, 2, dtype=torch.int64)
    logits = logits_of(model, ids)
    assert float(logits.logsumexp(-1).sub(logits[..., 0]).mean()) == pytest.approx(
        math.log(28), abs=1e-3
    )


# Weights in and out


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_weights_travel_from_model_to_model(cell: str, sizes: dict[str, int]) -> None:
    model = make_model(cell=cell, num_layers=2, seed=1, **sizes)
    other = make_model(cell=cell, num_layers=2, seed=2, **sizes)
    assert not torch.equal(logits_of(model, some_ids()), logits_of(other, some_ids()))
    other.load_weights(model.weights())
    assert torch.equal(logits_of(model, some_ids()), logits_of(other, some_ids()))
    for name, weight in model.weights().items():
        assert not weight.requires_grad
        assert other.weights()[name].data_ptr() != weight.data_ptr()


def test_weights_share_memory_with_the_model() -> None:
    model = make_model()
    model.weights()["output.bias"].fill_(2.0)
    assert (model.output.bias == 2.0).all()


def test_weights_that_are_not_the_models_are_refused_by_name() -> None:
    model = make_model(seed=1)
    weights = make_model(seed=2).weights()
    missing = {name: weight for name, weight in weights.items() if name != "output.bias"}
    with pytest.raises(RunError, match=r"output\.bias"):
        model.load_weights(missing)
    with pytest.raises(RunError, match="stranger"):
        model.load_weights({**weights, "stranger": torch.zeros(1)})
    with pytest.raises(RunError, match=r"output\.bias is \(3,\), not \(7,\)"):
        model.load_weights({**weights, "output.bias": torch.zeros(3)})
    with pytest.raises(RunError, match=r"output\.bias is \(1,\)"):
        model.load_weights({**weights, "output.bias": torch.zeros(1)})  # would broadcast
    with pytest.raises(RunError):
        model.load_weights(make_model(cell="lstm").weights())
    with pytest.raises(RunError):
        model.load_weights(make_model(num_layers=2).weights())


def test_a_refusal_leaves_the_model_as_it_was() -> None:
    model = make_model(seed=1)
    before = {name: weight.clone() for name, weight in model.weights().items()}
    for name, weight in make_model(seed=2).weights().items():
        odd = {**make_model(seed=2).weights(), name: torch.zeros(*weight.shape, 2)}
        with pytest.raises(RunError, match=name):
            model.load_weights(odd)
        for each, now in model.weights().items():
            assert torch.equal(now, before[each])
