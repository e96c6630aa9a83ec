"""Normalizing a text in pieces, with what is known of its characters on the way."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from charlm.text.coding import Points
from charlm.text.decoding import Positions, integers
from charlm.text.normalize_stream import STREAMED
from charlm.text.streaming import Piece
from charlm.text.vocabulary import code_points


class Normalizing:
    """Normalizes the pieces of a text, and hashes its characters before and after."""

    def __init__(self, name: str, pieces: Iterator[Piece]) -> None:
        self.given = pieces
        self.normalize = STREAMED[name]()
        self.before = hashlib.sha256()
        # Where nothing is normalized, both are the same.
        self.after = self.before if name == "none" else hashlib.sha256()
        self.changed = False
        self.characters = self.decoded = 0

    def pieces(self) -> Iterator[tuple[Points, Positions, Positions]]:
        """Code points, and which were read from more or fewer bytes: none once any was changed."""
        held, positions, extra = "", integers(), integers()
        for text, more, by in self.given:
            text, more, by = held + text, *shifted(len(held), positions, extra, more, by)
            stop = self.normalize.cut(text)
            now = int(more.searchsorted(stop))
            yield self._normalized(text[:stop], more[:now], by[:now])
            held, positions, extra = text[stop:], more[now:] - stop, by[now:]
        if held:
            yield self._normalized(held, positions, extra)

    def _normalized(
        self, text: str, positions: Positions, extra: Positions
    ) -> tuple[Points, Positions, Positions]:
        given = text.encode("utf-8", "surrogatepass")
        found = self.normalize.feed(text)
        spelled = found if isinstance(found, bytes) else given
        if found is not text:
            if isinstance(found, str):
                spelled = found.encode("utf-8", "surrogatepass")
            self.changed |= spelled != given
        self.before.update(given)
        if self.after is not self.before:
            self.after.update(spelled)
        self.decoded += len(text)
        self.characters += len(found)
        if self.changed:
            positions, extra = integers(), integers()
        if isinstance(found, str) and len(found) < len(spelled):
            return code_points(found), positions, extra
        return np.frombuffer(spelled, np.uint8), positions, extra

    def facts(self) -> dict[str, Any]:
        """Hashes and sizes, in characters before and after."""
        return {
            "characters_sha256": self.before.hexdigest(),
            "text_sha256": self.after.hexdigest(),
            "characters": self.characters,
            "decoded": self.decoded,
        }


def shifted(
    by: int, positions: Positions, extra: Positions, more: Positions, more_extra: Positions
) -> tuple[Positions, Positions]:
    """Positions of a held piece and of the one behind it, which begins at `by`."""
    if not len(positions) and not by:
        return more, more_extra
    return np.concatenate([positions, more + by]), np.concatenate([extra, more_extra])
