"""Contenders measured in turns, in one process, by the medians of several rounds."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


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


def in_turns(contenders: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds that a call of each takes: the median over the rounds, each calling all of them.

    A round in which another program had the machine slows all contenders alike, or is outvoted.
    """
    for warm_up in contenders.values():
        warm_up()
        warm_up()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}
