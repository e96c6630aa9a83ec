"""Documents that a run writes, without those that it has read and without repeats."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.generation.reading import Beginning
from charlm.progress import ProgressCallback
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_run_corpus
from charlm.text.documents import documents_of
from charlm.text.fragments import Notify
from charlm.text.tokens import DOCUMENT

# Documents that are drawn at most for each that is asked for.
MOST_TRIES = 64


class DrawsTexts(Protocol):
    """What `charlm.tasks.language_modeling.writing.Writer` is asked for."""

    run: LanguageModelRun
    notify: Notify

    def reached(self) -> Beginning:
        """What was read so far."""

    def drawn(self, config: SamplingConfig, report: ProgressCallback) -> Iterator[Iterator[str]]:
        """The pieces of each text."""


def chosen_documents(
    writer: DrawsTexts, config: SamplingConfig, report: ProgressCallback
) -> list[str]:
    """The first documents of those that are drawn that are novel, or no repeats, as is asked for.

    More are drawn until there are enough of them. A document is the same however many are drawn.
    Where there are too few, a sentence says so.
    """
    (context,) = writer.reached().contexts
    start = writer.run.vocabulary.decode(context).rpartition(DOCUMENT)[2]
    known = documents_read(writer.run) if config.novel else set()
    wanted = several = config.num_samples
    while True:
        texts = map("".join, writer.drawn(replace(config, num_samples=several), report))
        found = [each for each in texts if start + each not in known]
        found = list(dict.fromkeys(found)) if config.unique else found
        if len(found) >= wanted or several >= MOST_TRIES * wanted:
            break
        several *= 2
    if len(found) < wanted:
        asked = " and ".join(name for name in ("novel", "unique") if getattr(config, name))
        writer.notify(
            f"Of {several:,} documents only {len(found):,} are {asked}: a higher temperature may "
            "write more."
        )
    return found[:wanted]


def documents_read(run: LanguageModelRun) -> set[str]:
    """The documents that a run was trained on.

    Raises:
        RunError: its text is missing or has changed.
    """
    units = run.vocabulary.units
    return set(documents_of(run.spans.of_text(find_run_corpus(run).text, "train", units)))


def check_documents(run: LanguageModelRun, config: SamplingConfig) -> None:
    """Raise SettingError for what is of documents where a run writes none."""
    for name in ("novel", "unique"):
        if getattr(config, name) and not run.vocabulary.document_id:
            raise SettingError(
                name, "is of whole documents: name a run that was trained with --documents."
            )
