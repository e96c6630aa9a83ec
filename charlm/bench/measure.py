"""Contenders measured in turns, in one process, by the medians of several rounds."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TURN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measurement. Ratios above 1 are faster; the share is the limit's time over the row's."""

    cell: str
    precision: str
    batch_size: int
    seq_length: int
    hidden_size: int
    characters_per_second: float
    ratio_to_textbook: float
    ratio_to_torch: float
    share_of_limit: float


def in_turns(
    contenders: Mapping[str, Callable[[], None]],
    rounds: int,
    wait: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Seconds that a call of each takes: the median over rounds in which all have a turn.

    A turn is as many calls as fill TURN_SECONDS: a run takes thousands of steps on end, each
    finding the caches as the one before left them, and only the first of a turn finds another's
    numbers there. A round in which another program had the machine slows all contenders alike, or
    is outvoted.

    Args:
        wait: until what was called is done.
    """
    calls = {}
    for name, call in contenders.items():
        call()
        call()
        wait()
        calls[name] = max(1, round(TURN_SECONDS / timed(call, 1, wait)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            seconds[name].append(timed(call, calls[name], wait))
    return {name: statistics.median(each) for name, each in seconds.items()}


def timed(call: Callable[[], None], times: int, wait: Callable[[], None]) -> float:
    """Seconds that a call takes, the mean of several on end."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    wait()
    return (time.perf_counter() - start) / times
