"""What numba compiles, apart from any cell."""

from typing import Any

import numpy as np
import pytest
from needs import needs_compiled_code

needs_compiled_code()

from charlm.rnn import compilation
from charlm.rnn.compilation import Ids
from charlm.rnn.fused import machine, parallel


@parallel.parallel
def count_calls(part: int, parts: int, rows: Ids, calls: Ids) -> None:
    for i in parallel.rows_of(part, parts, len(rows)):
        rows[i] += 1
    calls[part] += parts


@pytest.mark.parametrize("team", [0, machine.TEAM])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_every_part_is_done_once(team: int, parts: int) -> None:
    launch: Any = count_calls
    for size in (0, 1, 7, 64):
        rows, calls = np.zeros(size, dtype=np.int64), np.zeros(8, dtype=np.int64)
        for threads in (parts, 2, 1):
            rows[:], calls[:] = 0, 0
            launch.args[0](team, threads, parts, rows, calls)
            assert (rows == 1).all()
            assert (calls[:parts] == parts).all()
            assert not calls[parts:].any()


def test_the_rational_tanh_is_close_everywhere() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), [0.0, 1e-8, -1e30, 1e30]]).astype(np.float32)
    tanh = np.array([compilation.tanh(each) for each in x])
    # The fit is good to 3e-7, and then a dozen operations are rounded.
    allowed = 3e-7 + np.finfo(np.float32).eps
    assert np.abs(tanh - np.tanh(x.astype(np.float64))).max() < allowed
    assert np.abs(tanh).max() <= 1.0
