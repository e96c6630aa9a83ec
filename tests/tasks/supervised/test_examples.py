"""Batches by padding one sequence after the other."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charlm.tasks.supervised.examples import (
    BUCKET,
    Sequences,
    batches_by_length,
    batches_of_epoch,
)

CPU = torch.device("cpu")
KINDS = [(np.uint8, 0), (np.int64, 0), (np.float32, 2), (np.float64, 1)]
LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def made(
    lengths: list[int], kind: tuple[Any, int], seed: int = 0
) -> tuple[list[np.ndarray[Any, Any]], Sequences]:
    """Sequences of these lengths, and the same laid out."""
    dtype, inputs = kind
    random = np.random.default_rng(seed)
    each = [random.integers(1, 100, (n, inputs) if inputs else n).astype(dtype) for n in lengths]
    return each, Sequences.of(each)


def padded(each: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Sequences side by side, (T, B) or (T, B, I), and zeros behind their ends."""
    T = max(map(len, each))
    inputs = np.zeros((T, len(each), *each[0].shape[1:]))
    for column, sequence in enumerate(each):
        inputs[: len(sequence), column] = sequence
    return inputs


@given(LENGTHS, st.sampled_from(KINDS), st.data())
def test_a_batch_is_padded_with_zeros(
    lengths: list[int], kind: tuple[Any, int], data: st.DataObject
) -> None:
    each, sequences = made(lengths, kind)
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=15))
    inputs, found = sequences.batch(np.array(rows), CPU)
    np.testing.assert_array_equal(inputs.numpy(), padded([each[row] for row in rows]))
    assert inputs.dtype == (torch.float32 if kind[1] else torch.int64)
    wanted = [lengths[row] for row in rows]
    if len(set(wanted)) == 1:
        assert found is None
    else:
        assert found is not None
        assert (found.dtype, found.tolist()) == (torch.int64, wanted)


@given(LENGTHS, st.sampled_from(KINDS), st.data())
def test_some_of_the_examples(
    lengths: list[int], kind: tuple[Any, int], data: st.DataObject
) -> None:
    each, sequences = made(lengths, kind)
    assert len(sequences) == len(each)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(lengths))] * 2)))
    step = data.draw(st.sampled_from([1, 2, 3]))
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    for taken, wanted in (
        (sequences[start:stop:step], each[start:stop:step]),
        (sequences[np.array(rows)], [each[row] for row in rows]),
        (sequences[np.array(rows)][::2], [each[row] for row in rows[::2]]),
    ):
        assert len(taken) == len(wanted)
        assert taken.steps is sequences.steps
        for row, sequence in enumerate(wanted):
            np.testing.assert_array_equal(taken.sequence(row), sequence)
        whole = [*wanted, each[0][:0]]
        np.testing.assert_array_equal(taken.steps[taken.positions], np.concatenate(whole))


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 4))
def test_sequences_may_overlap(number: int, length: int, seed: int) -> None:
    steps = np.random.default_rng(seed).normal(size=(20, 2)).astype(np.float32)
    starts = np.random.default_rng(seed).integers(0, 20 - length + 1, number)
    sequences = Sequences(steps, starts, np.full(number, length))
    wanted = [steps[start : start + length] for start in starts]
    inputs, lengths = sequences.batch(np.arange(number), CPU)
    assert lengths is None
    np.testing.assert_array_equal(inputs.numpy(), np.stack(wanted, 1))
    np.testing.assert_array_equal(steps[sequences.positions], np.concatenate(wanted))


def test_rows_as_sequences_of_one_step() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    sequences = Sequences.of_single_steps(vectors)
    inputs, lengths = sequences.batch(np.array([2, 0]), CPU)
    assert lengths is None
    np.testing.assert_array_equal(inputs.numpy(), vectors[None, [2, 0]])


def test_what_stands_behind_the_last_sequence_is_never_read() -> None:
    """The padding of the longest one's neighbours would lie beyond the array."""
    sequences = Sequences.of([np.array([1, 2, 3]), np.array([4])])
    inputs, lengths = sequences.batch(np.array([1, 0]), CPU)
    assert inputs.tolist() == [[4, 1], [0, 2], [0, 3]]
    assert lengths is not None
    assert lengths.tolist() == [1, 3]


def test_a_batch_is_no_view_of_the_steps() -> None:
    sequences = Sequences.of_single_steps(np.ones((4, 2), dtype=np.float32))
    inputs, _ = sequences.batch(np.arange(4), CPU)
    inputs.zero_()
    assert sequences.steps.all()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 20))
def test_every_row_is_in_one_batch(lengths: list[int], size: int) -> None:
    known = np.array(lengths)
    for batches in (
        batches_of_epoch(known, size, 0, 1),
        batches_of_epoch(known, size, 0, 2),
        list(batches_by_length(known, size)),
    ):
        assert sorted(np.concatenate(batches).tolist()) == [*range(len(lengths))]
        sizes = sorted(map(len, batches))
        assert sizes[1:] == [size] * (len(batches) - 1) or len(batches) == 1


def test_batches_hold_similar_lengths_and_come_in_another_order_each_epoch() -> None:
    lengths = np.random.default_rng(0).permutation(BUCKET * 4)
    one, other = (batches_of_epoch(lengths, 4, 0, epoch) for epoch in (1, 2))
    for batches in (one, other):
        assert all(np.ptp(lengths[rows]) == 3 for rows in batches)
    assert [rows.tolist() for rows in one] != [rows.tolist() for rows in other]
    again = batches_of_epoch(lengths, 4, 0, 1)
    assert [rows.tolist() for rows in one] == [rows.tolist() for rows in again]
    assert [rows.tolist() for rows in batches_of_epoch(lengths, 200, 3, 1)] == [[*range(200)]]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_by_length_are_sorted(kind: tuple[Any, int]) -> None:
    _, sequences = made([5, 1, 4, 1, 3, 2, 2], kind)
    found = [sequences.lengths[rows].tolist() for rows in batches_by_length(sequences.lengths, 3)]
    assert found == [[1, 1, 2], [2, 3, 4], [5]]
