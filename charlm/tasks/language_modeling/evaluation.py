"""Scores of a text by a run: the exact one, and those that also need the run's own text."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback
from charlm.scoring.adjusted import Calibrated, Dynamic, DynamicConfig, Mixed
from charlm.scoring.calibration import choose, cross_fit, score_with
from charlm.scoring.dynamic import CHARACTERS, dynamic_pieces, mean_squares
from charlm.scoring.exact import Surprise, log_probabilities, surprise_of_ids, totals
from charlm.scoring.large_results import EMPTY, LargeEvaluation
from charlm.scoring.results import Evaluation
from charlm.scoring.spelling import spelling_nats
from charlm.tasks.language_modeling.evaluation_text import (
    EvaluationText,
    check_choice,
    check_mixture,
    split_ids,
    split_progress,
    training_corpus,
)
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import AnyCorpus
from charlm.text.documents import with_line_ends
from charlm.text.large import LARGE_PART, LargeCorpus
from charlm.text.tokens import WORDS
from charlm.text.vocabulary import Ids

if TYPE_CHECKING:
    from charlm.mixing.mixture import Mixture


def evaluate(
    run: LanguageModelRun,
    make_model: Callable[[], LanguageModel],
    text: EvaluationText,
    dynamic: DynamicConfig | None,
    calibrate: bool,
    mix: bool,
    report: ProgressCallback,
    unknown: str = "replace",
) -> Evaluation:
    """Score a text as `charlm.Run.evaluate` describes.

    Args:
        make_model: loads the run's model; called once everything else is known to be there.
        dynamic: settings of dynamic evaluation; None leaves it out.
        mix: whether to score it also with what was read mixed in; see `charlm.mixing`.
        unknown: what was done about unknown tokens.

    Raises:
        UsageError: there is no text to choose a temperature on.
        RunError: the run's own text is needed but missing.
    """
    needing = (("--dynamic", dynamic is not None), ("--mix", mix), ("--calibrate", calibrate))
    options = [option for option, wanted in needing if wanted]
    if text.spelled is None and options:
        raise UsageError(
            f"{text} is too large for {options[0]}, which takes texts of up to {LARGE_PART:,} "
            f"{run.vocabulary.units}.",
            "Leave it out, or score a part of the text.",
        )
    if calibrate:
        check_choice(run, text)
    if mix:
        check_mixture(run, text)
    predicted = len(text.tokens) - 1
    stages = [predicted] * (1 + (dynamic is not None))
    if calibrate:
        stages += [0 if text.split == "val" else run.spans.size("val") - 1, predicted]
    reports = split_progress(report, stages)
    # The run's own text may be missing: find out before minutes of scoring.
    own = training_corpus(run, text, options[0]) if options else None
    model, vocabulary = make_model(), run.vocabulary
    mark = vocabulary.document_id
    if text.spelled is None and isinstance(text.corpus, LargeCorpus):
        return large(run, model, text.corpus, text, unknown, next(reports))
    ids = text.ids
    mixture = mixture_of(run, own) if mix and own else None
    with closing(log_probabilities(model, ids, report=next(reports))) as pieces:
        nats, mixed = surprises(pieces, ids, mixture)
    evaluation = Evaluation(
        corpus=text.corpus.name,
        split=text.split,
        text=with_line_ends(text.text),
        surprise=nats,
        mixed=mixed,
        unknown_characters=sum(text.unknown.values()),
        bytes_read=text.bytes_read,
        notes=text.notes,
        units=vocabulary.units,
        marks=np.flatnonzero(ids == mark) if mark else None,
        spelling=spelling(run, text, unknown),
    )
    if dynamic is not None and own:
        train = split_ids(run, own, "train")[: CHARACTERS + 1]
        squares = mean_squares(model, train, dynamic.window)
        following = dynamic_pieces(model, ids, squares, dynamic, next(reports))
        with closing(following) as pieces:
            nats, mixed = surprises(pieces, ids, mixture)
        evaluation = replace(evaluation, dynamic=Dynamic(nats, dynamic), mixed_dynamic=mixed)
    if calibrate and own:
        made = calibrated(run, model, text, own, next(reports), next(reports))
        evaluation = replace(evaluation, calibrated=made)
    return evaluation


def mixture_of(run: LanguageModelRun, own: AnyCorpus) -> "Mixture":
    """What is mixed with a run's network, with its training text counted.

    Args:
        own: the run's own text.
    """
    from charlm.mixing.mixture import Mixture  # which imports numba

    vocabulary = run.vocabulary
    return Mixture(len(vocabulary), [0], split_ids(run, own, "train"), vocabulary.document_id)


def surprises(
    pieces: Iterable[Tensor], ids: Ids, mixture: "Mixture | None"
) -> tuple[Surprise, Mixed | None]:
    """-ln p of each token after the first, by the log-probabilities alone, and mixed.

    Args:
        mixture: with which they are to be mixed, of the training text.
    """
    if mixture is None:
        return surprise_of_ids(pieces, ids), None
    from charlm.scoring.mixed import mixed_surprise  # which imports numba

    return mixed_surprise(pieces, ids, mixture)


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
