"""Gradients by lag: against differences of logits, closed forms, and models of known memory."""

import json

import numpy as np
import pytest
import torch
from known_memories import leaking_unit, repeating_text, shift_register, uniform_model
from tolerances import of_window, rounding

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.sensitivity import dependence, input_vectors, sensitivity
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS

V, H = 7, 5
FORMS: list[dict[str, object]] = [
    *({"cell": cell} for cell in CELLS),
    {"cell": "gru", "reset_after": False},
    {"cell": "lstm", "capped_gate": True},
    {"cell": "lstm", "layer_norm": True},
    {"cell": "gru", "zoneout": 0.2},
    {"cell": "gru", "embedding_size": 4},
    {"cell": "lstm", "embedding_size": 3, "tie_weights": True},
    {"cell": "rnn", "embedding_size": 4, "output_dropout": 0.5, "input_dropout": 0.5},
]


def make_model(**settings: object) -> LanguageModel:
    values = {"vocabulary_size": V, "hidden_size": H, "num_layers": 2, **settings}
    model = LanguageModel(ModelConfig(**values))  # type: ignore[arg-type]
    model.initialize("uniform", 3)
    return model.eval()


def random_ids(characters: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(V, size=characters).astype(np.uint8)


def norms_by_differences(model: LanguageModel, ids: np.ndarray, at: int, lags: int) -> list[float]:
    """Norms at lags 0 to `lags`, from logits of the text up to `at` with one number changed."""
    inputs = torch.from_numpy(ids[:at].astype(np.int64))[:, None]
    vectors = input_vectors(model, inputs)

    T, _, size = vectors.shape

    def logits(changed: torch.Tensor) -> np.ndarray:
        outputs, _ = model.rnn(changed, model.initial_state(changed.shape[1]))
        return model.logits(outputs[-1:])[0, :, int(ids[at])].numpy()

    own, _ = model(inputs, model.initial_state(1))
    assert logits(vectors) == pytest.approx(own[-1, :, int(ids[at])].numpy(), rel=1e-12)
    # A stream for each number of each vector, which alone is changed in it.
    step, changes = 1e-5, torch.zeros(T, lags + 1, size, size, dtype=torch.float64)
    for lag in range(lags + 1):
        changes[at - 1 - lag, lag] = step * torch.eye(size)
    changes = changes.flatten(1, 2)
    slopes = (logits(vectors + changes) - logits(vectors - changes)) / (2 * step)
    return list(np.linalg.norm(slopes.reshape(lags + 1, size), axis=1))


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_gradients_are_those_of_differences(form: dict[str, object]) -> None:
    model, ids, lags = make_model(**form).double(), random_ids(40), 6
    # The targets have at most 20 characters before them, which are all read.
    found = sensitivity(model, ids, targets=2, lags=lags)
    assert found.warm_up == 20 - lags - 1
    for norms, at in zip(found.norms, found.positions, strict=True):
        # The window of a target begins at a zero state.
        start = int(at) - 20
        wanted = norms_by_differences(model, ids[start:], 20, lags)
        # Central differences are off by about step² and by roundings over the step.
        assert norms == pytest.approx(wanted, rel=1e-5, abs=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_dependence_carries_the_state_from_the_beginning(form: dict[str, object]) -> None:
    model, ids, lags = make_model(**form).double(), random_ids(30), 5
    positions = np.array([1, 2, 4, 5, 6, 29])
    found = dependence(model, ids, positions, lags)
    assert found.shape == (6, lags)
    for row, at in zip(found, positions, strict=True):
        there = min(lags, int(at))
        wanted = np.array(norms_by_differences(model, ids, int(at), there - 1))
        assert row[:there] == pytest.approx(wanted / wanted.max(), rel=1e-5, abs=1e-7)
        assert (row[there:] == 0).all()
        assert row.max() == 1


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_unit_that_keeps_a_share_forgets_by_its_powers(keep: float) -> None:
    found = sensitivity(leaking_unit(V, keep), random_ids(600), targets=30, lags=50)
    tolerance = rounding(torch.float32, of_window(160, 1))
    for line in found.quartiles:
        assert line == pytest.approx(keep ** np.arange(51), rel=tolerance, abs=0)


def test_an_rnn_of_one_unit_multiplies_its_slopes() -> None:
    """With h_t = tanh(x_t + w h_{t-1}) the gradient goes back by w (1 - h²) at every step."""
    model = make_model(cell="rnn", hidden_size=1, num_layers=1).double()
    ids, lags = random_ids(40), 19
    found = sensitivity(model, ids, targets=5, lags=lags)
    weights = {name: each.numpy() for name, each in model.weights().items()}
    bias = weights["rnn.bias_ih_l0"][0] + weights["rnn.bias_hh_l0"][0]
    w = weights["rnn.weight_hh_l0"][0, 0]
    for row, at in zip(found.relative, found.positions, strict=True):
        h, states = 0.0, []
        for each in ids[at - 20 : at]:
            h = np.tanh(weights["rnn.weight_ih_l0"][0, each] + bias + w * h)
            states.append(h)
        slopes = 1 - np.array(states[::-1]) ** 2
        # From the last character's own slope on: each further one multiplies by w and its slope.
        wanted = np.cumprod(slopes * abs(w)) / (slopes[0] * abs(w))
        assert row == pytest.approx(wanted, rel=1e-10, abs=0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_beyond_a_memory_of_k_characters_there_is_exactly_nothing(k: int) -> None:
    model = shift_register(V, k, last=1.0)
    found = sensitivity(model, repeating_text(V, k + 1, 300), targets=20, lags=20)
    nonzero = (found.quartiles > 0).any(0)
    assert np.flatnonzero(nonzero).tolist() == [0, k]
    row = dependence(model, repeating_text(V, k + 1, 300), np.array([40]), 20)[0]
    assert np.flatnonzero(row).tolist() == [0, k]
    assert row[k] == 1


def test_targets_that_do_not_depend_on_the_last_character_are_left_out() -> None:
    text = repeating_text(V, 4, 300)
    for model in (shift_register(V, 3), uniform_model(V)):
        found = sensitivity(model, text, targets=20, lags=10)
        assert found.left_out == 20
        assert found.relative.shape == (0, 11)
        assert np.isnan(found.quartiles).all()
        assert found.to_json()["targets"] == 0
        assert found.to_json()["lags"][3] == {"lag": 3, "median": None, "quartiles": [None, None]}
    assert (dependence(uniform_model(V), text, np.arange(1, 20), 10) == 0).all()


def test_slices_change_nothing_but_roundings(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = make_model(cell="gru"), random_ids(300)
    positions = np.arange(1, 100)
    whole = sensitivity(model, ids, targets=30, lags=12), dependence(model, ids, positions, 9)
    monkeypatch.setattr("charlm.inspection.targets.MOST_NUMBERS", 5000)
    told: list[tuple[int, int]] = []
    parts = (
        sensitivity(model, ids, targets=30, lags=12, report=lambda *each: told.append(each)),
        dependence(model, ids, positions, 9),
    )
    tolerance = rounding(torch.float32, 2 * of_window(113, H + V, 2))
    assert parts[0].norms == pytest.approx(whole[0].norms, rel=tolerance, abs=0)
    assert parts[1] == pytest.approx(whole[1], rel=tolerance, abs=tolerance)
    assert len(told) > 3
    assert told[-1] == (30, 30)


def test_small_gradients_do_not_vanish_in_their_squares() -> None:
    """Norms are taken in float64: in float32 the square of 1e-25 is nothing."""
    found = sensitivity(leaking_unit(V, 0.05), random_ids(600), targets=10, lags=25)
    assert found.quartiles[1, 25] == pytest.approx(0.05**25, rel=1e-3, abs=0)


def test_a_short_text_has_fewer_lags() -> None:
    found = sensitivity(make_model(), random_ids(30), lags=100)
    assert found.norms.shape == (15, 15)
    assert found.warm_up == 0
    assert sensitivity(make_model(), random_ids(4)).norms.shape == (2, 2)
    with pytest.raises(UsageError, match="A text of 3 characters is too short"):
        sensitivity(make_model(), random_ids(3))


def test_json_has_a_row_for_each_lag() -> None:
    found = sensitivity(make_model(), random_ids(), targets=8, lags=4)
    values = json.loads(json.dumps(found.to_json()))
    assert values["targets"] == 8
    assert [each["lag"] for each in values["lags"]] == [0, 1, 2, 3, 4]
    assert values["lags"][0] == {"lag": 0, "median": 1.0, "quartiles": [1.0, 1.0]}
