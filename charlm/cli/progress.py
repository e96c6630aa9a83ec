"""What a training session looks like while it runs."""

import math
import re
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from charlm.cli import console
from charlm.cli.bars import Pace, plainly
from charlm.scoring.score import Score
from charlm.sessions.session import Chosen, Notice, Prepared, Sampled, SessionEvent
from charlm.training.events import Evaluated, Progressed, RolledBack, ThreadsChanged

BAR = 10


class Remaining(ProgressColumn):
    """The figures right of the bar, the dearest first, as many as the terminal has room for."""

    def render(self, task: Task) -> Text:
        figures: list[str] = task.fields["figures"]
        room = console.terminal(stderr=True).width - BAR - len("100%  ")
        while figures and sum(len(each) + 2 for each in figures) > room:
            figures = figures[:-1]
        return Text("  ".join(figures))


class TrainingDisplay:
    """Shows events on standard error: a live bar on a terminal, plain lines elsewhere.

    Args:
        on_start: called once the run is on the disk, from when on stopping can save it.
    """

    def __init__(self, quiet: bool, on_start: Callable[[], None]) -> None:
        self.quiet = quiet
        self.on_start = on_start
        self.console = console.terminal(stderr=True)
        self.live = console.is_live() and not quiet
        self.pace = Pace()
        self.headed = False
        self.progress = Progress(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=BAR),
            Remaining(),
            console=self.console,
            transient=True,
            auto_refresh=False,
        )
        self.task = self.progress.add_task("", total=1.0, figures=["starting"])

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
        """A report of a download, for `open_corpus`."""
        if self.live:
            self.progress.start()
            share = received / total if total else 0.0
            figures = [f"downloading, {received / 1e6:,.1f} MB"]
            self.progress.update(self.task, completed=share, figures=figures, refresh=True)
        elif not self.quiet:
            self.pace.say(plainly("Downloading", "bytes", received, total))

    def show(self, event: SessionEvent) -> None:
        """Show one event."""
        if isinstance(event, Prepared):
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
                console.say(
                    f"{'step':>8} {'train':>7} {'held out':>9} {'perplexity':>11} {'bits':>6}"
                    "  (nats and bits per character)"
                )
                self.headed = True
            console.say(evaluation_line(event))
        elif isinstance(event, Sampled):
            sample = console.visible(re.sub("\n+", " ", event.text.strip("\n")))
            room = max(self.console.width - 9, 20) if self.console.is_terminal else None
            console.say(Text(" " * 9 + sample[:room], style="dim"))
        elif isinstance(event, ThreadsChanged):
            console.say(
                f"Going on with {event.threads} of {event.most} threads, the fastest at the moment."
            )
        elif isinstance(event, RolledBack):
            console.say(
                f"Training diverged at step {event.from_step:,}: back to step {event.to_step:,}, "
                f"with the learning rate at {event.learning_rate:.2g}."
            )

    def _progressed(self, event: Progressed) -> None:
        figures = [
            f"loss {event.loss:.3f}",
            f"ppl {console.number(Score(event.loss, 1).perplexity, 2)}",
            f"bpc {event.loss / math.log(2):.3f}",
            f"{event.items_per_second:,.0f} ch/s",
            *(
                []
                if event.seconds_left is None
                else [f"{console.duration(event.seconds_left)} left"]
            ),
            f"epoch {event.epoch + 1}",
            f"|g| {event.gradient_norm:.2f}",
        ]
        if self.live:
            self.progress.update(self.task, completed=event.progress, figures=figures, refresh=True)
        else:
            self.pace.say(f"step {event.step:,} {event.progress:.0%}  " + "  ".join(figures))


def describe(event: Prepared) -> str:
    """What is trained on what, in a line."""
    record = event.run.record
    model, train = record.model, record.train
    layers = f"{model['num_layers']} × " if model["num_layers"] > 1 else ""
    size = record.spans.size("train")
    return (
        f"Training {event.run.name}: {model['cell']} {layers}{model['hidden_size']}, "
        f"{record.parameters:,} parameters, on {size:,} characters; {record.backend} backend, "
        f"{train['precision']}, {record.device}."
    )


def evaluation_line(event: Evaluated) -> str:
    """Step, training loss, held-out loss, held-out perplexity and bits per character."""
    line = f"{event.step:>8,} {event.loss:>7.3f}"
    if event.score is None:
        perplexity = console.number(Score(event.loss, 1).perplexity)
        return f"{line}   (nothing held out; training perplexity {perplexity})"
    score = event.score
    mark = "" if event.weights == "raw" else f"  ({event.weights} of the weights)"
    mark += "" if event.improved else "  (not better)"
    return (
        f"{line} {score.nats_per_character:>9.3f} {console.number(score.perplexity):>11} "
        f"{score.bits_per_character:>6.3f}{mark}"
    )
