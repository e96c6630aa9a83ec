"""The report of a run: what it is, how it was trained, and what its task has to show."""

from collections.abc import Iterator, Sequence
from functools import partial

from charlm.errors import CharlmError
from charlm.plots.curves import draw_training, inches_for
from charlm.progress import ProgressCallback, ignore_progress
from charlm.report.page import page
from charlm.runs.directory import RunDirectory
from charlm.sections import Chapter, Draft, Grid, Part, Picture
from charlm.tasks.curves import training_curves
from charlm.tasks.overview import overview
from charlm.tasks.registry import load_model, task_of
from charlm.text.splits import count

# Of a setting's value, or a name, characters that are shown.
LONGEST = 300


def make_report(
    run: RunDirectory,
    device: str = "cpu",
    backend: str = "auto",
    report: ProgressCallback = ignore_progress,
) -> str:
    """A page of HTML in one file.

    What cannot be made, as where the run's text is gone, is a chapter that says so.

    Args:
        report: called with the number of chapters done and the total.
    """
    task = task_of(run)
    drafts = [
        Draft("Overview", partial(overview, run)),
        Draft("Data", partial(task.data_card, run)),
        Draft("Training", partial(training, run)),
        *task.chapters(run, lambda: load_model(run, device, backend)),
        Draft("Settings", partial(settings, run)),
    ]
    chapters = []
    for number, draft in enumerate(drafts):
        report(number, len(drafts))
        chapters.append(Chapter(draft.title, parts_of(draft)))
    report(len(drafts), len(drafts))
    record = run.record
    subtitle = f"charlm {record.charlm}, {record.created[:10]}"
    return page(f"Run {run.name}", subtitle, chapters)


def parts_of(draft: Draft) -> Sequence[Part]:
    """The parts of a chapter, or why there are none."""
    parts: list[Part] = []
    try:
        parts.extend(draft.make())
    except CharlmError as error:
        parts.append(f"This cannot be shown. {error}")
    return parts


def training(run: RunDirectory) -> Iterator[Part]:
    """How the loss fell, with the learning rate and the gradient norm."""
    curves = training_curves([run])
    rows = [row for row in run.metrics() if "step" in row]
    yield from curves.notes
    yield Picture(
        f"How it was trained: {count(len(rows), 'evaluation')}",
        f"From step {rows[0]['step']:,} to step {rows[-1]['step']:,}.",
        partial(draw_training, curves=curves),
        inches_for(curves),
    )


def settings(run: RunDirectory) -> Iterator[Part]:
    """All settings of the run."""
    record = run.record
    rows = [
        (group, name.replace("_", " "), str(value)[:LONGEST])
        for group, values in (
            ("data", record.data),
            ("model", record.model),
            ("training", record.train),
        )
        for name, value in values.items()
        if value is not None
    ]
    yield Grid(("of", "setting", "value"), rows, names=3)
