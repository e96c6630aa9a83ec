"""The range coder, of the library constriction: whole numbers in, the fewest bits out.

An encoder and a decoder are called alike, so that what is coded, and in which order, is said once
for both: `code` takes the symbol and returns it; a decoder does not look at the symbol it is given.
"""

from importlib import import_module
from math import log2
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charlm.errors import CharlmError

WORD = np.dtype("<u4")
SLACK = 64  # bits that a coder may hold beyond the end of what was written


class CompressionError(CharlmError):
    """A file that cannot be compressed or decompressed."""


def damaged(problem: str) -> CompressionError:
    """The error for a compressed file that is not as it was written."""
    return CompressionError(
        f"The compressed text {problem}.", "Copy it again from where it came, or compress anew."
    )


def library() -> Any:
    """constriction's coders for streams.

    Raises:
        CompressionError: it is not installed.
    """
    try:
        return import_module("constriction").stream
    except ImportError:
        raise CompressionError(
            "Compressing needs the library constriction, charlm's extra 'compression', which is "
            "not installed.",
            "Install it: pip install 'constriction>=0.4'.",
        ) from None


class Coder(Protocol):
    """What an encoder and a decoder have in common."""

    def code(self, frequencies: npt.NDArray[Any], symbol: int) -> int:
        """Code a symbol, given the frequencies of all, (V,), at least 1, that add up to 2^24."""

    def code_uniform(self, size: int, symbol: int) -> int:
        """Code one of so many equally probable symbols."""


class Encoder:
    """Writes symbols."""

    def __init__(self) -> None:
        self.models = library().model
        self.encoder = library().queue.RangeEncoder()

    def code(self, frequencies: npt.NDArray[Any], symbol: int) -> int:
        self.encoder.encode(symbol, categorical(self.models, frequencies))
        return symbol

    def code_uniform(self, size: int, symbol: int) -> int:
        self.encoder.encode(symbol, self.models.Uniform(size))
        return symbol

    def written(self) -> bytes:
        """All that was coded."""
        return bytes(self.encoder.get_compressed().astype(WORD).tobytes())


class Decoder:
    """Reads what an encoder has written.

    Args:
        content: from `Encoder.written`.
    """

    def __init__(self, content: bytes) -> None:
        self.models = library().model
        words = np.frombuffer(content, WORD).astype(np.uint32)
        self.decoder = library().queue.RangeDecoder(words)
        self.bits_left = 8.0 * len(content) + SLACK

    def code(self, frequencies: npt.NDArray[Any], symbol: int) -> int:
        found = self._decode(categorical(self.models, frequencies))
        return self._spend(24 - log2(frequencies[found]), found)

    def code_uniform(self, size: int, symbol: int) -> int:
        return self._spend(log2(size), self._decode(self.models.Uniform(size)))

    def _decode(self, model: Any) -> int:
        try:
            return int(self.decoder.decode(model))
        except AssertionError:  # so it says that no symbol is written like this
            raise damaged("is damaged") from None

    def _spend(self, bits: float, found: int) -> int:
        """Count what a symbol took, so that nothing is read beyond the end."""
        self.bits_left -= bits
        if self.bits_left < 0:
            raise damaged("ends before its last character")
        return found


def categorical(models: Any, frequencies: npt.NDArray[Any]) -> Any:
    """constriction's model of these frequencies, to the last one.

    It gives each symbol 1 and divides the rest, 2^24 - V, in proportion to what it is handed. That
    adds up to the rest here, so that the factor is 1 and nothing is rounded.
    """
    return models.Categorical((frequencies - 1).astype(np.float64), lazy=True, perfect=False)
