"""Products with a transposed matrix, and of many rows, against NumPy's."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_compiled_code
from tolerances import rounding

needs_compiled_code()

from charlm import kernels
from charlm.kernels import outer, peak, tiles
from charlm.kernels.team import gomp_parallel
from charlm.rnn.backends.fused.buffers import array_of

needs_pairs = pytest.mark.skipif(
    not kernels.multiplies_pairs(), reason="this processor multiplies no pairs of bfloat16"
)
NARROW = [False, pytest.param(True, marks=needs_pairs)]


def drawn(rows: int, columns: int, narrow: bool) -> tuple[torch.Tensor, Any]:
    """A matrix of float32, and what is left of it for the products, in float64."""
    matrix = torch.randn(rows, columns)
    return matrix, (matrix.bfloat16() if narrow else matrix).double().numpy()


def assert_is_product(product: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Each of K products and sums is rounded once or twice."""
    allowed = rounding(torch.float32, 2 * left.shape[1]) * (np.abs(left) @ np.abs(right))
    N = right.shape[1]
    assert (np.abs(product[:, :N] - left @ right) <= allowed).all()


@pytest.mark.parametrize("narrow", NARROW)
@pytest.mark.parametrize("rounds_first", [True, False])
@settings(deadline=None, max_examples=25)
@given(K=st.integers(1, 300), M=st.integers(1, 50), N=st.integers(1, 70), parts=st.integers(1, 3))
def test_a_product_with_a_transposed_matrix(
    narrow: bool, rounds_first: bool, K: int, M: int, N: int, parts: int
) -> None:
    torch.manual_seed(K)
    K = 2 * K if narrow else K
    (left, exact_left), (right, exact_right) = drawn(K, M, narrow), drawn(K, N, narrow)
    if narrow and rounds_first:
        left, right = left.bfloat16(), right.bfloat16()
    dtype = np.int32 if narrow else np.float32
    scratch = [np.full(each, 7, dtype) for each in kernels.scratch_shapes(M, N, parts)]
    product = np.full((M, tiles.padded_columns(N)), 7, np.float32)
    kernels.multiply_transposed(array_of(left), array_of(right), scratch, product, 2, parts)
    assert_is_product(product, exact_left.T, exact_right)


def test_pieces_are_summed_whatever_their_number() -> None:
    K, M, N = 3 * outer.DEPTH + 5, 9, 33
    torch.manual_seed(0)
    (left, exact_left), (right, exact_right) = drawn(K, M, False), drawn(K, N, False)
    scratch = [np.empty(each, np.float32) for each in kernels.scratch_shapes(M, N, 2)]
    product = np.empty((M, tiles.padded_columns(N)), np.float32)
    kernels.multiply_transposed(left.numpy(), right.numpy(), scratch, product, 2, 2)
    assert_is_product(product, exact_left.T, exact_right)


@pytest.mark.parametrize("narrow", NARROW)
@settings(deadline=None, max_examples=25)
@given(M=st.integers(1, 300), K=st.integers(1, 40), N=st.integers(1, 70), parts=st.integers(1, 3))
def test_a_product_of_many_rows(narrow: bool, M: int, K: int, N: int, parts: int) -> None:
    torch.manual_seed(M)
    K = 2 * K if narrow else K
    (x, exact_x), (matrix, exact_matrix) = drawn(M, K, narrow), drawn(K, N, narrow)
    panels = np.empty(kernels.packed_shape(K, N, narrow), np.int32 if narrow else np.float32)
    kernels.pack(matrix.numpy(), panels)
    product = np.full((M, tiles.padded_columns(N)), 7, np.float32)
    kernels.multiply(x.numpy(), panels, product, 2, parts)
    assert_is_product(product, exact_x, exact_matrix)
    assert not product[:, N:].any()


@pytest.mark.parametrize("narrow", NARROW)
@pytest.mark.parametrize("threads", [1, 2])
def test_what_measures_the_peak_multiplies_in_every_round(threads: int, narrow: bool) -> None:
    lanes = tiles.registers()[1]
    numbers = torch.stack([torch.linspace(-1, 1, lanes), torch.linspace(0.5, 2, lanes)])
    factors, product = numbers.numpy(), numbers.prod(0).numpy()
    if narrow:
        rounded = numbers.bfloat16()
        factors = rounded.repeat_interleave(2, dim=1).view(torch.int32).numpy()
        product = 2 * rounded.double().prod(0).numpy()
    sums = np.ones((threads, peak.sums_at_once() * lanes), np.float32)
    multiply = peak.multiply_pairs if narrow else peak.multiply_numbers
    multiply(gomp_parallel(), threads, 100, factors, sums)
    wanted = 1 + 100 * np.tile(product, (threads, peak.sums_at_once()))
    assert np.allclose(sums, wanted, rtol=100 * rounding(torch.float32, 1), atol=1e-3)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_peak_can_be_measured(bfloat16: bool) -> None:
    if not bfloat16 or kernels.has_bfloat16(32, 32):
        kernels.multiply_in_registers(1000, bfloat16, 2)
