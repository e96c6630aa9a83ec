"""What is banned is never written, and all else as probably as it was beside the rest."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from streams import VOCABULARY, Chaotic, sample_ids, sample_texts

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.generation.bans import Bans
from charlm.generation.filters import distribution
from charlm.generation.steering import change_all, steering_of
from charlm.text.vocabulary import WORDS, Vocabulary

TWO = Vocabulary("ab", [1, 1])
# Entries of several characters, as words are.
WORDY = Vocabulary([" a", " ab", "b", ","], [1] * 4, units=WORDS)
PREFIX = VOCABULARY.encode("cab")


def completes(before: str, entry: str, banned: list[str]) -> bool:
    """Whether the entry brings a banned string into a text."""
    text = before + entry
    return any(
        text[start : start + len(each)] == each
        for each in banned
        for start in range(max(0, len(before) - len(each) + 1), len(text))
    )


def goes_on(text: str, entries: tuple[str, ...], banned: list[str], steps: int) -> bool:
    """Whether a text can be so many entries longer without a banned string."""
    return steps == 0 or any(
        goes_on(text + each, entries, banned, steps - 1)
        for each in entries
        if not completes(text, each, banned)
    )


bans = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3)


@settings(deadline=None, max_examples=150)
@given(bans, st.text("ab", min_size=1, max_size=5), st.integers(0, 99))
def test_probabilities_are_those_of_what_is_allowed(
    banned: list[str], context: str, seed: int
) -> None:
    """A text that goes on for more entries than the automaton has states goes on forever."""
    steering, steps = Bans(TWO, banned), 1 + sum(map(len, banned))
    assume(goes_on(context, TWO.entries, banned, steps))
    memory, text = steering.begin(TWO.encode(context)), context
    random = np.random.default_rng(seed)
    for _ in range(12):
        logits = random.normal(size=(1, len(TWO)))
        allowed = [
            not completes(text, each, banned) and goes_on(text + each, TWO.entries, banned, steps)
            for each in TWO.entries
        ]
        expected = np.exp(logits[0, 1:]) * allowed
        found = distribution(steering.change(logits, memory), SamplingConfig())
        np.testing.assert_allclose(found[0, 1:], expected / expected.sum(), rtol=1e-12)
        entry = random.choice(np.flatnonzero(allowed))
        text += TWO.entries[entry]
        memory = steering.follow(memory, np.array([entry + 1]))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text(" ab,", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
)
def test_entries_may_have_several_characters(banned: list[str], path: list[int]) -> None:
    steering, text = Bans(WORDY, banned), ""
    state = 0
    for number in path:
        entry = WORDY.entries[number]
        state = int(steering.after[state, number + 1])
        complete = completes(text, entry, banned)
        assert (state == len(steering.after) - 1) == complete
        if complete:
            return
        text += entry


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text("abcdefg", min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([{}, {"top_k": 2}, {"top_p": 0.5}]),
)
def test_a_banned_string_never_appears(
    banned: list[str], temperature: float, filters: dict[str, float]
) -> None:
    config = SamplingConfig(
        temperature=temperature, length=150, num_samples=3, seed=0, ban=banned, **filters
    )
    try:
        texts = sample_texts(Chaotic(), VOCABULARY, PREFIX, config)
    except SettingError:
        assert len(set(banned)) > 1
        return
    for text in texts:
        assert len(text) == 150
        # One that stands in the prefix is nobody's fault, one that ends behind it is.
        assert not any(each in ("cab" + text)[max(0, 4 - len(each)) :] for each in banned)


def test_texts_are_drawn_as_a_slow_loop_draws_them() -> None:
    config = SamplingConfig(num_samples=2, ban=["ab", "c", "ddd"])
    steering = tuple(steering_of(config, VOCABULARY))
    ids = np.array(list(islice(sample_ids(Chaotic(), PREFIX, config, 3, steering), 200)))
    plain = SamplingConfig(num_samples=2)
    engine = Chaotic()
    for index in range(2):
        state = engine.initial_state(1)
        for each in PREFIX:
            logits, state = engine.step(np.array([each]), state)
        text = "cab"
        for each in ids[:, index]:
            allowed = [not completes(text, entry, list(config.bans)) for entry in "abcdefg"]
            expected = distribution(logits, plain)[0, 1:] * allowed
            found = distribution(change_all(steering, logits, [memory_after(text)]), plain)
            np.testing.assert_allclose(found[0, 1:], expected / expected.sum(), rtol=1e-12)
            assert allowed[each - 1]
            text += VOCABULARY.decode([each])
            logits, state = engine.step(np.array([each]), state)


def memory_after(text: str) -> np.ndarray:
    return Bans(VOCABULARY, ["ab", "c", "ddd"]).begin(VOCABULARY.encode(text))


@pytest.mark.parametrize("banned", [list("abcdefg"), [a + b for a in "ab" for b in "abcdefg"]])
def test_who_bans_everything_is_told(banned: list[str]) -> None:
    with pytest.raises(SettingError, match="ban leaves nothing that can be written"):
        sample_texts(Chaotic(), VOCABULARY, PREFIX, SamplingConfig(length=5, ban=banned))


def test_what_leads_nowhere_is_left_out() -> None:
    """After an a every character is banned, so no a is written; but behind one nothing can be."""
    banned = ["a" + each for each in "abcdefg"]
    config = SamplingConfig(length=200, ban=banned, seed=1)
    (text,) = sample_texts(Chaotic(), VOCABULARY, PREFIX, config)
    assert "a" not in text
    with pytest.raises(SettingError, match="ban less"):
        sample_texts(Chaotic(), VOCABULARY, VOCABULARY.encode("ca"), config)
