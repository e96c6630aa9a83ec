"""Which loggers there are, by the names that `--log-to` takes."""

from collections.abc import Sequence
from importlib.util import find_spec

from charlm.errors import UsageError, look_up
from charlm.loggers.logger import Logger
from charlm.loggers.mlflow import MLflow
from charlm.loggers.tensorboard import TensorBoard
from charlm.loggers.trackio import Trackio
from charlm.loggers.wandb import WeightsAndBiases

LOGGERS: dict[str, type[Logger]] = {
    each.name: each for each in (TensorBoard, WeightsAndBiases, MLflow, Trackio)
}
LogTo = str | Logger | Sequence[str | Logger] | None


def find_loggers(log_to: LogTo) -> tuple[Logger, ...]:
    """The loggers that are meant, one each.

    Args:
        log_to: a name, a logger, or several of these.

    Raises:
        UsageError: there is none of that name, or its library is not installed.
    """
    wanted = [log_to] if isinstance(log_to, str | Logger) else log_to or ()
    return tuple(
        make_logger(each) if isinstance(each, str) else each for each in dict.fromkeys(wanted)
    )


def make_logger(name: str) -> Logger:
    """The logger of this name.

    Raises:
        UsageError: there is none, or its library is not installed.
    """
    kind = look_up(LOGGERS, name, "logger")
    if find_spec(kind.library) is None:
        raise UsageError(
            f"Logging to {name} needs the package '{kind.library}', which is not installed.",
            f"Install it: pip install {kind.library}",
        )
    return kind()
