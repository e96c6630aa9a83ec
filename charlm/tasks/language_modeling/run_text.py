"""Finding the text of a run again, where it was or where it has moved."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from charlm.errors import CorpusError, RunError, SettingError
from charlm.runs.commands import run_command
from charlm.runs.recorded import recorded_sources
from charlm.tasks.language_modeling.run import TEXT, LanguageModelRun
from charlm.tasks.language_modeling.splitting import split_text
from charlm.text.corpus import AnyCorpus, Corpus, Source, open_corpus
from charlm.text.decoding import BytesRead
from charlm.text.large import LargeCorpus
from charlm.text.sources import STDIN
from charlm.text.splits import count
from charlm.text.tokens import BYTES


def find_run_corpus(run: LanguageModelRun) -> AnyCorpus:
    """Read the text that a run was trained on again, in the order in which it is split.

    Raises:
        RunError: the text is missing or has changed.
    """
    about = run.record.corpus
    encoding = run.settings.data.encoding
    another = run_command(run.path, "eval", "FILE", option="run")
    hint = f"Put it back, or name it: {run.resume_command} FILE, or score another: {another}"
    stored = run.text
    if stored is not None:
        spelled = BytesRead(encoding_of_copy(run))
        corpus: AnyCorpus = Corpus(
            about["name"],
            stored,
            about["normalization"],
            about["sha256"],
            bytes_read=spelled if about["lossless"] else None,
            is_bytes=run.text_config.units == BYTES,
        )
    else:
        try:
            if STDIN in about["source"]:
                raise CorpusError("It came from standard input, and there is no copy.")
            corpus = reopen(run, recorded_sources(run.path, about["source"]), encoding)
        except CorpusError as error:
            raise RunError(
                f"The text that '{run.name}' was trained on cannot be read: {error.message}", hint
            ) from None
    if not is_text_of_run(run, corpus):
        raise RunError(f"The text that '{run.name}' was trained on has changed since.", hint)
    return in_order_of_splits(run, corpus)


def in_order_of_splits(run: LanguageModelRun, corpus: AnyCorpus) -> AnyCorpus:
    """A run's own text as it is split: of documents, those to train on come first."""
    return split_text(corpus, run.text_config)[0]


def encoding_of_copy(run: LanguageModelRun) -> str:
    """The encoding that a stored copy of a run's text was read in."""
    if run.text_config.units == BYTES:
        return "latin-1"
    return run.text_config.encoding if run.record.corpus["source"] else "utf-8"


def reopen(
    run: LanguageModelRun, places: str | Path | Iterable[str | Path], encoding: str
) -> AnyCorpus:
    """Read a text, which may be the run's own, the way the run's text was read.

    Raises:
        CorpusError: the text cannot be read.
    """
    places = places if isinstance(places, str | Path) else list(places)
    read = replace(run.reading, encoding=encoding)
    corpus = open_corpus(places, read)
    one_file = isinstance(corpus, LargeCorpus) and len(corpus.files) == 1
    if is_text_of_run(run, corpus) or corpus.needs_copy or one_file:
        return corpus
    # The first versions put no line end between files that lack a final one.
    fused = open_corpus(places, read, line_end="")
    return fused if is_text_of_run(run, fused) else corpus


def is_text_of_run(run: LanguageModelRun, corpus: AnyCorpus) -> bool:
    """Whether a text, normalized as the run's was, is the one it was trained on."""
    about = run.record.corpus
    if not about["text_sha256"]:
        return bool(corpus.sha256 == about["sha256"])
    return bool(corpus.text_sha256 == about["text_sha256"])


def find_moved_corpus(run: LanguageModelRun, source: Source, encoding: str | None) -> AnyCorpus:
    """Read a run's text from a new place or in a new encoding, and note that in the run.

    Args:
        source: where the text is now; None: where it was.
        encoding: encoding of the text; None: as before.

    Raises:
        CorpusError: the text cannot be read.
        RunError: it is another text.
        SettingError: an encoding was given, but there is no file to decode.
    """
    about, data = run.record.corpus, run.settings.data
    normalization = about["normalization"]
    data = replace(data, encoding=encoding or data.encoding)
    if isinstance(source, Corpus | LargeCorpus):
        corpus: AnyCorpus = source.read_as(run.reading)
    else:
        if source is None and (not about["source"] or STDIN in about["source"]):
            raise SettingError("encoding", "is of no use: the run keeps its text as it was read.")
        named = recorded_sources(run.path, about["source"]) if source is None else source
        corpus = reopen(run, named, data.encoding)
    if not is_text_of_run(run, corpus):
        sizes = count(corpus.characters), count(about["characters"])
        differ = (
            f"it has {sizes[0]}, the run's {sizes[1]}" if len(set(sizes)) == 2 else "it differs"
        )
        given = describe_source(source, corpus)
        raise RunError(
            f"{given} is not the text that '{run.name}' was trained on: {differ} "
            f"after the normalization '{normalization}'.",
            "A run goes on with its own text only; to train on another one, start from the run: "
            f"{run_command(run.path, 'train', 'TEXT', option='init_from')}",
        )
    if corpus.needs_copy or run.text is not None:
        run.write_file(TEXT, corpus.text)
    found = {
        "source": list(corpus.source),
        "sha256": corpus.sha256,
        "characters_sha256": corpus.characters_sha256,
        "lossless": corpus.lossless,
    }
    data = replace(data, encoding=corpus.encoding)
    run.update(corpus={**about, **found}, data=data.to_json())
    return in_order_of_splits(run, corpus)


def describe_source(source: Source, corpus: AnyCorpus) -> str:
    """What to call a text in a message: as the user named it, if possible."""
    if isinstance(source, str | Path):
        return f"'{source}'"
    given = (
        []
        if source is None or isinstance(source, Corpus | LargeCorpus)
        else [str(each) for each in source]
    )
    return ", ".join(f"'{each}'" for each in given) or f"'{corpus.name}'"
