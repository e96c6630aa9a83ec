"""How a text is read."""

from dataclasses import dataclass

from charlm.text.tokens import CHARACTERS


@dataclass(frozen=True)
class Reading:
    """How a text is read.

    Args:
        normalization: name of the normalization; None: the text's own.
        encoding: how its bytes spell characters; "auto": as they seem to.
        units: "bytes": it is read as bytes, whatever they are; else as characters.
        documents: what stands between two documents, as in `charlm.text.documents`; None: it is not
            made of documents.
    """

    normalization: str | None = None
    encoding: str = "utf-8"
    units: str = CHARACTERS
    documents: str | None = None


AS_IT_COMES = Reading()
