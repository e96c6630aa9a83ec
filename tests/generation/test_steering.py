"""The repetition penalty, against the formula a text at a time."""

from itertools import islice

import numpy as np
import pytest
from streams import VOCABULARY, Chaotic, V, sample_ids, sample_texts

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.generation.filters import NotFiniteError, distribution
from charlm.generation.steering import RepetitionPenalty, steered, steering_of
from charlm.tasks.relevance import sampling_config

PREFIX = VOCABULARY.encode("cab")


def slow_penalty(logits: np.ndarray, recent: str, penalty: float) -> np.ndarray:
    """p^penalty for what came lately, divided by the sum of all but <unk>."""
    p = np.exp(logits) / np.exp(logits).sum()
    powers = [penalty if each in recent else 1.0 for each in VOCABULARY.entries]
    changed = p[1:] ** powers
    return np.asarray(changed / changed.sum())


@pytest.mark.parametrize("window", [1, 2, 5, 300])
@pytest.mark.parametrize("penalty", [1.3, 4.0])
def test_the_penalty_is_what_the_formula_says(window: int, penalty: float) -> None:
    config = SamplingConfig(
        repetition_penalty=penalty, repetition_window=window, num_samples=2, temperature=1.0
    )
    (steering,) = steering_of(config, VOCABULARY)
    ids = np.array(list(islice(sample_ids(Chaotic(), PREFIX, config, 5, (steering,)), 60)))
    for index in range(2):
        engine = Chaotic()
        state, text = engine.initial_state(1), "cab"
        for each in PREFIX:
            logits, state = engine.step(np.array([each]), state)
        memory = steering.begin(PREFIX)
        for each in ids[:, index]:
            found = distribution(steering.change(logits, memory), config)
            expected = slow_penalty(logits[0], text[-window:], penalty)
            np.testing.assert_allclose(found[0, 1:], expected, rtol=1e-9)
            text += VOCABULARY.decode([each])
            memory = steering.follow(memory, np.array([each]))
            logits, state = engine.step(np.array([each]), state)


def test_logits_may_be_shifted() -> None:
    """Which the quotient of the paper depends on."""
    logits = np.random.default_rng(0).normal(size=(1, V))
    steering = RepetitionPenalty(1.5, 8)
    memory = steering.begin(PREFIX)
    for shift in (-30.0, 30.0):
        np.testing.assert_allclose(
            steering.change(logits + shift, memory), steering.change(logits, memory), atol=1e-12
        )


def test_what_is_certain_stays_certain() -> None:
    logits = np.full((1, V), -1000.0)
    logits[0, PREFIX[0]] = 0.0
    steering = RepetitionPenalty(10.0, 8)
    found = distribution(steering.change(logits, steering.begin(PREFIX)), SamplingConfig())
    assert found[0, PREFIX[0]] == 1.0


def test_it_gets_out_of_a_loop() -> None:
    class Stuck(Chaotic):
        """Always a, and b nearly as much."""

        table = np.tile(np.log([1e-9, 0.5, 0.3, 0.1, 0.04, 0.03, 0.02, 0.01]), (101, 1))

    greedy = SamplingConfig(temperature=0, length=30)
    assert sample_texts(Stuck(), VOCABULARY, PREFIX, greedy) == ["a" * 30]
    config = SamplingConfig(temperature=0, length=30, repetition_penalty=3, repetition_window=1)
    # After an a: 0.5 ** 3 < 0.3; after a b: 0.3 ** 3 < 0.5.
    assert sample_texts(Stuck(), VOCABULARY, PREFIX, config) == ["ab" * 15]


def test_a_model_beyond_all_bounds_is_told_of() -> None:
    steering = RepetitionPenalty(1.5, 8)
    with pytest.raises(NotFiniteError):
        steering.change(np.full((1, V), np.nan), steering.begin(PREFIX))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": 0.0, "best_of": 4}, "best_of does nothing at --temperature 0"),
        ({"beams": 4, "temperature": 0.5}, "temperature does not go with --beams"),
        ({"beams": 4, "temperature": 0.0}, "temperature does not go with --beams"),
        ({"beams": 4, "top_k": 5}, "top_k does not go with --beams"),
        ({"beams": 4, "top_p": 0.5}, "top_p does not go with --beams"),
        ({"beams": 4, "min_p": 0.5}, "min_p does not go with --beams"),
        ({"beams": 4, "seed": 5}, "seed does not go with --beams"),
        ({"beams": 4, "best_of": 5}, "best_of does not go with --beams"),
        ({"beams": 4, "repetition_penalty": 1.5}, "repetition_penalty does not go with --beams"),
        ({"beams": 2, "num_samples": 3}, "beams must be at least --num-samples, 3"),
        ({"best_of": 2, "num_samples": 3}, "best_of must be at least --num-samples, 3"),
        ({"repetition_window": 5}, "repetition_window is that of --repetition-penalty"),
        ({"repetition_penalty": 0.5}, "repetition_penalty must be at least 1"),
        ({"ban": ""}, "ban cannot be empty"),
        ({"ban": ["a", ""]}, "ban cannot be empty"),
        ({"ban": [3]}, "ban cannot be 3"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        sampling_config(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.0, "repetition_penalty": 1.5, "ban": "a"},
        {"beams": 4, "ban": "a", "stop": "b", "until_sentence_end": True, "num_samples": 4},
        {"best_of": 4, "temperature": 0.5, "top_k": 5, "seed": 3, "num_samples": 4},
    ],
    ids=str,
)
def test_what_makes_sense_is_not(settings: dict[str, object]) -> None:
    sampling_config(**settings)  # type: ignore[arg-type]


def test_blocks_are_drawn_where_nothing_steers() -> None:
    assert not steered(SamplingConfig(temperature=0.5, best_of=4, until_sentence_end=True))
    for settings in ({"ban": "a"}, {"repetition_penalty": 1.1}, {"beams": 2}, {"top_k": 3}):
        assert steered(SamplingConfig(**settings))
