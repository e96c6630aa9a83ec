"""The text to score with a run, and the run's own text, which some scores need too."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from charlm.errors import CorpusError, RunError, SettingError, UsageError, look_up
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_run_corpus, in_order_of_splits
from charlm.text.corpus import AnyCorpus, Corpus, Source, open_corpus, sha256_of
from charlm.text.large import LargeCorpus
from charlm.text.mapped_ids import TokenIds
from charlm.text.splits import Splits, count
from charlm.text.tokens import ITEMS
from charlm.text.vocabulary import POLICIES, Ids, Vocabulary, describe, lacking

# Number of characters by which the beginning of a text is recognized.
BEGINNING = 1000


@dataclass(frozen=True)
class EvaluationText:
    """A text to be scored.

    Args:
        corpus: the whole text that it is taken from.
        split: the part that is taken: "train", "val", "test" or "all".
        span: where that part lies, in tokens.
        own: whether `corpus` is the text that the run was trained on.
        spelled: what is scored, after normalization and the policy for unknown characters; of
            documents with their marks. None: it is too large to be held in memory.
        tokens: ids of what is scored, (tokens,), at least two.
        unknown: the tokens that the vocabulary lacks, with how often each occurs.
        bytes_read: size of the characters after the first, as they were read; None if unknown.
        notes: sentences to show along with the score.
    """

    corpus: AnyCorpus
    split: str
    span: tuple[int, int]
    own: bool
    spelled: str | None
    tokens: TokenIds
    unknown: Mapping[str, int]
    bytes_read: int | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.corpus.name} ({self.split})"

    @property
    def text(self) -> str:
        """What is scored; raises CorpusError if it is too large to be held in memory."""
        return self.corpus.text if self.spelled is None else self.spelled

    @property
    def ids(self) -> Ids:
        """`tokens` in memory; raises CorpusError if they are too many for that."""
        return np.asarray(self.tokens if self.text else ())


def find_evaluation_text(
    run: LanguageModelRun, source: Source, split: str | None, unknown: str, encoding: str | None
) -> EvaluationText:
    """Find and encode the text that `charlm.Run.evaluate` is to score, given its arguments.

    Raises:
        CharlmError: the text is missing, is too short or has changed.
    """
    corpus = read_corpus(run, source, encoding)
    own = source is None or is_training_text(corpus, run)
    if own and source is not None:
        same = corpus.text_sha256 == run.record.corpus["text_sha256"]
        corpus = in_order_of_splits(run, corpus) if same else find_run_corpus(run)
    if split not in (None, "all") and not own:
        raise SettingError("split", "is for the text that the run was trained on only.")
    split = split or (run.spans.held_out if own else "all")
    vocabulary = run.vocabulary
    units = vocabulary.units
    start, stop = (0, corpus.size(units)) if split == "all" else run.spans.span(split)
    fits = corpus.fits(start, stop)
    text = corpus.part(start, stop, units) if fits else None
    if text is None:
        ids, missing = encoded_large(corpus, vocabulary, start, stop, unknown)
    else:
        ids = vocabulary.encode(text, unknown)
        # Most texts have none, which the ids tell sooner.
        missing = vocabulary.unknown(text) if unknown == "skip" or not ids.all() else {}
    if len(ids) < 2:
        raise UsageError(
            f"{corpus.name} ({split}) has {count(len(ids), ITEMS[units])} to score.",
            "At least two are needed: one to read and one to predict.",
        )
    counted = corpus.bytes_of(start + 1, stop, units)
    if text is not None and unknown == "skip" and missing:
        text = "".join(each for each in vocabulary.split(text) if each in vocabulary)
    notes = () if source is None else (*corpus.notes, *overlap(run, corpus, own))
    span = start, stop
    return EvaluationText(corpus, split, span, own, text, ids, missing, counted, notes)


def encoded_large(
    corpus: AnyCorpus, vocabulary: Vocabulary, start: int, stop: int, unknown: str
) -> tuple[TokenIds, Mapping[str, int]]:
    """The ids of a span that is too large to be held in memory, and what the vocabulary lacks.

    Raises:
        UnknownCharacterError: there are unknown tokens and `unknown` is "error".
        UsageError: there are, and they are to be skipped.
    """
    look_up(POLICIES, unknown, "policy for unknown characters")
    missing = vocabulary.unknown_of(corpus.counts(vocabulary.units, start, stop))
    if missing and unknown == "error":
        raise lacking(missing)
    if missing and unknown == "skip":
        raise UsageError(
            f"{corpus.name} is too large to leave out what the vocabulary lacks: "
            f"{describe(missing)}.",
            "Use --unknown replace.",
        )
    return corpus.encode(vocabulary, start, stop), missing


def read_corpus(run: LanguageModelRun, source: Source, encoding: str | None) -> AnyCorpus:
    """Read a text as the run's own was normalized; None stands for the run's own.

    Raises:
        CharlmError: the text is missing or has changed, or there is nothing to decode.
    """
    if encoding is not None and (source is None or isinstance(source, Corpus | LargeCorpus)):
        whose = (
            "the run's own text is read as it was" if source is None else "this text is a string"
        )
        raise SettingError("encoding", f"is of a text that is named, and {whose}: leave it out.")
    if source is None:
        return find_run_corpus(run)
    if isinstance(source, Corpus | LargeCorpus):
        return source.read_as(run.reading)
    spelled = encoding or usual_encoding(run, source)
    return open_corpus(source, replace(run.reading, encoding=spelled))


def usual_encoding(run: LanguageModelRun, source: str | Path | Iterable[str | Path]) -> str:
    """The encoding of a text that nobody names: of files that a run was trained on, as then."""
    given = [source] if isinstance(source, str | Path) else source
    own = {str(each) for each in run.record.corpus["source"]}
    is_own = all(str(Path(each).absolute()) in own for each in given)
    return run.text_config.encoding if own and is_own else "utf-8"


def is_training_text(corpus: AnyCorpus, run: LanguageModelRun) -> bool:
    """Whether a text, read with the run's normalization, is the one that it was trained on.

    It is if its characters are the same, before or after normalization.
    """
    about = run.record.corpus
    if corpus.text_sha256 == about["text_sha256"]:
        return True
    # Runs of the first versions store a hash of the bytes, instead of the characters.
    name = "characters_sha256" if "characters_sha256" in about else "sha256"
    return bool(getattr(corpus, name) == about[name])


def beginning_sha256(corpus: AnyCorpus, splits: Splits) -> str:
    """Hash of a text's beginning, to recognize other texts that begin alike."""
    return sha256_of(corpus.beginning(min(BEGINNING, splits.size("train"))))


def overlap(run: LanguageModelRun, corpus: AnyCorpus, own: bool) -> Iterator[str]:
    """Say so if a text is not the run's own but begins like it."""
    known = run.record.corpus.get("beginning_sha256")
    if not own and beginning_sha256(corpus, run.spans) == known:
        yield (
            f"{corpus.name} begins as the text that '{run.name}' was trained on, but is another: "
            "it is scored as a whole, with what the run has seen of it."
        )


def training_corpus(run: LanguageModelRun, text_to_score: EvaluationText, option: str) -> AnyCorpus:
    """The text that the run was trained on, for a score that needs it.

    Args:
        option: the command-line option that asks for that score.

    Raises:
        RunError: the text is missing or has changed.
    """
    return text_to_score.corpus if text_to_score.own else own_corpus(run, option)


def own_corpus(run: LanguageModelRun, option: str) -> AnyCorpus:
    """The text that the run was trained on, for an option that needs it.

    Raises:
        RunError: the text is missing or has changed.
    """
    try:
        return find_run_corpus(run)
    except (CorpusError, RunError) as error:
        message = error.message
    raise RunError(message, f"{option} needs that text too: put it back, or leave out {option}.")


def split_ids(run: LanguageModelRun, corpus: AnyCorpus, split: str) -> TokenIds:
    """Ids of a split of the run's own text, (tokens,)."""
    return corpus.encode(run.vocabulary, *run.spans.span(split))


def check_choice(run: LanguageModelRun, text_to_score: EvaluationText) -> None:
    """Raise UsageError if calibration has too little text, or would score what it chooses on."""
    size = run.spans.size("val")
    if size < 3:
        raise UsageError(
            f"The validation split of '{run.name}' has {count(size)}: nothing to choose a "
            "temperature on.",
            "Train with a --val-fraction, or leave out --calibrate.",
        )
    if text_to_score.own and text_to_score.split == "all":
        raise UsageError(
            "All of the run's own text holds the validation split, on which --calibrate chooses.",
            "Name another split, or leave out --calibrate.",
        )


def check_mixture(run: LanguageModelRun, text_to_score: EvaluationText) -> None:
    """Raise UsageError if the text to score is in the one that the n-gram model counts."""
    if text_to_score.own and text_to_score.split in ("train", "all"):
        raise UsageError(
            f"--mix counts the training text of '{run.name}', which is what would be scored.",
            "Name another split or text, or leave out --mix.",
        )


def check_alike(one: LanguageModelRun, other: LanguageModelRun) -> None:
    """Raise UsageError unless both runs encode texts alike, so that they can be averaged."""
    problem = f"The runs '{one.name}' and '{other.name}' cannot be averaged:"
    for units in ("units", "documents"):
        ways = [getattr(each.reading, units) or "no documents" for each in (one, other)]
        if ways[0] != ways[1]:
            raise UsageError(f"{problem} one reads {ways[0]}, the other {ways[1]}.")
    forms = [each.normalization for each in (one, other)]
    if forms[0] != forms[1]:
        raise UsageError(f"{problem} their texts are normalized by '{forms[0]}' and '{forms[1]}'.")
    known = [frozenset(each.vocabulary.entries) for each in (one, other)]
    if known[0] != known[1]:
        odd = sorted(known[0] ^ known[1])
        raise UsageError(
            f"{problem} only one of their vocabularies has {describe(dict.fromkeys(odd, 1))}.",
            "Train them on the same text.",
        )


def check_same(
    one: LanguageModelRun,
    one_text: EvaluationText,
    other: LanguageModelRun,
    other_text: EvaluationText,
) -> None:
    """Raise UsageError unless both runs are about to score the same characters."""
    if one_text.text != other_text.text:
        raise UsageError(
            f"The runs '{one.name}' and '{other.name}' hold out different texts, {one_text} of "
            f"{count(len(one_text.text))} and {other_text} of {count(len(other_text.text))}.",
            "Name a text that none of them was trained on.",
        )


def split_progress(
    report: Callable[[int, int], None], sizes: Sequence[int]
) -> Iterator[Callable[[int, int], None]]:
    """Callbacks for several stages in turn, each reporting the progress of all stages together.

    Args:
        report: called with what is done and the total.
        sizes: amount of work in each stage.
    """
    total = sum(sizes)
    for stage in range(len(sizes)):

        def report_stage(done: int, of: int, before: int = sum(sizes[:stage])) -> None:
            report(before + done, total)

        yield report_stage
