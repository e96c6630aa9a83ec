"""Scoring one text with several runs together."""

from collections.abc import Sequence
from dataclasses import replace

from charlm.errors import UsageError
from charlm.progress import ProgressCallback, ignore_progress
from charlm.run import Run, Source
from charlm.scoring.adjusted import DynamicConfig
from charlm.scoring.results import Evaluation
from charlm.tasks.language_modeling.evaluation_text import (
    EvaluationText,
    check_alike,
    check_same,
    find_evaluation_text,
    split_progress,
)


def evaluate_together(
    runs: Sequence[Run],
    source: Source = None,
    *,
    split: str | None = None,
    unknown: str = "replace",
    encoding: str | None = None,
    device: str = "cpu",
    backend: str = "auto",
    dynamic: bool | DynamicConfig = False,
    report: ProgressCallback = ignore_progress,
) -> tuple[Evaluation, list[Evaluation]]:
    """Score one text with several runs, and with the average of their predictions.

    The average gives each character the mean of the runs' probabilities; with `dynamic`, those of
    dynamic evaluation are averaged too. The arguments are those of `Run.evaluate`.

    Returns:
        The evaluation of the average, and those of the runs.

    Raises:
        UsageError: two of the runs differ in their vocabularies, in their normalizations or in what
            they hold out.
        CharlmError: as in `Run.evaluate`.
    """
    from charlm.scoring.exact import averaged

    if not runs:
        raise UsageError("There is no run to score with.")
    first = runs[0].language
    texts: list[EvaluationText] = []
    for run in runs:
        check_alike(first, run.language)
        # The text is read for the first run only, since standard input can be read only once.
        read = bool(texts) and source is not None
        given = texts[0].corpus if read else source
        spelling = None if read else encoding
        texts.append(find_evaluation_text(run.language, given, split, unknown, spelling))
        check_same(first, texts[0], run.language, texts[-1])
    reports = split_progress(report, [(len(texts[0].tokens) - 1) * (1 + bool(dynamic))] * len(runs))
    members = [
        run.evaluate(
            text.corpus,
            split=text.split,
            unknown=unknown,
            device=device,
            backend=backend,
            dynamic=dynamic,
            report=each,
        )
        for run, text, each in zip(runs, texts, reports, strict=True)
    ]
    average = replace(members[0], surprise=averaged([each.surprise for each in members]))
    followed = [each.dynamic for each in members if each.dynamic]
    if followed:
        surprise = averaged([each.surprise for each in followed])
        average = replace(average, dynamic=replace(followed[0], surprise=surprise))
    return average, members
