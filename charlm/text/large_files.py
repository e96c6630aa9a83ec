"""Opening texts that are too large to be held in memory."""

from collections.abc import Sequence
from dataclasses import replace

from charlm.errors import CorpusError
from charlm.machine.memory import available_memory, check_memory
from charlm.progress import ProgressCallback
from charlm.text.detection import AUTO, MisreadError, settle
from charlm.text.file_bytes import beginning_of, size_of
from charlm.text.large import LargeCorpus, largest_in_memory, read_large
from charlm.text.reading import Reading
from charlm.text.sources import Piece, files_of, name_of
from charlm.text.streaming import can_stream
from charlm.text.tokens import BYTES

# Bytes of memory that a byte of a text takes at least, where all of it is held there.
IN_MEMORY = 6
SMALLER = (
    "Name a smaller text: large ones are read in encodings such as utf-8, without --documents."
)


def called(labels: Sequence[str]) -> str:
    """What to call files in a sentence."""
    return f"'{labels[0]}'" if len(labels) == 1 else "The text"


def open_large(
    given: Sequence[str], reading: Reading, line_end: str, report: ProgressCallback | None
) -> LargeCorpus | None:
    """A text that is too large to be held in memory; None if it is not, or has to be.

    Args:
        reading: with the normalization.

    Raises:
        CorpusError: it cannot be read, or has to be held in memory and there is not enough.
    """
    files = files_of(given, report)
    size = sum(map(size_of, files or ()))
    if files is None or size <= largest_in_memory():
        return None
    told: tuple[str, ...] = ()
    if reading.encoding == AUTO and reading.units != BYTES:
        guess = settle((file.label, beginning_of(file)) for file in files)
        reading = replace(reading, encoding=guess.encoding)
        told = (guess.note(called([file.label for file in files])),)
    if reading.documents is not None or not (
        reading.units == BYTES or can_stream(reading.encoding)
    ):
        how = f"as {reading.encoding}" if reading.documents is None else "in documents"
        check_memory(f"Reading this text {how}", IN_MEMORY * size, available_memory(), SMALLER)
        return None
    labels = [Piece(file.label, b"", file.source) for file in files]
    name, normalization = name_of(list(given), labels), reading.normalization or "none"
    encoding = "utf-8" if reading.units == BYTES else reading.encoding
    try:
        corpus = read_large(name, files, encoding, normalization, reading.units, line_end, report)
    except MisreadError as error:
        if not told:
            raise
        begins = f"It begins as {encoding}, which is what --encoding auto goes by in a large text."
        raise CorpusError(error.message, f"{begins} {error.naming}.") from None
    corpus = replace(corpus, told=told)
    if not corpus.characters:
        raise nothing_left_error(corpus.name, normalization)
    return corpus


def nothing_left_error(name: str, normalization: str) -> CorpusError:
    """The error for a text of which a normalization leaves nothing."""
    return CorpusError(
        f"Nothing of {name} is left after the normalization '{normalization}'.",
        "Give another text, or have it read with --normalize none (train, vocab, corpus show).",
    )
