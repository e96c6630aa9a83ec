"""Dynamic evaluation against its equations, weight by weight in float64."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.language_model import LanguageModel
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import CELLS
from charlm.scoring import dynamic
from charlm.scoring.dynamic import DynamicConfig, dynamic_surprise, log_probabilities, mean_squares
from charlm.scoring.exact import surprise

V = 6
PAIRS = [(c, b) for c in CELLS for b in BACKENDS if BACKENDS[b].supports(CELLS[c]())]
FAST = DynamicConfig(rate=0.02, decay=0.1, window=7)


def make_model(cell: str = "gru", backend: str = "auto", **settings: object) -> LanguageModel:
    values = {"vocabulary_size": V, "hidden_size": 5, "num_layers": 2, **settings}
    model = LanguageModel(ModelConfig(cell=cell, **values), backend)  # type: ignore[arg-type]
    model.initialize("uniform", 3)
    return model.double()


def some_ids(length: int) -> npt.NDArray[np.uint8]:
    """A text with a rhythm that can be learned."""
    drawn = np.random.default_rng(length).integers(V, size=length)
    return np.where(np.arange(length) % 3, np.arange(length) % V, drawn).astype(np.uint8)


def gradients(
    model: LanguageModel, state: tuple[torch.Tensor, ...], read: torch.Tensor, wanted: torch.Tensor
) -> tuple[dict[str, torch.Tensor], tuple[torch.Tensor, ...], torch.Tensor]:
    """Of the mean nats of a window; the state after it; the nats of each character."""
    model.zero_grad()
    logits, after = model(read, state)
    nats = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    nats.mean().backward()
    found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return found, tuple(each.detach() for each in after), nats.detach()


def plain_mean_squares(
    model: LanguageModel, ids: npt.NDArray[np.uint8], window: int, streams: int
) -> dict[str, torch.Tensor]:
    text = torch.from_numpy(ids.astype(np.int64))
    length = (len(text) - 1) // streams
    state, squares, windows = (
        model.initial_state(streams),
        [],
        range(0, length - window + 1, window),
    )
    for start in windows:
        columns = [k * length + start + torch.arange(window) for k in range(streams)]
        read = torch.stack([text[column] for column in columns], 1)
        wanted = torch.stack([text[column + 1] for column in columns], 1)
        found, state, _ = gradients(model, state, read, wanted)
        squares.append({name: each**2 for name, each in found.items()})
    return {name: sum(each[name] for each in squares) / len(squares) for name in squares[0]}


def plain_dynamic(
    model: LanguageModel,
    ids: npt.NDArray[np.uint8],
    squares: dict[str, torch.Tensor],
    config: DynamicConfig,
) -> npt.NDArray[np.float64]:
    """Krause et al., equations 5 to 8: score, then step, one weight tensor at a time."""
    text = torch.from_numpy(ids.astype(np.int64))[:, None]
    trained = {name: each.clone() for name, each in model.weights().items()}
    roots = {name: torch.sqrt(each) for name, each in squares.items()}
    mean = torch.cat([each.flatten() for each in roots.values()]).mean()
    state, nats = model.initial_state(1), []
    for start in range(0, len(text) - 1, config.window):
        piece = text[start : start + config.window + 1]
        found, state, each = gradients(model, state, piece[:-1], piece[1:])
        nats.append(each)
        for name, weight in model.weights().items():
            pull = torch.minimum(config.decay * roots[name] / mean, torch.ones_like(weight))
            step = config.rate * found[name] / (roots[name] + 0.1 * mean)
            weight.copy_(weight - step + pull * (trained[name] - weight))
    model.load_weights(trained)
    return torch.cat(nats).numpy()


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_it_is_its_equations(cell: str, backend: str) -> None:
    model, text = make_model(cell, backend, embedding_size=3), some_ids(400)
    squares = mean_squares(model, text, FAST.window)
    wanted = plain_mean_squares(model, text, FAST.window, dynamic.STREAMS)
    for (name, _), got in zip(model.named_parameters(), squares, strict=True):
        torch.testing.assert_close(got, wanted[name], rtol=1e-9, atol=1e-18)
    ids = some_ids(103)  # the last window is a short one
    got = dynamic_surprise(model, ids, squares, FAST)
    naive = plain_dynamic(make_model(cell, "scratch", embedding_size=3), ids, wanted, FAST)
    assert got.shape == (102,)
    np.testing.assert_allclose(got, naive, rtol=1e-9, atol=1e-14)
    static = surprise(model, ids)
    assert static is not None
    # The first window is scored before anything has moved.
    np.testing.assert_allclose(got[:7], static[:7], rtol=1e-12)
    assert abs(got - static)[7:].min() > 1e-6


@pytest.mark.parametrize("settings", [{"embedding_size": 4, "tie_weights": True}, {}], ids=str)
def test_weights_of_every_kind_follow(settings: dict[str, object]) -> None:
    model, ids = make_model(**settings), some_ids(60)
    squares = plain_mean_squares(model, some_ids(200), FAST.window, dynamic.STREAMS)
    wanted = plain_dynamic(model, ids, squares, FAST)
    got = dynamic_surprise(model, ids, mean_squares(model, some_ids(200), FAST.window), FAST)
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_dropped_and_the_model_is_left_as_it_was(training: bool) -> None:
    drops = {"dropout": 0.5, "output_dropout": 0.5, "weight_drop": 0.5}
    model, plain, ids = make_model(**drops).train(training), make_model(), some_ids(60)
    before = {name: each.clone() for name, each in model.weights().items()}
    random = torch.get_rng_state()
    squares = mean_squares(model, some_ids(200), 7)
    got = dynamic_surprise(model, ids, squares, FAST)
    np.testing.assert_array_equal(
        got, dynamic_surprise(plain, ids, mean_squares(plain, some_ids(200), 7), FAST)
    )
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training is training for module in model.modules())
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.grad is None
    assert torch.is_grad_enabled()


def test_the_weights_come_back_when_nobody_reads_on() -> None:
    model = make_model()
    before = {name: each.clone() for name, each in model.weights().items()}
    pieces = log_probabilities(model, some_ids(60), mean_squares(model, some_ids(90), 7), FAST)
    next(pieces), next(pieces), next(pieces)
    assert any(not torch.equal(each, before[name]) for name, each in model.weights().items())
    pieces.close()
    assert all(torch.equal(each, before[name]) for name, each in model.weights().items())


def test_every_window_is_a_distribution() -> None:
    model, ids = make_model(), some_ids(60)
    pieces = list(log_probabilities(model, ids, mean_squares(model, ids, 7), FAST))
    assert [tuple(each.shape) for each in pieces] == [(7, V)] * 8 + [(3, V)]
    torch.testing.assert_close(torch.cat(pieces).exp().sum(1), torch.ones(59).double())


def test_a_rate_of_zero_is_the_static_score() -> None:
    model, ids = make_model().float(), some_ids(3000)
    squares = mean_squares(model, ids)
    still = dynamic_surprise(model, ids, squares, DynamicConfig(rate=0.0))
    np.testing.assert_array_equal(still, surprise(model, ids))
    # Nor does the loop itself move anything by steps that are too small for a float.
    slow = dynamic_surprise(model, ids, squares, DynamicConfig(rate=1e-30))
    np.testing.assert_allclose(slow, still, rtol=1e-4, atol=1e-5)


def test_a_rhythm_is_learned_on_the_way() -> None:
    model, ids = make_model(hidden_size=16), np.tile(np.arange(V), 100).astype(np.uint8)
    squares = mean_squares(model, some_ids(400), 7)
    config = DynamicConfig(rate=5e-3, decay=1e-3, window=7)
    got, static = dynamic_surprise(model, ids, squares, config), surprise(model, ids)
    assert static is not None
    assert got[-60:].mean() < 0.5 * static[-60:].mean()


@pytest.mark.parametrize("at", [1, 6, 7, 8, 20, 59])
def test_no_character_is_scored_with_anything_that_comes_after_it(at: int) -> None:
    model, ids = make_model(), some_ids(60)
    squares = mean_squares(model, some_ids(200), FAST.window)
    other = ids.copy()
    other[at:] = (ids[at:] + 1) % V
    one, two = (dynamic_surprise(model, each, squares, FAST) for each in (ids, other))
    np.testing.assert_array_equal(one[: at - 1], two[: at - 1])
    assert one[at - 1] != two[at - 1]


@pytest.mark.parametrize("length", [2, 3, 8, 9])
def test_texts_and_training_texts_may_be_shorter_than_a_window(length: int) -> None:
    model, ids = make_model(), some_ids(length)
    squares = mean_squares(model, ids, 50)
    assert all(torch.isfinite(each).all() for each in squares)
    got = dynamic_surprise(model, ids, squares, DynamicConfig(window=50))
    np.testing.assert_allclose(got, surprise(model, ids), rtol=1e-12)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    model = make_model()
    squares = mean_squares(model, some_ids(60), 7)
    dynamic_surprise(model, some_ids(22), squares, FAST, lambda *each: told.append(each))
    assert told == [(0, 21), (7, 21), (14, 21)]


@pytest.mark.parametrize("values", [{"rate": -1.0}, {"decay": 2.0}, {"window": 0}], ids=str)
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="must be"):
        DynamicConfig(**values)  # type: ignore[arg-type]
