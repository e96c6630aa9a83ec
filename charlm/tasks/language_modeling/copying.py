"""The texts of `charlm.Run.inspect.copying`: one to look at, and the run's own beside it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from charlm.config import SamplingConfig
from charlm.errors import RunError, SettingError, UsageError
from charlm.generation.sampler import chosen_seed
from charlm.progress import ProgressCallback
from charlm.tasks.language_modeling.evaluation_text import read_corpus
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_run_corpus
from charlm.tasks.language_modeling.writing import stream_samples
from charlm.tasks.relevance import sampling_config
from charlm.text.corpus import AnyCorpus, Source
from charlm.text.documents import readable

if TYPE_CHECKING:
    from charlm.inspection.copying import Copying

# Characters that a run writes to be looked at, unless told otherwise.
LENGTH = 20_000


def inspect_copying(
    run: LanguageModelRun,
    source: Source,
    encoding: str | None,
    report: ProgressCallback,
    sampling: dict[str, Any],
) -> "Copying":
    """What `run.inspect.copying` returns, whose arguments these are."""
    from charlm.inspection.copying import Copying, compare

    own, notes, units = own_text(run), tuple[str, ...](), run.vocabulary.units
    if source is None:
        if encoding is not None:
            raise SettingError("encoding", "is of a text that is named, and the run writes one.")
        text = written(run, sampling, report)
    else:
        for name in sampling:
            raise SettingError(name, "is of a text that the run writes, and one is given.")
        corpus = read_corpus(run, source, encoding)
        text, notes = (corpus.name, readable(corpus.text, units)), corpus.notes
    if not text[1]:
        raise UsageError(f"There is nothing in '{text[0]}' to look at.", "Give a longer text.")

    def part(split: str) -> str:
        return readable(run.spans.of_text(own.text, split, units), units)

    held_out, training = run.spans.held_out, part("train")
    texts = [text]
    if held_out != "train":
        texts.append((held_out, part(held_out)[: len(text[1])]))
    compared, *beside = compare(texts, training, report)
    return Copying(compared, beside[0] if beside else None, training, own.name, notes)


def own_text(run: LanguageModelRun) -> AnyCorpus:
    """The run's own text.

    Raises:
        RunError: it is missing or has changed.
    """
    try:
        return find_run_corpus(run)
    except RunError as error:
        hint = f"Copies are looked for in it: put it back, or name it: {run.resume_command} FILE"
        raise RunError(error.message, hint) from None


def written(
    run: LanguageModelRun, sampling: dict[str, Any], report: ProgressCallback
) -> tuple[str, str]:
    """A text that a run writes, after a name that says how."""
    sampling = {"length": LENGTH, "temperature": SamplingConfig.temperature, **sampling}
    config = sampling_config(**sampling)
    if config.num_samples > 1:
        raise SettingError("num_samples", "must be 1: one text is looked at.")
    if config.is_drawn:
        sampling["seed"] = chosen_seed(config)
        config = sampling_config(**sampling)
    how = ", ".join(f"{name} {value}" for name, value in sampling.items() if name != "length")
    pieces, done = list[str](), 0
    for text in stream_samples(run, replace(config, num_samples=documents_in(run, config.length))):
        for piece in (*text, "\n") if run.vocabulary.document_id else text:
            pieces.append(piece)
            done += len(piece)
            report(min(done, config.length), config.length)
    return f"written by the run, {how}", "".join(pieces)[: config.length]


def documents_in(run: LanguageModelRun, length: int) -> int:
    """How many documents have so many tokens, as they are in training; 1 of running text."""
    vocabulary = run.vocabulary
    if not vocabulary.document_id:
        return 1
    tokens, documents = sum(vocabulary.counts), vocabulary.counts[vocabulary.document_id - 1]
    return max(1, round(length * documents / tokens))
