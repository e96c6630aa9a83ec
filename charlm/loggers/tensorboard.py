"""Logging to TensorBoard: event files in the run's folder, with which they are deleted."""

from collections.abc import Mapping
from typing import Any

from charlm.loggers.logger import Logger
from charlm.loggers.values import LoggedRun, as_code
from charlm.runs.commands import shell_quoted


class TensorBoard(Logger):
    """Logs by `torch.utils.tensorboard`."""

    name = library = "tensorboard"

    def start(self, run: LoggedRun) -> str:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        # Of a run that goes on, TensorBoard hides what was logged after the step it goes on from.
        after = run.step + 1 if run.step else None
        self.writer: Any = SummaryWriter(run.path, purge_step=after, flush_secs=10)
        metrics = dict.fromkeys(run.held_out, 0.0)
        *begin, self.end = hparams(run.settings, metrics)  # type: ignore[no-untyped-call]
        for summary in begin:
            self.writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        return f"To look at it: tensorboard --logdir {shell_quoted(str(run.path.parent))}"

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def show(self, text: str, step: int) -> None:
        self.writer.add_text("sample", as_code(text), step)

    def finish(self, status: str) -> None:
        self.writer.file_writer.add_summary(self.end)
        self.writer.close()
