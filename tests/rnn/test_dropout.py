import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charlm.rnn.dropout import dropout_mask, locked_dropout

SHAPES = st.lists(st.integers(0, 7), min_size=1, max_size=3).map(tuple)


@given(SHAPES, st.floats(0, 0.99), st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
def test_a_mask_holds_zeros_and_what_makes_up_for_them(
    shape: tuple[int, ...], p: float, dtype: torch.dtype
) -> None:
    like = torch.empty(0, dtype=dtype)
    mask = dropout_mask(like, shape, p)
    assert mask.shape == shape
    assert mask.dtype == dtype
    kept = torch.tensor(1 / (1 - p), dtype=dtype)
    assert ((mask == 0) | (mask == kept)).all()
    if p == 0:
        assert (mask == 1).all()


@pytest.mark.parametrize("p", [0.02, 0.2, 0.5, 0.75])
def test_as_many_numbers_are_dropped_as_asked_for_and_none_depends_on_its_neighbours(
    p: float,
) -> None:
    torch.manual_seed(0)
    size = 400_000
    dropped = (dropout_mask(torch.empty(0), (size,), p) == 0).double()
    five_sigma = 5 * math.sqrt(p * (1 - p) / size)
    assert dropped.mean().item() == pytest.approx(p, abs=five_sigma)
    # Four numbers are made of one draw.
    for place in range(4):
        assert dropped[place::4].mean().item() == pytest.approx(p, abs=2 * five_sigma)
    for distance in (1, 2, 3, 4, 8):
        both = (dropped[distance:] * dropped[:-distance]).mean().item()
        pairs_sigma = math.sqrt(p**2 * (1 - p**2) / size)
        assert both == pytest.approx(p**2, abs=10 * pairs_sigma)


def test_masks_come_from_torchs_generator() -> None:
    torch.manual_seed(3)
    one, two = (dropout_mask(torch.empty(0), (5, 7), 0.5) for _ in range(2))
    assert not torch.equal(one, two)
    torch.manual_seed(3)
    assert torch.equal(dropout_mask(torch.empty(0), (5, 7), 0.5), one)


def test_one_mask_serves_all_steps_in_training_alone() -> None:
    inputs = torch.rand(6, 3, 50) + 1
    dropped = locked_dropout(inputs, 0.4, training=True)
    kept = dropped != 0
    assert (kept == kept[0]).all()
    assert 0 < kept[0].sum() < kept[0].numel()
    torch.testing.assert_close(dropped[kept], inputs[kept] / 0.6)
    for p, training in [(0.4, False), (0.0, True)]:
        assert locked_dropout(inputs, p, training) is inputs
