"""Runs on the disk, made by hand."""

from pathlib import Path

from charlm.runs.record import Record
from charlm.tasks.language_modeling.run import TEXT, VOCABULARY, LanguageModelRun
from charlm.text.vocabulary import Vocabulary


def create_run(
    folder: Path, record: Record, vocabulary: Vocabulary, text: str | None = None
) -> LanguageModelRun:
    """The run of a language model, with a copy of its text if that is given."""
    files = {VOCABULARY: vocabulary.to_json()} | ({} if text is None else {TEXT: text})
    return LanguageModelRun.create(folder, record, files)
