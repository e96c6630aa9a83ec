"""Drawing ids and texts: what is drawn, from which random numbers, and where a text ends."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import VOCABULARY, Chaotic, V, sample_ids, sample_texts, stream_text, stream_texts

from charlm.config import SamplingConfig
from charlm.errors import SettingError, UsageError
from charlm.generation.endings import StopStrings, overlap
from charlm.generation.filters import distribution
from charlm.generation.sampler import chosen_seed, draw
from charlm.seeds import Stream, generator

PREFIX = VOCABULARY.encode("cab")


class Script:
    """Writes a text of its own, whatever it reads; its state is the place in the text."""

    def __init__(self, text: str) -> None:
        self.ids = VOCABULARY.encode(text)
        self.steps = 0

    def initial_state(self, texts: int) -> Any:
        return np.zeros(texts, dtype=np.int64)

    def step(self, ids: Any, state: Any) -> Any:
        self.steps += 1
        logits = np.zeros((len(ids), V))
        logits[np.arange(len(ids)), self.ids[state % len(self.ids)]] = 1000.0
        return logits, state + 1

    def select(self, state: Any, texts: Any) -> Any:
        return state[texts]

    def join(self, states: Any) -> Any:
        return np.concatenate(states)


class Fixed:
    """The same logits at every step."""

    def __init__(self, logits: Sequence[float]) -> None:
        self.logits = np.array([logits])

    def initial_state(self, texts: int) -> Any:
        return texts

    def step(self, ids: Any, state: Any) -> Any:
        return self.logits.repeat(len(ids), axis=0), state

    def select(self, state: Any, texts: Any) -> Any:
        return len(texts)


def drawn(config: SamplingConfig, seed: int, length: int) -> np.ndarray:
    """(length, N) ids of the chaotic engine."""
    return np.array(list(islice(sample_ids(Chaotic(), PREFIX, config, seed), length)))


# One draw


def slow_draw(probabilities: Sequence[float], uniform: float) -> int:
    """The first id at which the running sum exceeds that share of the whole sum."""
    total = 0.0
    for each in probabilities:
        total += each
    running = 0.0
    for i, each in enumerate(probabilities):
        running += each
        if running > uniform * total:
            return i
    raise AssertionError("the share lies beyond the end")


weights = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-12, 1.0), st.sampled_from([1 / 3, 0.1, 0.25])),
    min_size=1,
    max_size=12,
).filter(any)
# The largest number that a generator draws is 1 - 2^-53.
uniforms = st.one_of(
    st.integers(0, 2**53 - 1).map(lambda n: n / 2**53),
    st.sampled_from([0.0, 1 - 2.0**-53, 0.25, 0.5, 2.0**-53]),
)


@settings(deadline=None, max_examples=300)
@given(weights, uniforms)
def test_a_draw_inverts_the_cumulative_distribution(weights: list[float], uniform: float) -> None:
    probabilities = np.array([weights]) / np.sum(weights)
    (drawn_id,) = draw(probabilities, np.array([uniform]))
    assert drawn_id == slow_draw(probabilities[0].tolist(), uniform)
    assert probabilities[0, drawn_id] > 0


def test_draws_of_several_texts_are_their_own() -> None:
    probabilities = np.array([[0, 0.5, 0.5], [0.25, 0, 0.75], [1, 0, 0]])
    assert draw(probabilities, np.array([0.5, 0.25, 0.999])).tolist() == [2, 2, 0]
    assert draw(probabilities, np.array([0.499, 0.249, 0.0])).tolist() == [1, 0, 0]


def test_draws_come_as_often_as_they_are_probable() -> None:
    probabilities = np.array([0, 0.5, 0.05, 0, 0.3, 0.15])
    draws = 50_000
    ids = draw(np.tile(probabilities, (draws, 1)), np.random.default_rng(0).random(draws))
    counts = np.bincount(ids, minlength=6)
    assert counts[0] == counts[3] == 0
    possible = probabilities > 0
    expected = draws * probabilities[possible]
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum()
    assert chi_square < 16.3  # three degrees of freedom: exceeded once in a thousand times


def test_texts_are_drawn_from_the_distribution_at_every_step() -> None:
    config = SamplingConfig(temperature=0.8, top_k=4, num_samples=40)
    logits = [5.0, 1.0, -1.0, 0.5, 2.0, 0.0, -3.0, 1.5]
    ids = np.array(list(islice(sample_ids(Fixed(logits), PREFIX, config, 1), 600)))
    assert ids.shape == (600, 40)
    expected = ids.size * distribution(np.array([logits]), config)[0]
    counts = np.bincount(ids.ravel(), minlength=V)
    assert set(np.flatnonzero(counts)) == {1, 3, 4, 7}
    possible = expected > 0
    chi_square = ((counts[possible] - expected[possible]) ** 2 / expected[possible]).sum()
    assert chi_square < 16.3
    # Neither successive draws nor neighbouring texts resemble one another.
    flat = ids - ids.mean()
    for a, b in ((flat[1:], flat[:-1]), (flat[:, 1:], flat[:, :-1])):
        assert abs((a * b).mean()) < 5 * flat.var() / np.sqrt(a.size)


# A text, draw by draw


@pytest.mark.parametrize("texts", [1, 3])
def test_each_text_follows_from_its_own_random_stream(texts: int) -> None:
    """One text after another, one number at a time, across several blocks of draws."""
    config = SamplingConfig(temperature=0.9, top_k=5, top_p=0.95, min_p=0.01, num_samples=texts)
    ids = drawn(config, 7, 600)
    assert ids.shape == (600, texts)
    for index in range(texts):
        engine, uniforms = Chaotic(), generator(7, Stream.SAMPLING, index)
        state = engine.initial_state(1)
        for each in PREFIX:
            logits, state = engine.step(np.array([each]), state)
        for step in range(600):
            expected = slow_draw(distribution(logits, config)[0].tolist(), uniforms.random())
            assert ids[step, index] == expected, (step, index)
            logits, state = engine.step(np.array([expected]), state)


def test_the_prefix_is_read_once_and_then_what_is_drawn() -> None:
    engine = Chaotic()
    ids = list(islice(sample_ids(engine, PREFIX, SamplingConfig(num_samples=3), 0), 5))
    assert engine.read[:3] == [[each] for each in PREFIX]
    assert engine.read[3:] == [each.tolist() for each in ids[:-1]]


def test_a_text_is_the_same_however_many_there_are() -> None:
    many = drawn(SamplingConfig(num_samples=5), 3, 300)
    for texts in (1, 2, 4):
        np.testing.assert_array_equal(
            drawn(SamplingConfig(num_samples=texts), 3, 300), many[:, :texts]
        )
    assert len({tuple(column) for column in many.T}) == 5


def test_the_seed_decides_the_text() -> None:
    config = SamplingConfig(length=50, num_samples=2, seed=5)
    again, other = sample(config), sample(replace(config, seed=6))
    assert sample(config) == again
    assert not set(again) & set(other)


def test_without_a_seed_each_text_is_new() -> None:
    config = SamplingConfig(length=50)
    assert sample(config) != sample(config)
    assert chosen_seed(SamplingConfig(seed=0)) == 0
    seeds = [chosen_seed(config) for _ in range(20)]
    assert len(set(seeds)) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_greedy_takes_the_best_each_time_whatever_the_seed() -> None:
    config = SamplingConfig(temperature=0, num_samples=2)
    ids = drawn(config, 0, 100)
    np.testing.assert_array_equal(ids, drawn(config, 99, 100))
    engine = Chaotic()
    state = engine.initial_state(1)
    for each in [*PREFIX, *ids[:-1, 0]]:
        logits, state = engine.step(np.array([each]), state)
        if len(engine.read) >= len(PREFIX):
            best = 1 + logits[0, 1:].argmax()
            assert (ids[len(engine.read) - len(PREFIX)] == best).all()


@pytest.mark.parametrize(
    "values", [{"top_k": 2}, {"top_p": 0.4}, {"min_p": 0.5}, {"temperature": 0.01}, {}]
)
def test_nothing_without_probability_is_ever_drawn(values: dict[str, float]) -> None:
    config = SamplingConfig(**values, num_samples=8)
    engine = Chaotic()
    ids = np.array(list(islice(sample_ids(engine, PREFIX, config, 0), 400)))
    assert (ids > 0).all()
    state = engine.initial_state(8)
    for each in PREFIX:
        logits, state = engine.step(np.full(8, each), state)
    for each in ids:
        assert (distribution(logits, config)[np.arange(8), each] > 0).all()
        logits, state = engine.step(each, state)


def test_an_empty_prefix_is_refused() -> None:
    empty = VOCABULARY.encode("")
    with pytest.raises(UsageError, match="The prefix is empty"):
        next(sample_ids(Chaotic(), empty, SamplingConfig(), 0))
    with pytest.raises(UsageError, match="The prefix is empty"):
        next(stream_text(Chaotic(), VOCABULARY, empty, SamplingConfig()))
    with pytest.raises(UsageError, match="The prefix is empty"):
        sample_texts(Chaotic(), VOCABULARY, empty, SamplingConfig())


# Texts and their ends


def sample(config: SamplingConfig, engine: Any = None) -> list[str]:
    return sample_texts(engine or Chaotic(), VOCABULARY, PREFIX, config)


def stream(config: SamplingConfig, engine: Any = None) -> Iterator[str]:
    return stream_text(engine or Chaotic(), VOCABULARY, PREFIX, config)


def written(text: str) -> Script:
    """An engine that has only read the prefix where the text begins."""
    return Script(VOCABULARY.decode(PREFIX)[1:] + text)


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 600])
@pytest.mark.parametrize("texts", [1, 3])
def test_texts_have_the_length_asked_for(length: int, texts: int) -> None:
    config = SamplingConfig(length=length, num_samples=texts, seed=0)
    ids = drawn(config, 0, length)
    assert sample(config) == [VOCABULARY.decode(column) for column in ids.T]
    assert all(len(text) == length for text in sample(config))
    assert list(stream(config)) == list(sample(config)[0])


@pytest.mark.parametrize("stop", [None, "ab"])
@pytest.mark.parametrize("texts", [1, 4])
def test_no_length_is_no_text(texts: int, stop: str | None) -> None:
    config = SamplingConfig(length=0, num_samples=texts, stop=stop)
    assert sample(config) == [""] * texts
    assert list(stream(config)) == []


@settings(deadline=None, max_examples=50)
@given(
    st.builds(
        SamplingConfig,
        temperature=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
        top_k=st.integers(0, 4),
        length=st.integers(0, 60),
        num_samples=st.integers(1, 3),
        stop=st.one_of(st.none(), st.text("abcdefg", min_size=1, max_size=2)),
        seed=st.integers(0, 2**32),
    )
)
def test_streaming_gives_the_first_of_the_texts(config: SamplingConfig) -> None:
    assert "".join(stream(config)) == sample(config)[0]


few_letters = st.text("ab", min_size=1, max_size=14)


@settings(deadline=None, max_examples=300)
@given(few_letters, st.text("ab", min_size=1, max_size=4), st.integers(0, 20))
def test_a_text_ends_before_its_stop_string(text: str, stop: str, length: int) -> None:
    """Few letters, so that the stop string often begins and does not go on."""
    config = SamplingConfig(temperature=0, length=length, stop=stop)
    endless = text + "c" * 20
    before, _, _ = endless[:length].partition(stop)
    assert sample(config, written(endless)) == [before]
    pieces = list(stream(config, written(endless)))
    assert "".join(pieces) == before
    assert all(pieces)


@settings(deadline=None, max_examples=200)
@given(few_letters, st.text("ab", min_size=1, max_size=4))
def test_nothing_waits_that_cannot_be_the_stop_string(text: str, stop: str) -> None:
    """After each character all is out but what the stop string may begin with, and no more."""
    engine = written(text + "c" * 20)
    config = SamplingConfig(temperature=0, length=len(text), stop=stop)
    before = text.partition(stop)[0]
    out = ""
    for piece in stream(config, engine):
        out += piece
        # Each character that was drawn but the last has been read.
        read = text[: engine.steps - len(PREFIX) + 1]
        if len(read) < len(text):
            assert read == out + stop[: slow_overlap(read, stop)]
    assert out == before


def test_the_model_is_not_run_beyond_the_end() -> None:
    engine = written("abcdef")
    assert "".join(stream(SamplingConfig(temperature=0, stop="cd", length=100), engine)) == "ab"
    assert engine.steps == len(PREFIX) + 3  # of a, b, c; d ended it unread


def test_a_stop_string_in_the_prefix_stops_nothing() -> None:
    config = SamplingConfig(temperature=0, length=5, stop="ca")
    assert sample(config, written("bbbbb")) == ["bbbbb"]
    # Nor does one that the prefix begins.
    assert VOCABULARY.decode(PREFIX).endswith("b")
    assert sample(replace(config, stop="bc"), written("ccccc")) == ["ccccc"]
    assert "".join(stream(replace(config, stop="bc"), written("ccccc"))) == "ccccc"


def test_each_text_ends_at_its_own_stop() -> None:
    plain = SamplingConfig(length=200, num_samples=4, seed=1)
    stopped = replace(plain, stop="a")
    assert sample(stopped) == [text.split("a")[0] for text in sample(plain)]
    assert len({len(text) for text in sample(stopped)}) > 1


def slow_overlap(text: str, stop: str) -> int:
    return max(n for n in range(len(stop) + 1) if text.endswith(stop[:n]))


@settings(deadline=None, max_examples=200)
@given(st.text("ab", max_size=8), st.text("ab", max_size=5))
def test_overlap_is_the_longest_beginning_at_the_end(text: str, stop: str) -> None:
    assert overlap(text, stop) == slow_overlap(text, stop)


@pytest.mark.parametrize(
    ("text", "stop", "length"),
    [("", "ab", 0), ("x", "", 0), ("xa", "ab", 1), ("aab", "aabb", 3), ("abab", "abac", 2)],
)
def test_overlaps_by_hand(text: str, stop: str, length: int) -> None:
    assert overlap(text, stop) == length


# Several stop strings


stop_lists = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3)


def slow_end(text: str, stops: Sequence[str]) -> str:
    """The text a character at a time, until it ends in one of the strings: without that."""
    for n in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:n].endswith(stop)]
        if complete:
            return text[: n - max(map(len, complete))]
    return text


@settings(deadline=None, max_examples=300)
@given(few_letters, stop_lists, st.integers(0, 20))
def test_a_text_ends_before_the_first_of_several_strings(
    text: str, stops: list[str], length: int
) -> None:
    config = SamplingConfig(temperature=0, length=length, stop=tuple(stops))
    endless = text + "c" * 20
    assert sample(config, written(endless)) == [slow_end(endless[:length], stops)]
    assert all(stream(config, written(endless)))


@pytest.mark.parametrize(
    ("text", "stops", "end"),
    [
        ("abcd", ("cd", "b"), 1),
        ("abcd", ("abcd", "bc"), 1),  # bc is complete before abcd is
        ("abcd", ("bc", "abc"), 0),  # both at once
        ("abcd", ("x", "dd"), None),
        ("abab", ("b",), 1),
        ("", ("a",), None),
    ],
)
def test_ends_by_hand(text: str, stops: tuple[str, ...], end: int | None) -> None:
    found = StopStrings(stops).find(text, 0)
    assert (None if found is None else found.at) == end


def test_one_stop_string_is_a_list_of_one() -> None:
    assert SamplingConfig(stop="ab").stops == SamplingConfig(stop=["ab"]).stops == ("ab",)
    assert SamplingConfig().stops == SamplingConfig(stop=()).stops == ()
    for empty in ("", ["ab", ""]):
        with pytest.raises(SettingError, match=r"^stop cannot be empty"):
            SamplingConfig(stop=empty)


# Several texts, in pieces


class Counting(Chaotic):
    """Counts the steps after the prefix."""

    @property
    def steps(self) -> int:
        return sum(len(ids) > 1 for ids in self.read)


@pytest.mark.parametrize("stop", [None, "a", ("ab", "c")])
def test_streamed_texts_are_the_samples_in_order(stop: Any) -> None:
    config = SamplingConfig(length=150, num_samples=4, seed=1, stop=stop)
    streamed = [list(text) for text in stream_texts(Chaotic(), VOCABULARY, PREFIX, config)]
    assert ["".join(pieces) for pieces in streamed] == sample(config)
    for number, text in enumerate(sample(config)):
        alone = replace(config, num_samples=number + 1)
        assert sample(alone)[number] == text


def test_the_first_text_flows_as_it_is_drawn() -> None:
    engine, config = Counting(), SamplingConfig(length=50, num_samples=3, seed=1)
    texts = stream_texts(engine, VOCABULARY, PREFIX, config)
    for number, _ in enumerate(next(texts)):
        assert engine.steps == number  # of the characters before it
    # By then the others are drawn.
    rest = [list(text) for text in texts]
    assert engine.steps == 49
    assert [len(text) for text in rest] == [50, 50]


def test_drawing_ends_when_the_last_text_has_ended() -> None:
    config = SamplingConfig(length=10_000, num_samples=4, seed=1, stop="a")
    engine = Counting()
    texts = sample(config, engine)
    longest = max(map(len, texts))
    assert engine.steps == longest
    assert len({len(text) for text in texts}) > 1
    # What nobody reads is not drawn.
    engine = Counting()
    first = "".join(next(stream_texts(engine, VOCABULARY, PREFIX, config)))
    assert (first, engine.steps) == (texts[0], len(texts[0]))
