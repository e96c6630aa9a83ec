"""One seed, many streams: each reproducible, none like another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.seeds import Stream, derived_seed, generator

SEEDS = [0, 1, 2, 2**31, 2**32, 2**63, 2**100]


def first_draws(generator: np.random.Generator) -> tuple[int, ...]:
    return tuple(generator.integers(2**63, size=2).tolist())


def test_streams_keep_their_numbers() -> None:
    """Renumbering them would give every seed in every saved run another meaning."""
    assert {stream.name: int(stream) for stream in Stream} == {
        "INITIALIZATION": 0,
        "DATA_ORDER": 1,
        "DROPOUT": 2,
        "SAMPLING": 3,
        "DOCUMENTS": 4,
    }


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**70), st.sampled_from(Stream), st.lists(st.integers(0, 10**6), max_size=2))
def test_a_stream_depends_on_its_numbers_alone(seed: int, stream: Stream, index: list[int]) -> None:
    ours = generator(seed, stream, *index).random(5)
    bits = np.random.PCG64(np.random.SeedSequence([seed, int(stream), *index]))
    np.testing.assert_array_equal(ours, np.random.Generator(bits).random(5))


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_and_indices_of_one_seed_differ(seed: int) -> None:
    draws = {
        first_draws(generator(seed, stream, index)) for stream in Stream for index in range(50)
    }
    assert len(draws) == len(Stream) * 50


@pytest.mark.parametrize("stream", Stream)
def test_neighbouring_seeds_differ(stream: Stream) -> None:
    draws = {first_draws(generator(seed, stream, 0)) for seed in range(200)}
    assert len(draws) == 200


def test_drawing_from_one_stream_leaves_the_others_where_they_were() -> None:
    alone = generator(7, Stream.DROPOUT).random(10)
    others = [generator(7, stream, 3) for stream in Stream]
    dropout = generator(7, Stream.DROPOUT)
    together = []
    for _ in range(10):
        for other in others:
            other.random(100)
        together.append(dropout.random())
    np.testing.assert_array_equal(alone, together)


def test_streams_are_uncorrelated() -> None:
    draws = np.stack([generator(0, stream).random(20_000) for stream in Stream])
    correlation = np.corrcoef(draws) - np.eye(len(Stream))
    # Five standard deviations of the correlation of independent draws.
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_derived_seeds_fit_other_generators_and_differ(seed: int) -> None:
    derived = [derived_seed(seed, stream) for stream in Stream]
    assert all(type(each) is int and 0 <= each < 2**63 for each in derived)
    assert len(set(derived)) == len(Stream)
    assert derived == [derived_seed(seed, stream) for stream in Stream]


def test_derived_seeds_use_all_of_their_range() -> None:
    seeds = [derived_seed(seed, Stream.INITIALIZATION) for seed in range(100)]
    assert max(seeds) > 2**62 > min(seeds)
