"""Texts that are made of documents: many short, independent ones, such as names or recipes.

In such a text a mark stands before the first document, between any two, and after the last, so that
it begins and ends each of them.
"""

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from charlm.config import TextConfig
from charlm.errors import CorpusError, SettingError
from charlm.seeds import Stream, generator
from charlm.text.decoding import as_characters
from charlm.text.splits import Splits, count
from charlm.text.tokens import BYTES, DOCUMENT

LINES, BLANK_LINES, FILES = "lines", "blank-lines", "files"
# What stands for itself on a command line.
ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


def split_documents(text: str, kind: str, files: Sequence[int] = ()) -> list[str]:
    """The documents of a text, in order, none of them blank.

    Line ends at a document's ends are no part of it; of a line neither are blanks.

    Args:
        kind: "lines", "blank-lines", "files", or the separator that stands between two, in which
            \\\\n and \\\\t stand for a line end and a tab.
        files: where each file but the first begins.

    Raises:
        CorpusError: nothing stands between two documents.
        SettingError: the separator is empty.
    """
    if not kind:
        raise SettingError("documents", "cannot be empty: give lines, blank-lines or files.")
    if kind == LINES:
        found = [line.strip() for line in text.split("\n")]
    elif kind == BLANK_LINES:
        found = re.split(r"\n(?:[ \t\r]*\n)+", text)
    elif kind == FILES:
        bounds = [0, *files, len(text)]
        found = [text[a:b] for a, b in pairwise(bounds)]
    else:
        separator = re.sub(r"\\[nt\\]", lambda match: ESCAPES[match.group()], kind)
        if separator not in text:
            raise CorpusError(
                f"The text has no '{kind}' between its documents.",
                "Give lines, blank-lines, files, or a separator that stands in it.",
            )
        found = text.split(separator)
    return [each.strip("\n") for each in found if each.strip()]


def marked(documents: Sequence[str]) -> str:
    """One text of all documents, with the mark that begins and ends each."""
    return DOCUMENT + "".join(each + DOCUMENT for each in documents)


def documents_of(text: str) -> list[str]:
    """The documents of a marked text."""
    return text.split(DOCUMENT)[1:-1]


def with_line_ends(text: str) -> str:
    """A marked text to be shown: of as many characters, a line end in the place of each mark."""
    return text.replace(DOCUMENT, "\n")


def readable(text: str, units: str) -> str:
    """A text as people read it: bytes as the characters that they spell, marks as line ends."""
    shown = with_line_ends(text)
    return as_characters(shown) if units == BYTES else shown


def hold_out(text: str, config: TextConfig, size: Callable[[str], int]) -> tuple[str, Splits]:
    """Hold out whole documents of a marked text.

    They are drawn at random, the same ones for every seed of a run. Copies of a document are all in
    the same split, so that none that is held out was trained on. Within a split documents keep
    their order.

    Args:
        size: the number of units of a text.

    Returns:
        The text with the documents to train on first, then those of val and test; and the spans of
        these splits in units, each with the mark before its first document.

    Raises:
        CorpusError: there are too few documents.
    """
    documents = documents_of(text)
    distinct = list(dict.fromkeys(documents))
    sizes = shares(len(distinct), config)
    drawn = [distinct[i] for i in generator(0, Stream.DOCUMENTS).permutation(len(distinct))]
    test, val = set(drawn[: sizes["test"]]), set(drawn[sizes["test"] :][: sizes["val"]])
    parts = {
        "train": [each for each in documents if each not in test and each not in val],
        "val": [each for each in documents if each in val],
        "test": [each for each in documents if each in test],
    }
    for name, most in (("train", config.train_characters), ("val", config.val_characters)):
        parts[name] = beginning(parts[name], most or len(text), size)
    spans, start = {}, 0
    for name, part in parts.items():
        length = size("".join(each + DOCUMENT for each in part))
        spans[name] = (start, start + length + bool(part))
        start += length
    return marked([each for part in parts.values() for each in part]), Splits(**spans)


def shares(documents: int, config: TextConfig) -> dict[str, int]:
    """How many documents are held out for val and test: at least one of each that is asked for."""
    held_out = {"val": config.val_fraction, "test": config.test_fraction}
    needed = 1 + sum(bool(share) for share in held_out.values())
    if documents < needed:
        raise CorpusError(
            f"The text has {count(documents, 'document')} that differ; training needs at least "
            f"{needed}.",
            "Give a text of more documents, or divide it otherwise with --documents.",
        )
    sizes = {
        name: max(1, math.floor(Fraction(str(share)) * documents)) if share else 0
        for name, share in held_out.items()
    }
    if sum(sizes.values()) == documents:  # One is left to train on.
        sizes[max(sizes, key=lambda name: sizes[name])] -= 1
    return sizes


def beginning(documents: list[str], most: int, size: Callable[[str], int]) -> list[str]:
    """The first documents, of no more than so many units together, but at least one."""
    lengths = accumulate(size(each + DOCUMENT) for each in documents)
    fitting = sum(length <= most for length in lengths)
    return documents[: max(fitting, 1)]
