"""Word vectors that were trained elsewhere, read from a text file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.files.paths import expanded
from charlm.text.vocabulary import UNKNOWN_ID, Vocabulary


def read_vectors(file: str, vocabulary: Vocabulary, size: int) -> npt.NDArray[np.float32]:
    """The vectors of a vocabulary's words, (V, size); NaN for those that the file lacks.

    A line is a word and its numbers, with blanks between them; a word may hold blanks itself, so
    the last `size` fields are the numbers. A first line of two numbers, how many and how long, is
    skipped. The file is read line by line, and only the rows that are needed are kept.

    Raises:
        CorpusError: it is not there, or no such file, or its vectors are of another size.
    """
    path = expanded(file)
    wanted = {word: number for number, word in enumerate(vocabulary.entries, 1)}
    vectors = np.full((len(vocabulary), size), np.nan, dtype=np.float32)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                take_line(line, number, path, wanted, vectors)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CorpusError(f"Cannot read '{file}': {reason}.", "Name a file of vectors.") from None
    return vectors


def take_line(
    line: bytes,
    number: int,
    path: Path,
    wanted: dict[str, int],
    vectors: npt.NDArray[np.float32],
) -> None:
    """Put a line's vector into its row, if its word is wanted."""
    size = vectors.shape[1]
    if b"\0" in line:
        raise CorpusError(
            f"'{path}' is binary: line {number:,} has a NUL.", "Give the vectors as a text file."
        )
    fields = line.rstrip().rsplit(b" ", size)
    if number == 1 and len(line.split()) == 2:
        return
    if len(fields) != size + 1 or (number < 3 and is_number(fields[0].split(b" ")[-1], fields)):
        raise CorpusError(
            f"'{path}' has no vector of {size} numbers in line {number:,}.",
            "Give --embedding-size the size of its vectors.",
        )
    row = wanted.get(fields[0].decode("utf-8", "replace"))
    if row is None:
        return
    try:
        vectors[row] = [float(each) for each in fields[1:]]
    except ValueError:
        raise CorpusError(
            f"'{path}' has no vector of {size} numbers in line {number:,}.",
            "Give --embedding-size the size of its vectors.",
        ) from None


def is_number(word: bytes, fields: list[bytes]) -> bool:
    """Whether what should be a word, or its last part, is one more number of a longer vector."""
    if b" " not in fields[0]:
        return False
    try:
        float(word)
    except ValueError:
        return False
    return True


def complete(
    vectors: npt.NDArray[np.float32], random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Vectors of which the missing ones are drawn, with the mean and spread of those found."""
    found = ~np.isnan(vectors[:, 0])
    known = vectors[found] if found.any() else np.zeros((1, vectors.shape[1]), np.float32)
    spread = known.std() if found.any() else 1.0
    drawn = random.normal(known.mean(), spread, vectors.shape).astype(np.float32)
    return np.where(found[:, None], vectors, drawn)


def count_found(vectors: npt.NDArray[np.float32]) -> int:
    """Of how many words there are vectors."""
    return int((~np.isnan(np.delete(vectors, UNKNOWN_ID, 0)[:, 0])).sum())
