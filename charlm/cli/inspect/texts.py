"""The text that `charlm inspect` looks at: one in words, a file, or standard input."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli.completion import corpora_and_files
from charlm.cli.options import announce_standard_input
from charlm.text.catalog import CATALOG

if TYPE_CHECKING:
    from charlm.text.corpus import Source

# What nobody would write as a text, but as the name of a file that is not there.
ENDINGS = (".txt", ".md", ".csv", ".json", ".gz")


def announce(text: str | None) -> str | None:
    """As `announce_standard_input`, for an argument that is given once."""
    announce_standard_input(None if text is None else [text])
    return text


TextArgument = Annotated[
    str | None,
    typer.Argument(
        callback=announce,
        autocompletion=corpora_and_files,
        help="A text in words, a file, a folder, a catalog name, or - for standard input.",
        show_default="the run's own text, what of it was held out",
    ),
]


def source_of(text: str | None) -> "Source":
    """What an argument means: the name of a text if there is one of that name, else a text."""
    if text is None or text == "-" or text in CATALOG:
        return text
    try:
        named = bool(text) and Path(text).exists()
    except (OSError, ValueError):
        named = False
    if named or (text.endswith(ENDINGS) and not any(map(str.isspace, text))):
        return text
    from charlm.text.corpus import Corpus

    return Corpus.from_text(text)
