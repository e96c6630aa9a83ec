"""Documents packed into windows: each token is predicted once, from its own document alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.config import ModelConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.tasks.language_modeling.document_windows import IGNORED, SECTION, DocumentWindows
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.text.vocabulary import Ids

MARK = 1


def numbered(lengths: list[int]) -> Ids:
    """Documents of these lengths, whose ids from 2 on are all different; the marks are 1."""
    ids, number = [MARK], 2
    for length in lengths:
        ids += [*range(number, number + length), MARK]
        number += length
    return np.array(ids, dtype=np.uint32)


lengths = st.lists(st.integers(1, 12), min_size=1, max_size=30)


@settings(deadline=None, max_examples=150)
@given(lengths, st.integers(1, 4), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_predicts_every_token_once(
    documents: list[int], B: int, T: int, epoch: int
) -> None:
    ids = numbered(documents)
    windows = DocumentWindows(ids, MARK, B, T, seed=3)
    windows.load(epoch)
    pairs: list[tuple[int, int]] = []
    padding = positions = 0
    for i in range(windows.count):
        each = windows[i]
        assert each.inputs.shape == each.targets.shape
        assert each.inputs.shape[0] <= T
        assert each.inputs.shape[1] <= windows.lanes
        real = each.targets != IGNORED
        assert each.items == int(real.sum()) > 0
        # In a lane what is real comes first.
        assert bool((real[:-1] | ~real[1:]).all())
        padding += int((~real).sum())
        positions += real.numel()
        pairs += zip(each.inputs[real].tolist(), each.targets[real].tolist(), strict=True)
    assert sorted(pairs) == sorted(zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True))
    assert windows.real_share == pytest.approx(1 - padding / positions)


@settings(deadline=None, max_examples=100)
@given(lengths, st.integers(1, 3), st.integers(1, 4))
def test_a_lane_goes_on_where_it_stopped(documents: list[int], B: int, T: int) -> None:
    windows = DocumentWindows(numbered(documents), MARK, B, T, seed=0)
    before: list[int] = []
    for i in range(windows.count):
        each = windows[i]
        first = each.inputs[0].tolist()
        if each.continues:
            assert first == before[: len(first)]
            assert MARK not in first
        else:
            assert set(first) == {MARK}
        real = (each.targets != IGNORED).sum(0) - 1
        last = each.targets.gather(0, real[None])[0]
        before = last.tolist()


def test_long_documents_are_cut_elsewhere_in_each_epoch() -> None:
    T = 2
    ids = numbered([3 * SECTION * T])
    windows = DocumentWindows(ids, MARK, 2, T, seed=0)
    beginnings = []
    for epoch in range(4):
        windows.load(epoch)
        found = [windows[i] for i in range(windows.count)]
        assert sum(each.items for each in found) == len(ids) - 1
        beginnings.append(
            {x for each in found if not each.continues for x in each.inputs[0].tolist()}
        )
    assert all(len(each) in (4, 5) for each in beginnings)
    assert len(set(map(frozenset, beginnings))) > 1


def test_the_layout_depends_on_the_epoch_and_the_seed_alone() -> None:
    ids = numbered([3, 5, 2, 7, 4, 6] * 10)

    def layout(seed: int, epoch: int) -> list[list[int]]:
        windows = DocumentWindows(ids, MARK, 2, 4, seed)
        windows.load(epoch)
        return [windows[i].inputs.flatten().tolist() for i in range(windows.count)]

    assert layout(0, 1) == layout(0, 1)
    assert layout(0, 1) != layout(0, 2)
    assert layout(0, 1) != layout(1, 1)


def test_names_are_packed_with_little_padding() -> None:
    rng = np.random.default_rng(0)
    windows = DocumentWindows(numbered(rng.integers(3, 12, 3000).tolist()), MARK, 32, 64, seed=0)
    assert windows.real_share > 0.97


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_loss_of_an_epoch_is_that_of_each_document_alone(cell: str) -> None:
    rng = np.random.default_rng(1)
    ids = np.concatenate(
        [[MARK], *([*rng.integers(2, 6, n), MARK] for n in rng.integers(1, 9, 25))]
    ).astype(np.uint8)
    model = LanguageModel(
        ModelConfig(vocabulary_size=6, cell=cell, hidden_size=5, num_layers=2, document_id=MARK),
        "builtin",
    )
    model.initialize("uniform", 0)
    model.double()
    config = TextTrainConfig(batch_size=3, seq_length=4, epochs=1)
    task = LanguageModeling(model, ids, ids[:0], config)
    with torch.no_grad():
        nats, state = 0.0, task.initial_state()
        for window in range(task.load_epoch(0)):
            loss, state, items, *_ = task.loss(task.batch(window), state)
            nats += float(loss) * items
        wanted = 0.0
        marks = np.flatnonzero(ids == MARK)
        for start, stop in pairwise(marks):
            read = torch.from_numpy(ids[start : stop + 1].astype(np.int64))
            logits, _ = model(read[:-1, None], model.initial_state(1))
            logs = torch.log_softmax(logits[:, 0], 1)
            wanted -= float(logs.gather(1, read[1:, None]).sum())
    # The loss is a mean in float32.
    assert nats == pytest.approx(wanted, rel=1e-6)
