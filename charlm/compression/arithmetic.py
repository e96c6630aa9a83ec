"""Arithmetic that gives the same bits on every machine, with any number of threads.

A decoder must find exactly the probabilities that the encoder had, and ordinary arithmetic does not
promise that: a library adds up a product in the order that suits the processor and its threads, and
has a tanh of its own. Here nothing is left to choose:

- The numbers of a matrix product are rounded to whole numbers so small that every sum of their
  products is below 2^53, and so exact in float64. Whatever the order, nothing is rounded.
- tanh, exp and log(1 + exp) are interpolated in tables, which are made with decimal arithmetic.
- All else is done element by element with operations that IEEE 754 defines to the last bit.
"""

from decimal import Context, Decimal
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Inputs of a product lie on a grid of 2^-22, up to 2^8; a column of weights adds up to 2^22.
INPUT_BITS, INPUT_RANGE, COLUMN_BITS = 22, 8, 22
# What IEEE 754 defines to the last bit, or is exact.
DEFINED = {
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.square,
    np.sqrt,
    np.negative,
    np.minimum,
}


class Table:
    """A function between the points of a table, by linear interpolation.

    Args:
        values: of the function at the multiples of 1/STEPS from `low` on, (points,). Beyond the
            ends it keeps the last value.
    """

    STEPS = 256

    def __init__(self, values: Floats, low: int) -> None:
        self.values, self.low, self.last = values, low, len(values) - 1
        self.slopes = np.append(np.diff(values), 0.0)

    def __call__(self, x: Floats) -> Floats:
        position = (x - self.low) * self.STEPS
        np.maximum(position, 0, out=position)
        np.minimum(position, self.last, out=position)
        index = position.astype(np.int64)
        position -= index
        position *= self.slopes.take(index)
        position += self.values.take(index)
        return position


@cache
def falling() -> Floats:
    """exp(-i / STEPS) for i from 0 on, down to exp(-20)."""
    exact = Context(prec=25)
    whole = [float(exact.exp(Decimal(-i))) for i in range(21)]
    parts = [float(exact.exp(Decimal(-i) / Table.STEPS)) for i in range(Table.STEPS)]
    return np.outer(whole, parts).ravel()[: 20 * Table.STEPS + 1]


@cache
def exp_table() -> Table:
    """exp from -20 to 0."""
    return Table(falling()[::-1].copy(), low=-20)


@cache
def tanh_table() -> Table:
    """tanh from -10 to 10."""
    squares = falling()[::2]  # exp(-2 x) for each x of the table
    positive = (1 - squares) / (1 + squares)
    return Table(np.concatenate([-positive[:0:-1], positive]), low=-10)


@cache
def log1p_exp_table() -> Table:
    """log(1 + exp(x)) from -20 to 0."""
    exact = Context(prec=25)
    values = [float(exact.ln(1 + Decimal(float(each)))) for each in falling()[::-1]]
    return Table(np.array(values), low=-20)


class Reproducible(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 array whose arithmetic is that of this module.

    An engine's own code computes with it, so that the equations of the cells are not written again.
    What might differ between machines is refused: other operations, and ordinary arrays beside it.
    """

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> "Reproducible":
        """A copy of an array."""
        return np.array(array, dtype=np.float64).view(cls)

    @property
    def plain(self) -> Floats:
        """The same memory as an ordinary array."""
        return self.view(np.ndarray)

    @cached_property
    def whole(self) -> tuple[Floats, float]:
        """Whole numbers for a matrix of weights (K, N), and what a 1 among them stands for."""
        exponent = int(np.frexp(np.abs(self.plain).max(initial=0.0))[1])
        fine = np.rint(np.ldexp(self.plain, 30 - exponent))
        largest = int(np.abs(fine).astype(np.int64).sum(axis=0).max(initial=0))
        shift = max(0, largest.bit_length() - COLUMN_BITS)
        rounded = np.rint(np.ldexp(fine, -shift))
        return np.ascontiguousarray(rounded), 2.0 ** (shift + exponent - 30)

    def dot(self, weights: "Reproducible") -> "Reproducible":  # type: ignore[override]
        """The product of inputs (N, K) and weights (K, M): rounded whole numbers, added exactly."""
        matrix, unit = weights.whole
        inputs = self.plain * 2.0**INPUT_BITS
        np.rint(inputs, out=inputs)
        np.maximum(inputs, -(2.0 ** (INPUT_BITS + INPUT_RANGE)), out=inputs)
        np.minimum(inputs, 2.0 ** (INPUT_BITS + INPUT_RANGE), out=inputs)
        product: Floats = inputs.dot(matrix)
        product *= unit * 2.0**-INPUT_BITS
        return product.view(Reproducible)

    def mean(self, **options: Any) -> "Reproducible":  # type: ignore[override]
        """The mean of each row, (N, 1): a sum of whole numbers below 2^36."""
        rows = self.plain
        _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True))
        sums = np.rint(np.ldexp(rows, 36 - exponents)).sum(axis=1, keepdims=True)
        means: Floats = np.ldexp(sums, exponents - 36) / rows.shape[1]
        return means.view(Reproducible)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> "Reproducible":
        """Compute an operation of NumPy; TypeError if machines might differ in it."""
        if ufunc is np.matmul:
            return inputs[0].dot(inputs[1])  # type: ignore[no-any-return]
        given: list[Any] = []
        for each in inputs:
            if isinstance(each, np.ndarray) and not isinstance(each, Reproducible):
                raise TypeError(f"{ufunc.__name__} beside an ordinary array")
            given.append(each.view(np.ndarray) if isinstance(each, Reproducible) else each)
        if method != "__call__" or options:
            raise TypeError(f"{ufunc.__name__}, called like this, may differ between machines")
        found = compute(ufunc, given, None if out is None else out[0].plain)
        return found.view(Reproducible) if out is None else out[0]


def compute(ufunc: np.ufunc, given: list[Any], out: Floats | None) -> Floats:
    """An operation on ordinary arrays; TypeError if machines might differ in it."""
    if ufunc in DEFINED:
        return ufunc(*given, out=out)  # type: ignore[no-any-return]
    if ufunc is np.tanh:
        found = tanh_table()(given[0])
    elif ufunc is np.logaddexp:
        found = np.maximum(*given) + log1p_exp_table()(-np.abs(np.subtract(*given)))
    else:
        raise TypeError(f"{ufunc.__name__} may differ between machines")
    if out is not None:
        out[...] = found
    return found
