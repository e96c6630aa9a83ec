"""The display of a training session while it runs."""

import re
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.progress import Task as ProgressTask
from rich.text import Text

from charlm.cli import console
from charlm.cli.bars import Pace, plain_line
from charlm.scoring.score import Figure
from charlm.sessions.session import Chosen, Illustrated, Notice, Prepared, SessionEvent
from charlm.tasks.registry import DEFAULT_TASK, find_task
from charlm.tasks.task import Task
from charlm.text.splits import count
from charlm.training.events import (
    Evaluated,
    Progressed,
    RateLowered,
    RolledBack,
    ThreadsChanged,
)

BAR = 10  # characters


class Remaining(ProgressColumn):
    """The figures right of the bar: the first ones, as many as the terminal has room for."""

    def render(self, task: ProgressTask) -> Text:
        figures: list[str] = task.fields["figures"]
        room = console.terminal(stderr=True).width - BAR - len("100%  ")
        while figures and sum(len(each) + 2 for each in figures) > room:
            figures = figures[:-1]
        return Text("  ".join(figures))


class TrainingDisplay:
    """Shows events on standard error: a live bar on a terminal, plain lines elsewhere.

    Args:
        quiet: show nothing but notices.
        on_start: called once the run is on disk, so that stopping can save it.
    """

    def __init__(self, quiet: bool, on_start: Callable[[], None]) -> None:
        self.quiet = quiet
        self.on_start = on_start
        self.console = console.terminal(stderr=True)
        self.live = console.is_live() and not quiet
        self.pace = Pace()
        self.headed = False
        self.task = find_task(DEFAULT_TASK)
        self.progress = Progress(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=BAR),
            Remaining(),
            console=self.console,
            transient=True,
            auto_refresh=False,
        )
        self.bar = self.progress.add_task("", total=1.0, figures=["starting"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            self.progress.stop()

    def downloading(self, received: int, total: int) -> None:
        """Show how much of a text is downloaded or prepared; a `report` for `open_corpus`."""
        if self.live:
            self.progress.start()
            share = received / total if total else 0.0
            figures = [f"getting the text, {received / 1e6:,.1f} MB"]
            self.progress.update(self.bar, completed=share, figures=figures, refresh=True)
        elif not self.quiet:
            self.pace.say(plain_line("Getting the text", "bytes", received, total))

    def show(self, event: SessionEvent) -> None:
        """Show one event."""
        if isinstance(event, Prepared):
            self.task, self.headed = event.task, False
            self.on_start()
        if isinstance(event, Notice):
            console.say(event.text)
        elif self.quiet:
            return
        elif isinstance(event, Chosen):
            console.say(Text(event.text, style="dim"))
        elif isinstance(event, Prepared):
            console.say(describe(event))
            if self.live:
                self.progress.start()
        elif isinstance(event, Progressed):
            self._progressed(event)
        elif isinstance(event, Evaluated):
            if not self.headed:
                console.say(evaluation_heading(event, self.task))
                self.headed = True
            console.say(evaluation_line(event, self.task))
        elif isinstance(event, Illustrated):
            shown = console.visible(re.sub("\n+", " ", event.text.strip("\n")))
            room = max(self.console.width - 9, 20) if self.console.is_terminal else None
            console.say(Text(" " * 9 + shown[:room], style="dim"))
        elif isinstance(event, ThreadsChanged):
            console.say(
                f"Going on with {event.threads} of {event.most} threads, the fastest at the moment."
            )
        elif isinstance(event, RateLowered):
            console.say(
                f"{count(event.after, 'evaluation')} without a better score: the learning rate "
                f"falls from {event.before:.2g} to {event.learning_rate:.2g}."
            )
        elif isinstance(event, RolledBack):
            console.say(
                f"Training diverged at step {event.from_step:,}: back to step {event.to_step:,}, "
                f"with the learning rate at {event.learning_rate:.2g}."
            )

    def _progressed(self, event: Progressed) -> None:
        values = self.task.figures_of_loss(event.loss)
        known = [each for each in self.task.score_type.figures if each.key in values]
        figures = [
            f"loss {event.loss:.3f}",
            *(f"{each.short} {console.number(values[each.key])}" for each in known),
            f"{event.items_per_second:,.0f} {self.task.item_short}/s",
        ]
        if event.seconds_left is not None:
            figures.append(f"{console.duration(event.seconds_left)} left")
        figures += [f"epoch {event.epoch + 1}", f"|g| {event.gradient_norm:.2f}"]
        if self.live:
            self.progress.update(self.bar, completed=event.progress, figures=figures, refresh=True)
        else:
            self.pace.say(f"step {event.step:,} {event.progress:.0%}  " + "  ".join(figures))


def describe(event: Prepared) -> str:
    """One line on what is trained, and on what."""
    record = event.run.record
    model, train = record.model, record.train
    layers = f"{model['num_layers']} × " if model["num_layers"] > 1 else ""
    start, stop = record.splits["train"]
    return (
        f"Training {event.run.name}: {model['cell']} {layers}{model['hidden_size']}, "
        f"{record.parameters:,} parameters, on {stop - start:,} {event.task.item}s; "
        f"{record.backend} backend, {train['precision']}, {record.device}."
    )


def evaluation_heading(event: Evaluated, task: Task) -> str:
    """The headings of the columns of `evaluation_line`."""
    figures = task.score_type.figures if event.score else ()
    titles = (f"{each.title:>{width(each)}}" for each in figures)
    columns = " ".join((f"{'step':>8} {'train':>7} {'held out':>9}", *titles))
    return f"{columns}  ({task.loss_title} per {task.item})"


def evaluation_line(event: Evaluated, task: Task) -> str:
    """One evaluation: step, training loss, held-out loss, and figures of the held-out score."""
    line = f"{event.step:>8,} {event.loss:>7.3f}"
    figures = task.score_type.figures
    if event.score is None:
        value = task.figures_of_loss(event.loss).get(task.train_figure)
        title = task.train_figure.replace("_", " ")
        training = "" if value is None else f"; training {title} {console.number(value)}"
        return f"{line}   (nothing held out{training})"
    values = event.score.to_json()
    columns = (f"{console.number(values[each.key]):>{width(each)}}" for each in figures)
    mark = "" if event.weights == "raw" else f"  ({event.weights} of the weights)"
    mark += "" if event.improved else "  (not better)"
    return " ".join((f"{line} {event.score.loss:>9.3f}", *columns)) + mark


def width(figure: Figure) -> int:
    """Width of a figure's column, in characters."""
    return max(9, len(figure.title) + 1)
