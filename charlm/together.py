"""Several runs on one text, and their average."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from charlm.errors import UsageError
from charlm.passages import Passage, check_alike, check_same, find_passage, staged
from charlm.reports import Report, unheard
from charlm.run import Run
from charlm.scoring import Evaluation
from charlm.text.corpus import Source

if TYPE_CHECKING:
    from charlm.dynamic import DynamicConfig


def evaluate_together(
    runs: Sequence[Run],
    source: Source = None,
    *,
    split: str | None = None,
    unknown: str = "replace",
    encoding: str | None = None,
    device: str = "cpu",
    backend: str = "auto",
    dynamic: "bool | DynamicConfig" = False,
    report: Report = unheard,
) -> tuple[Evaluation, list[Evaluation]]:
    """The scores of several runs on one text, and before them that of their average.

    The average gives each character the mean of the runs' probabilities. With `dynamic` there are
    two of everything; the other arguments are those of `Run.evaluate`.

    Raises:
        UsageError: two of the runs differ in their vocabularies, in their normalizations or in what
            they hold out.
        CharlmError: as `Run.evaluate`.
    """
    from charlm.evaluation import averaged

    if not runs:
        raise UsageError("There is no run to score with.")
    first = runs[0].directory
    passages: list[Passage] = []
    for run in runs:
        check_alike(first, run.directory)
        # The first run's reading of the text is also the others': standard input is read once.
        read = bool(passages) and source is not None
        given = passages[0].corpus if read else source
        spelling = None if read else encoding
        passages.append(find_passage(run.directory, given, split, unknown, spelling))
        check_same(first, passages[0], run.directory, passages[-1])
    reports = staged(report, [(len(passages[0].ids) - 1) * (1 + bool(dynamic))] * len(runs))
    members = [
        run.evaluate(
            passage.corpus,
            split=passage.split,
            unknown=unknown,
            device=device,
            backend=backend,
            dynamic=dynamic,
            report=each,
        )
        for run, passage, each in zip(runs, passages, reports, strict=True)
    ]
    average = replace(members[0], surprise=averaged([each.surprise for each in members]))
    followed = [each.dynamic for each in members if each.dynamic]
    if followed:
        surprise = averaged([each.surprise for each in followed])
        average = replace(average, dynamic=replace(followed[0], surprise=surprise))
    return average, members
