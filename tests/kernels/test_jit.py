"""What numba compiles, apart from any cell."""

from typing import Any

import numpy as np
import pytest
from needs import needs_compiled_code

needs_compiled_code()

from charlm.kernels import jit, team


@jit.jit
def count_calls(part: int, n_parts: int, rows: Any, calls: Any) -> None:
    for i in team.rows_of(part, n_parts, len(rows)):
        rows[i] += 1
    calls[part] += n_parts


@jit.jit
def launch(address: int, n_threads: int, n_parts: int, rows: Any, calls: Any) -> None:
    team.run_in_team(address, n_threads, n_parts, count_calls, (rows, calls))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_every_part_is_done_once(shared: bool, parts: int) -> None:
    for size in (0, 1, 7, 64):
        rows, calls = np.zeros(size, dtype=np.int64), np.zeros(8, dtype=np.int64)
        for threads in (parts, 2, 1):
            rows[:], calls[:] = 0, 0
            launch(team.gomp_parallel() if shared else 0, threads, parts, rows, calls)
            assert (rows == 1).all()
            assert (calls[:parts] == parts).all()
            assert not calls[parts:].any()


def test_the_rational_tanh_is_close_everywhere() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), [0.0, 1e-8, -1e30, 1e30]]).astype(np.float32)
    tanh = np.array([jit.tanh(each) for each in x])
    # The fit is good to 3e-7, and then a dozen operations are rounded.
    allowed = 3e-7 + np.finfo(np.float32).eps
    assert np.abs(tanh - np.tanh(x.astype(np.float64))).max() < allowed
    assert np.abs(tanh).max() <= 1.0
