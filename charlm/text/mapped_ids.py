"""The ids of a large text: a sequence of which slices are read when they are needed."""

from typing import Any, overload

import numpy as np
import numpy.typing as npt

from charlm.text.code_file import CodeFile
from charlm.text.vocabulary import Ids


class MappedIds:
    """Ids of a span of a text whose codes are mapped, (tokens,).

    A slice is as lazy as the whole; `numpy.asarray` reads it, `astype` too, and an array of
    positions gives the ids there. Little of the map stays in memory (see `CodeFile`).

    Args:
        codes: the text.
        table: the id of each code, in the narrowest unsigned type.
        start, stop: the span.
    """

    def __init__(self, codes: CodeFile, table: Ids, start: int, stop: int) -> None:
        self.codes = codes
        self.table = table
        self.start = start
        self.stop = stop

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        return self.table.dtype

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, key: slice) -> "MappedIds": ...

    @overload
    def __getitem__(self, key: npt.NDArray[np.int64]) -> Ids: ...

    def __getitem__(self, key: slice | npt.NDArray[np.int64]) -> "MappedIds | Ids":
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                raise ValueError("ids are read one after another")
            begin = self.start + start
            return MappedIds(self.codes, self.table, begin, max(begin, self.start + stop))
        return self.table[self.codes.gather(key + self.start)]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        found = self.table[self.codes.read(self.start, self.stop)]
        return found if dtype is None else found.astype(dtype)

    def astype(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """All of the ids, as an array of another type."""
        return np.asarray(self).astype(dtype)


# Ids in memory, or in a map.
TokenIds = Ids | MappedIds
