"""Windows of truncated backpropagation through time, against what the words say of them."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from charlm.errors import CorpusError
from charlm.tasks.language_modeling import readers
from charlm.tasks.language_modeling.readers import DeviceReader, HostReader, make_reader
from charlm.tasks.language_modeling.windows import Window, Windows, fit
from charlm.text.splits import count
from charlm.text.vocabulary import Ids

SAMPLINGS = ["sequential", "random"]
SENTINEL = 10_000


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Length, B and T such that there is at least one window."""
    B, T = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    return B * T + 1 + draw(st.integers(0, 120)), B, T


def span(length: int) -> Ids:
    """The ids 0, 1, 2, … (each id is its position) cut out of a larger array."""
    around = np.full(length + 40, SENTINEL, dtype=np.uint32)
    around[20 : 20 + length] = np.arange(length)
    return around[20 : 20 + length]


def epoch_of(windows: Windows, epoch: int) -> list[Window]:
    windows.load(epoch)
    return [windows[i] for i in range(windows.count)]


@settings(deadline=None, max_examples=150)
@given(layouts(), st.sampled_from(SAMPLINGS), st.integers(0, 2**32), st.integers(0, 50))
@example((2, 1, 1), "sequential", 0, 0)
@example((2, 1, 1), "random", 0, 0)
def test_every_window_is_a_shift_by_one_and_no_target_comes_twice(
    layout: tuple[int, int, int], sampling: str, seed: int, epoch: int
) -> None:
    length, B, T = layout
    windows = Windows(span(length), B, T, sampling, seed)
    seen: set[int] = set()
    each = epoch_of(windows, epoch)
    assert len(each) >= 1
    for window in each:
        assert window.inputs.shape == window.targets.shape == (T, B)
        assert window.inputs.dtype == window.targets.dtype == torch.int64
        # An id is its position here, so a stream of text counts upwards by one.
        steps = torch.arange(T).unsqueeze(1)
        assert torch.equal(window.inputs, window.inputs[:1] + steps)
        assert torch.equal(window.targets, window.inputs + 1)
        targets = window.targets.flatten().tolist()
        assert min(targets) >= 1
        assert max(targets) < length
        assert len(set(targets)) == T * B
        assert not seen & set(targets)
        seen |= set(targets)
    # What is left out is less than a stream's last window, and less than an offset at the start.
    left_out = length - 1 - len(seen)
    offsets = T if sampling == "sequential" else T - 1
    assert left_out <= offsets + B * T - 1


@settings(deadline=None, max_examples=100)
@given(layouts(), st.integers(0, 2**32), st.integers(0, 50))
def test_sequential_streams_run_on_from_window_to_window(
    layout: tuple[int, int, int], seed: int, epoch: int
) -> None:
    length, B, T = layout
    each = epoch_of(Windows(span(length), B, T, "sequential", seed), epoch)
    assert [window.continues for window in each] == [False] + [True] * (len(each) - 1)
    for before, after in itertools.pairwise(each):
        assert torch.equal(before.targets[-1], after.inputs[0])


@settings(deadline=None, max_examples=50)
@given(layouts(), st.integers(0, 2**32), st.integers(0, 50))
def test_random_windows_start_anew_in_another_order_each_epoch(
    layout: tuple[int, int, int], seed: int, epoch: int
) -> None:
    length, B, T = layout
    each = epoch_of(Windows(span(length), B, T, "random", seed), epoch)
    assert not any(window.continues for window in each)
    starts = torch.cat([window.inputs[0] for window in each])
    assert len({int(start) % T for start in starts}) == 1  # one offset for the whole epoch
    assert starts.min() % T < T


@settings(deadline=None, max_examples=60)
@given(layouts(), st.sampled_from(SAMPLINGS), st.integers(0, 2**32), st.integers(0, 20))
def test_an_epoch_depends_on_seed_and_number_alone(
    layout: tuple[int, int, int], sampling: str, seed: int, epoch: int
) -> None:
    length, B, T = layout
    straight = epoch_of(Windows(span(length), B, T, sampling, seed), epoch)
    wandering = Windows(span(length), B, T, sampling, seed)
    torch.manual_seed(epoch)  # a global generator has no say
    for other in (3, epoch + 1, 0):
        epoch_of(wandering, other)
    again = epoch_of(wandering, epoch)
    assert len(again) == len(straight)
    for one, other_one in zip(straight, again, strict=True):
        assert torch.equal(one.inputs, other_one.inputs)
        assert torch.equal(one.targets, other_one.targets)


# Random lengths and resets


@settings(deadline=None, max_examples=150)
@given(layouts(), st.integers(0, 2**32), st.integers(0, 50))
@example((2, 1, 1), 0, 0)
def test_windows_of_random_lengths_cover_their_streams_and_carry_on(
    layout: tuple[int, int, int], seed: int, epoch: int
) -> None:
    length, B, T = layout
    each = epoch_of(Windows(span(length), B, T, "sequential", seed, random_lengths=True), epoch)
    assert [window.continues for window in each] == [False] + [True] * (len(each) - 1)
    seen: set[int] = set()
    for window in each:
        steps = torch.arange(len(window.inputs)).unsqueeze(1)
        assert window.inputs.shape[1] == B
        assert torch.equal(window.inputs, window.inputs[:1] + steps)
        assert torch.equal(window.targets, window.inputs + 1)
        assert not seen & set(window.targets.flatten().tolist())
        seen |= set(window.targets.flatten().tolist())
    for before, after in itertools.pairwise(each):
        assert torch.equal(before.targets[-1], after.inputs[0])
    # Of a stream nothing is left out; of the span what an offset and a division by B leave over.
    assert length - 1 - len(seen) <= T + B - 1
    assert min(seen) >= 1
    assert max(seen) < length


def test_random_lengths_are_those_of_awd_lstm() -> None:
    windows = Windows(span(400_000), 2, 70, "sequential", 0, random_lengths=True)
    lengths = torch.tensor([len(window.inputs) for window in epoch_of(windows, 0)][:-1]).double()
    long, short = lengths[lengths > 52.5], lengths[lengths < 52.5]
    assert len(short) / len(lengths) == pytest.approx(0.05, abs=0.012)
    for some, mean in ((long, 70), (short, 35)):
        assert some.mean() == pytest.approx(mean, rel=0.03)
        assert some.std() == pytest.approx(5, rel=0.15)
    assert windows.count * 70 > 199_000


def test_random_lengths_and_resets_depend_on_seed_and_epoch_alone() -> None:
    def laid_out(seed: int, *epochs: int) -> list[tuple[Tensor, Tensor | None]]:
        windows = Windows(
            span(900), 3, 10, "sequential", seed, random_lengths=True, reset_probability=0.4
        )
        for epoch in epochs:
            each = epoch_of(windows, epoch)
        return [(window.inputs, window.resets) for window in each]

    straight, wandering = laid_out(5, 2), laid_out(5, 4, 0, 2)
    assert len(straight) == len(wandering)
    for one, other in zip(straight, wandering, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    for different in (laid_out(5, 3), laid_out(6, 2)):
        assert [len(each) for each, _ in different] != [len(each) for each, _ in straight]


@pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
def test_each_stream_is_reset_with_the_probability_asked_for(p: float) -> None:
    plain = epoch_of(Windows(span(30_000), 5, 7, "sequential", 3), 1)
    each = epoch_of(Windows(span(30_000), 5, 7, "sequential", 3, reset_probability=p), 1)
    # They disturb no other draw.
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(plain, each, strict=True))
    if p == 0:
        assert all(window.resets is None for window in each)
        return
    resets = torch.stack([window.resets for window in each])
    assert resets.shape == (len(each), 5, 1)
    assert resets.double().mean() == pytest.approx(p, abs=0.025)
    if p < 1:
        assert resets.sum(1).float().var() > 0  # streams apart from one another


@pytest.mark.parametrize("length", [300, 301, 302])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_epochs_and_seeds_differ_in_their_offset(sampling: str, length: int) -> None:
    """Even where whole windows would fill the span to its last id."""

    def offset(seed: int, epoch: int) -> int:
        windows = Windows(span(length), 3, 10, sampling, seed)
        return min(int(window.inputs.min()) for window in epoch_of(windows, epoch)) % 10

    assert len({offset(0, epoch) for epoch in range(40)}) > 5
    assert len({offset(seed, 0) for seed in range(40)}) > 5


def test_random_windows_are_shuffled() -> None:
    windows = Windows(span(600), 2, 5, "random", 0)
    first, second = (
        torch.cat([window.inputs[0] for window in epoch_of(windows, epoch)]).tolist()
        for epoch in (0, 1)
    )
    assert first != sorted(first)
    assert [start // 5 for start in first] != [start // 5 for start in second]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 30))
@example(1, 4, 13)
@example(2, 4, 13)
@example(3, 4, 7)
def test_over_many_epochs_every_target_is_reached(
    sampling: str, B: int, T: int, spare: int
) -> None:
    length = B * T + 1 + spare
    windows = Windows(span(length), B, T, sampling, seed=0)
    reached: set[int] = set()
    for epoch in range(400):
        for window in epoch_of(windows, epoch):
            reached |= set(window.targets.flatten().tolist())
        if len(reached) == length - 1:
            break
    assert reached == set(range(1, length))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("B", "T"), [(1, 1), (3, 7), (32, 35)])
def test_a_span_too_short_for_a_window_is_refused_with_the_length_needed(
    sampling: str, B: int, T: int
) -> None:
    Windows(span(B * T + 1), B, T, sampling, 0)
    with pytest.raises(CorpusError, match=f"{B * T + 1:,}") as caught:
        Windows(span(B * T), B, T, sampling, 0)
    assert f"has {count(B * T)};" in caught.value.message
    assert "--batch-size" in caught.value.hint


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_ids_of_any_width_come_out_as_int64(sampling: str, dtype: type[np.unsignedinteger]) -> None:
    ids = np.arange(200).astype(dtype)
    for window in epoch_of(Windows(ids, 3, 7, sampling, 0), 0):
        assert window.inputs.dtype == window.targets.dtype == torch.int64
        assert torch.equal(window.targets, window.inputs + 1)


@settings(deadline=None, max_examples=300)
@given(st.integers(2, 400), st.integers(1, 300), st.integers(1, 300))
@example(2, 1, 1)
@example(2, 32, 64)
def test_fit_gives_what_windows_accept_and_never_more_than_asked(
    characters: int, batch_size: int, seq_length: int
) -> None:
    B, T = fit(characters, batch_size, seq_length)
    assert 1 <= B <= batch_size
    assert 1 <= T <= seq_length
    for sampling in SAMPLINGS:
        assert Windows(span(characters), B, T, sampling, 0).count >= 1
    if batch_size * seq_length + 1 <= characters:
        assert (batch_size, seq_length) == (B, T)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 60), st.integers(1, 30), st.integers(1, 30))
def test_fit_keeps_the_window_before_the_batch(
    characters: int, batch_size: int, seq_length: int
) -> None:
    """The longest window that fits once, then as many side by side as fit: by brute force."""
    assume(batch_size * seq_length + 1 > characters)
    T = max(t for t in range(1, seq_length + 1) if t + 1 <= characters)
    B = max(b for b in range(1, batch_size + 1) if b * T + 1 <= characters)
    assert fit(characters, batch_size, seq_length) == (B, T)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_ids_may_lie_in_a_memory_map_or_on_the_device(
    sampling: str, dtype: type[np.unsignedinteger], tmp_path: Path
) -> None:
    ids = np.random.default_rng(0).integers(0, 200, 500).astype(dtype)
    ids.tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", dtype, mode="r")
    in_memory, on_disk, on_device = (
        Windows(each, 3, 7, sampling, 0, random_lengths=sampling == "sequential")
        for each in (ids, mapped, ids)
    )
    assert isinstance(on_disk.reader, HostReader)
    on_device.reader = DeviceReader(ids, torch.device("cpu"))
    on_device.load(1)  # To a reader that is new an epoch is new.
    for epoch in (0, 2):
        every = [epoch_of(each, epoch) for each in (in_memory, on_disk, on_device)]
        for one, *others in zip(*every, strict=True):
            for other in others:
                assert torch.equal(one.inputs, other.inputs)
                assert torch.equal(one.targets, other.targets)


def test_what_does_not_fit_on_a_device_stays_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.zeros(1000, dtype=np.uint16)  # 4,000 bytes as torch indexes them
    device = torch.device("meta")
    for free, kind in ((4 * 4000, DeviceReader), (4 * 4000 - 4, HostReader), (None, DeviceReader)):
        monkeypatch.setattr(readers, "free_memory", lambda _, free=free: free)
        assert isinstance(make_reader(ids, device), kind)
    assert isinstance(make_reader(ids, torch.device("cpu")), HostReader)
