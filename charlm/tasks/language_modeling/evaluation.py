"""Scores of a text by a run: the exact one, and those that also need the run's own text."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback
from charlm.scoring.adjusted import Calibrated, Dynamic, DynamicConfig
from charlm.scoring.calibration import choose, cross_fit, score_with
from charlm.scoring.dynamic import CHARACTERS, dynamic_surprise, mean_squares
from charlm.scoring.exact import surprise, totals
from charlm.scoring.large_results import EMPTY, LargeEvaluation
from charlm.scoring.results import Evaluation
from charlm.scoring.spelling import spelling_nats
from charlm.tasks.language_modeling.evaluation_text import (
    EvaluationText,
    check_choice,
    split_ids,
    split_progress,
    training_corpus,
)
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import AnyCorpus
from charlm.text.documents import with_line_ends
from charlm.text.large import LARGE_PART, LargeCorpus
from charlm.text.tokens import WORDS


def evaluate(
    run: LanguageModelRun,
    make_model: Callable[[], LanguageModel],
    text: EvaluationText,
    dynamic: DynamicConfig | None,
    calibrate: bool,
    report: ProgressCallback,
    unknown: str = "replace",
) -> Evaluation:
    """Score a text as `charlm.Run.evaluate` describes.

    Args:
        make_model: loads the run's model; called once everything else is known to be there.
        dynamic: settings of dynamic evaluation; None leaves it out.
        unknown: what was done about unknown tokens.

    Raises:
        UsageError: there is no text to choose a temperature on.
        RunError: the run's own text is needed but missing.
    """
    if text.spelled is None and (dynamic is not None or calibrate):
        raise UsageError(
            f"{text} is too large for {'--calibrate' if dynamic is None else '--dynamic'}, which "
            f"takes texts of up to {LARGE_PART:,} {run.vocabulary.units}.",
            "Leave it out, or score a part of the text.",
        )
    if calibrate:
        check_choice(run, text)
    predicted = len(text.tokens) - 1
    stages = [predicted] * (1 + (dynamic is not None))
    if calibrate:
        stages += [0 if text.split == "val" else run.spans.size("val") - 1, predicted]
    reports = split_progress(report, stages)
    # The run's own text may be missing: find out before minutes of scoring.
    needing = (("--dynamic", dynamic is not None), ("--calibrate", calibrate))
    own = [training_corpus(run, text, option) for option, wanted in needing if wanted]
    model, vocabulary = make_model(), run.vocabulary
    mark = vocabulary.document_id
    if text.spelled is None and isinstance(text.corpus, LargeCorpus):
        return large(run, model, text.corpus, text, unknown, next(reports))
    ids = text.ids
    evaluation = Evaluation(
        corpus=text.corpus.name,
        split=text.split,
        text=with_line_ends(text.text),
        surprise=surprise(model, ids, report=next(reports)),
        unknown_characters=sum(text.unknown.values()),
        bytes_read=text.bytes_read,
        notes=text.notes,
        units=vocabulary.units,
        marks=np.flatnonzero(ids == mark) if mark else None,
        spelling=spelling(run, text, unknown),
    )
    if dynamic is not None:
        train = split_ids(run, own[0], "train")[: CHARACTERS + 1]
        squares = mean_squares(model, train, dynamic.window)
        nats = dynamic_surprise(model, ids, squares, dynamic, next(reports))
        evaluation = replace(evaluation, dynamic=Dynamic(nats, dynamic))
    if calibrate:
        made = calibrated(run, model, text, own[-1], next(reports), next(reports))
        evaluation = replace(evaluation, calibrated=made)
    return evaluation


def large(
    run: LanguageModelRun,
    model: LanguageModel,
    corpus: LargeCorpus,
    text: EvaluationText,
    unknown: str,
    report: ProgressCallback,
) -> LargeEvaluation:
    """The exact score of a text that is too large to be held in memory."""
    start, stop = text.span
    return LargeEvaluation(
        corpus.name,
        text.split,
        "",
        EMPTY,
        sum(text.unknown.values()),
        text.bytes_read,
        notes=text.notes,
        units=run.vocabulary.units,
        spelling=spelling(run, text, unknown),
        nats=totals(model, text.tokens, report=report),
        characters_scored=corpus.characters_in(start + 1, stop),
        words_scored=corpus.words_in(start + 1, stop),
    )


def spelling(run: LanguageModelRun, text: EvaluationText, unknown: str) -> float:
    """Nats that it takes to spell the words of a text that a run lacks."""
    if run.vocabulary.units != WORDS or unknown == "skip" or not text.unknown:
        return 0.0
    lacking = (word for word, times in text.unknown.items() for _ in range(times))
    return spelling_nats(run.vocabulary, lacking)


def calibrated(
    run: LanguageModelRun,
    model: LanguageModel,
    text: EvaluationText,
    own: AnyCorpus,
    report_choice: ProgressCallback,
    report: ProgressCallback,
) -> Calibrated:
    """The score with the temperature and n-gram weight that are best on the validation split.

    If that split is what is scored, each half is scored with what is best on the other half.

    Args:
        own: the run's own text.
    """
    train, ids = split_ids(run, own, "train"), text.ids
    if text.own and text.split == "val":
        return cross_fit(model, ids, train, report)
    val = np.asarray(split_ids(run, own, "val"))
    choice = choose(model, val, train, report_choice)
    return score_with(model, ids, train, choice, report)
