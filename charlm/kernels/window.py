"""A layer over a whole window: all its time steps, and the products between them, in one call.

A step is a function (part, n_parts, t, product, *arrays) of `cells.py`. Its rows are divided into
parts, as many as there can be threads, however many compute.
"""

from typing import Any

from charlm.kernels import cells
from charlm.kernels.jit import jit, jit_cached
from charlm.kernels.matmul import multiply_columns, multiply_rows
from charlm.kernels.team import run_in_team, wait_for_team


@jit
def forward_steps(step: Any, thread: int, n_threads: int, window: Any) -> None:
    """Each step takes the product of the state before it, x[t]. What a thread does of it.

    Args:
        step: a function of `cells.py`.
        window: n_parts, split_rows, barrier, x, panels, product, arrays:
        n_parts: into which rows and columns are divided.
        split_rows: each part computes the products of its own rows, and none waits for another;
            else each computes some columns of all products, reads as little of the matrix, and
            waits twice a step.
        barrier: an address, see `team.py`.
        x: (T + 1, B, K).
        panels: the packed matrix (K, N).
        product: (B, N) and padding, overwritten by each step.
        arrays: the rest of the step's.
    """
    n_parts, split_rows, barrier, x, panels, product, arrays = window
    if split_rows:
        for part in range(thread, n_parts, n_threads):
            for t in range(x.shape[0] - 1):
                multiply_rows(part, n_parts, x[t], panels, product)
                step(part, n_parts, t, product, *arrays)
        return
    for t in range(x.shape[0] - 1):
        for part in range(thread, n_parts, n_threads):
            multiply_columns(part, n_parts, x[t], panels, product)
        wait_for_team(barrier)
        for part in range(thread, n_parts, n_threads):
            step(part, n_parts, t, product, *arrays)
        wait_for_team(barrier)


@jit
def backward_steps(step: Any, thread: int, n_threads: int, window: Any) -> None:
    """From the last step to the first, each takes the product of what the one after it wrote, x[t].

    Args: as of `forward_steps`, but x is (T, B, K).
    """
    n_parts, split_rows, barrier, x, panels, product, arrays = window
    if split_rows:
        for part in range(thread, n_parts, n_threads):
            for t in range(x.shape[0] - 1, -1, -1):
                step(part, n_parts, t, product, *arrays)
                multiply_rows(part, n_parts, x[t], panels, product)
        return
    for t in range(x.shape[0] - 1, -1, -1):
        for part in range(thread, n_parts, n_threads):
            step(part, n_parts, t, product, *arrays)
        wait_for_team(barrier)
        for part in range(thread, n_parts, n_threads):
            multiply_columns(part, n_parts, x[t], panels, product)
        wait_for_team(barrier)


# For each function of `cells.py` what a thread does of a window, and what has a team do it: numba
# keeps for the next process what stands in a file, and nothing that another function makes.


@jit
def rnn_forward_thread(thread: int, n_threads: int, window: Any) -> None:
    forward_steps(cells.rnn_forward, thread, n_threads, window)


@jit_cached
def rnn_forward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, rnn_forward_thread, (window,))


@jit
def rnn_backward_thread(thread: int, n_threads: int, window: Any) -> None:
    backward_steps(cells.rnn_backward, thread, n_threads, window)


@jit_cached
def rnn_backward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, rnn_backward_thread, (window,))


@jit
def gru_forward_thread(thread: int, n_threads: int, window: Any) -> None:
    forward_steps(cells.gru_forward, thread, n_threads, window)


@jit_cached
def gru_forward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, gru_forward_thread, (window,))


@jit
def gru_backward_thread(thread: int, n_threads: int, window: Any) -> None:
    backward_steps(cells.gru_backward, thread, n_threads, window)


@jit_cached
def gru_backward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, gru_backward_thread, (window,))


@jit
def lstm_forward_thread(thread: int, n_threads: int, window: Any) -> None:
    forward_steps(cells.lstm_forward, thread, n_threads, window)


@jit_cached
def lstm_forward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, lstm_forward_thread, (window,))


@jit
def lstm_backward_thread(thread: int, n_threads: int, window: Any) -> None:
    backward_steps(cells.lstm_backward, thread, n_threads, window)


@jit_cached
def lstm_backward(team: int, n_threads: int, window: Any) -> None:
    run_in_team(team, n_threads, n_threads, lstm_backward_thread, (window,))


# The arithmetic of one step alone, where another library multiplies.


@jit_cached
def rnn_forward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.rnn_forward, step)


@jit_cached
def rnn_backward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.rnn_backward, step)


@jit_cached
def gru_forward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.gru_forward, step)


@jit_cached
def gru_backward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.gru_backward, step)


@jit_cached
def lstm_forward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.lstm_forward, step)


@jit_cached
def lstm_backward_step(team: int, n_threads: int, n_parts: int, step: Any) -> None:
    run_in_team(team, n_threads, n_parts, cells.lstm_backward, step)
