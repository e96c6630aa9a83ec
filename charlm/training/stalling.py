"""What follows when the held-out score gets no better: an average, a lower rate, the end.

All of it is counted in evaluations, in the trainer's counters, so that a run resumes in its midst.
"""

from charlm.config import TrainConfig
from charlm.training.state import Counters


def record_score(counters: Counters, config: TrainConfig, loss: float, own: float) -> bool:
    """Count an evaluation; whether its held-out loss is the lowest so far.

    A plateau is one of the weights themselves: an average of them may go on getting better at a
    rate at which they do not. Evaluations during warm-up say nothing of a rate that is yet to be
    reached, and count for no plateau.

    Args:
        loss: that of the best kind of weights.
        own: that of the weights themselves.
    """
    improved = counters.best is None or loss < counters.best
    counters.best = loss if improved else counters.best
    counters.stale = 0 if improved else counters.stale + 1
    if counters.own_best is None or own < counters.own_best:
        counters.own_best, counters.plateau = own, 0
    else:
        counters.plateau += counters.step > config.warmup_steps
    return improved


def is_out_of_patience(counters: Counters, config: TrainConfig) -> bool:
    """Whether so many evaluations brought nothing better that training ends."""
    return config.patience is not None and counters.stale >= config.patience


def start_average(counters: Counters, config: TrainConfig) -> bool:
    """Whether it is time to begin the plain average of the weights, which is then noted.

    What is scored from now on is another thing, so that everything is counted anew.
    """
    after = config.average_after
    if after is None or counters.averaging_since >= 0 or counters.stale < after:
        return False
    counters.averaging_since = counters.step
    counters.stale = counters.plateau = 0
    return True


def lower_rate(counters: Counters, config: TrainConfig) -> bool:
    """Whether it is time to lower the learning rate, which is then noted.

    As torch's ReduceLROnPlateau does with a threshold and an eps of 0, where its `patience` is one
    less: that counts the evaluations that are put up with.
    """
    if config.schedule != "plateau" or counters.plateau < config.plateau_patience:
        return False
    counters.plateau = 0
    before = plateau_rate(config, counters.reductions)
    if is_out_of_patience(counters, config) or before <= config.min_learning_rate:
        return False
    counters.reductions += 1
    return True


def plateau_rate(config: TrainConfig, reductions: int) -> float:
    """The learning rate after so many reductions, which ends at the least one."""
    rate = config.learning_rate * config.plateau_factor**reductions
    return max(rate, config.min_learning_rate)
