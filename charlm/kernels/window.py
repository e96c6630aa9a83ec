"""A layer over a whole window in one call: all time steps, and the products between them.

A step is a function (part, n_parts, t, product, *arrays) of `cells.py`. The rows are divided into
as many parts as there can be threads, so results do not depend on how many threads compute.
"""

from typing import Any

from charlm.kernels import cells
from charlm.kernels.jit import jit, jit_cached
from charlm.kernels.matmul import multiply_columns, multiply_rows
from charlm.kernels.team import run_in_team, wait_for_team


@jit
def forward_steps(step: Any, thread: int, n_threads: int, window: Any) -> None:
    """Run one thread's share of a forward pass, where step t uses the product of x[t].

    Args:
        step: a function of `cells.py`, which writes x[t + 1].
        thread: the number of this thread.
        n_threads: how many compute.
        window: a tuple of the following.
        n_parts: how many parts the rows and columns are divided into.
        split_rows: whether each part computes the products of its own rows, so that none waits for
            another. Otherwise each part computes some columns of every product, which reads only
            that part of the matrix, and waits twice a step.
        barrier: an address, see `team.py`.
        x: (T + 1, B, K).
        panels: the packed matrix (K, N).
        product: (B, N) and padding, overwritten at each step.
        arrays: the other arguments of the step.
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
    """Run one thread's share of a backward pass, from the last step to the first.

    Step t writes x[t], whose product with the matrix step t - 1 uses. The arguments are those of
    `forward_steps`, except that x is (T, B, K).
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


# For each function of `cells.py`, one thread's share of a window, and its call in all threads. They
# are written out because numba does not cache functions that another function returns.


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


# The arithmetic of single steps, for products that another library computes.


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
