"""Timing several functions in turns, in one process, by the median of several rounds."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TURN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Ratios above 1 mean faster. `share_of_limit` is the time of the limit, such as that of
    all products at the processor's peak, divided by the time of this row.
    """

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
    """Seconds per call of each contender: the median over rounds in which each has a turn.

    A turn is as many calls as fill TURN_SECONDS, since real work repeats the same step thousands of
    times: only the first call of a turn finds another contender's data in the caches. If another
    program slows the machine down for a round, it slows all contenders or the median ignores it.

    Args:
        wait: waits until the calls made so far are done, as on a GPU.
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
    """Mean seconds per call, over `times` calls in a row."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    wait()
    return (time.perf_counter() - start) / times
