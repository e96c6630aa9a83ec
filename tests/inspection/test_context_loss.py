"""Loss by context: on models whose memory is known, and against reading target by target."""

import json
import math

import numpy as np
import pytest
import torch
from known_memories import repeating_text, shift_register, uniform_model
from tolerances import of_window, rounding

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.context import LENGTHS, ContextLoss, context_loss
from charlm.inspection.targets import draw_targets
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS

V = 12


def random_ids(characters: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, V, characters).astype(np.uint8)


def of_means(nats: list[list[float]], lengths: tuple[int, ...] = (1, 2, 4)) -> ContextLoss:
    return ContextLoss(np.array(lengths), np.array(nats), np.arange(len(nats[0])) + 4)


@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_a_memory_of_k_characters_needs_k_and_one_more(k: int) -> None:
    ids = repeating_text(V, k + 1, 200)
    found = context_loss(shift_register(V, k), ids, lengths=range(1, 12), targets=40)
    assert found.nats.shape == (11, 40)
    # The character k before the last is the next one; seven times tanh leave two fifths of its 1,
    # and so 80 of 200 in its logit.
    assert found.nats[:k] == pytest.approx(math.log(V), rel=1e-6)
    assert (found.nats[k:] < 1e-6).all()
    assert found.effective == k + 1
    assert found.increase[k:] == pytest.approx(0, abs=1e-6)


def test_powers_of_two_name_the_first_of_them_that_suffices() -> None:
    ids = repeating_text(V, 6, 4000)
    found = context_loss(shift_register(V, 5), ids, targets=30)
    assert tuple(found.lengths) == LENGTHS
    assert found.effective == 8


def test_a_uniform_model_gains_nothing_from_any_context() -> None:
    found = context_loss(uniform_model(V), random_ids(3000), targets=50)
    assert found.bits == pytest.approx(math.log2(V))
    assert (found.increase == 0).all()
    assert (found.band == 0).all()
    assert found.effective == 1


@pytest.mark.parametrize("cell", CELLS)
def test_each_target_is_predicted_from_exactly_n_characters(cell: str) -> None:
    config = ModelConfig(vocabulary_size=V, cell=cell, hidden_size=9, num_layers=2)
    model = LanguageModel(config)
    model.initialize("uniform", 1)
    ids, lengths = random_ids(), (1, 3, 40)
    found = context_loss(model.eval(), ids, targets=7, lengths=lengths)
    tolerance = rounding(torch.float32, of_window(40, 9 + V, 2))
    for row, n in zip(found.nats, lengths, strict=True):
        for nats, at in zip(row, found.positions, strict=True):
            read = torch.from_numpy(ids[at - n : at].astype(np.int64))[:, None]
            with torch.no_grad():
                logits, _ = model(read, model.initial_state(1))
            wanted = -torch.log_softmax(logits[-1, 0], 0)[int(ids[at])]
            assert nats == pytest.approx(wanted.item(), rel=tolerance)


def test_slices_change_nothing_but_roundings(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(ModelConfig(vocabulary_size=V, cell="lstm", hidden_size=9))
    model.initialize("uniform", 1)
    whole = context_loss(model.eval(), random_ids(), targets=20)
    monkeypatch.setattr("charlm.inspection.targets.MOST_NUMBERS", 2000)
    monkeypatch.setattr("charlm.inspection.targets.STEPS", 3)
    told: list[tuple[int, int]] = []
    parts = context_loss(
        model, random_ids(), targets=20, report=lambda done, of: told.append((done, of))
    )
    tolerance = rounding(torch.float32, of_window(128, 9 + V))
    assert parts.nats == pytest.approx(whole.nats, rel=tolerance)
    assert (parts.positions == whole.positions).all()
    assert len(told) > 20
    assert told[-1] == (20 * 255, 20 * 255)


def test_the_same_targets_for_every_length_and_for_every_model() -> None:
    lengths = [context_loss(uniform_model(V), random_ids(), targets=9, seed=s) for s in (3, 3, 4)]
    assert (lengths[0].positions == lengths[1].positions).all()
    assert (lengths[0].positions != lengths[2].positions).any()
    assert (lengths[0].positions >= lengths[0].lengths[-1]).all()


def test_a_short_text_has_fewer_lengths_and_all_of_its_targets() -> None:
    found = context_loss(uniform_model(V), random_ids(50))
    assert found.lengths.tolist() == [1, 2, 4, 8, 16]
    assert found.positions.tolist() == list(range(16, 50))
    assert context_loss(uniform_model(V), random_ids(4)).lengths.tolist() == [1, 2]
    with pytest.raises(UsageError, match="A text of 3 characters is too short"):
        context_loss(uniform_model(V), random_ids(3))
    with pytest.raises(UsageError, match="Give at least 80"):
        context_loss(uniform_model(V), random_ids(79), lengths=[40])


def test_targets_are_different_and_have_enough_before_them() -> None:
    drawn = draw_targets(100, 30, 50, seed=0)
    assert len(set(drawn)) == 50
    assert drawn.min() >= 30
    assert drawn.max() <= 99
    assert (np.diff(drawn) > 0).all()
    assert draw_targets(100, 30, 500, seed=0).tolist() == list(range(30, 100))


def test_the_effective_context_is_as_good_from_there_on() -> None:
    assert of_means([[2.0], [1.0], [1.0]]).effective == 2
    assert of_means([[1.0], [2.0], [1.0]]).effective == 4
    assert of_means([[1.01], [1.009], [1.0]]).effective == 1
    assert of_means([[0.5], [0.6], [1.0]]).effective == 1


def test_the_band_is_of_the_paired_differences() -> None:
    """What targets have in common at all lengths does not widen it."""
    generator = np.random.default_rng(0)
    apart, gains = generator.exponential(9.0, 400), generator.normal(1.0, 0.5, 400)
    found = of_means([(apart + gains).tolist(), apart.tolist()], lengths=(1, 2))
    low, high = found.band[:, 0] * math.log(2)
    # The mean of 400 such gains has a standard error of 0.025; 1.96 of them to either side.
    error = gains.std() / 20
    assert low == pytest.approx(gains.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(gains.mean() + 1.96 * error, abs=0.2 * error)
    assert found.band[:, 1].tolist() == [0.0, 0.0]


def test_json_has_a_row_for_each_length() -> None:
    found = context_loss(uniform_model(V), random_ids(), targets=9, window=35)
    values = json.loads(json.dumps(found.to_json()))
    assert values["targets"] == 9
    assert values["window"] == 35
    assert [each["characters"] for each in values["lengths"]] == found.lengths.tolist()
    assert values["lengths"][0]["increase_95"] == [0.0, 0.0]
