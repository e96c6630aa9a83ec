"""The products that compiled code makes, against NumPy's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_compiled_code
from tolerances import rounding

needs_compiled_code()

from charlm.kernels import tiles
from charlm.kernels.matmul import pack
from charlm.kernels.team import gomp_parallel


def panels_of(matrix: np.ndarray) -> np.ndarray:
    K, N = matrix.shape
    panels = np.full(tiles.packed_shape(K, N), np.nan, dtype=np.float32)
    pack(0, 1, 1, matrix, panels)
    return panels


@settings(deadline=None, max_examples=60)
@given(
    M=st.integers(1, 30),
    K=st.integers(1, 70),
    N=st.integers(1, 100),
    data=st.data(),
)
def test_a_product_is_numpys(M: int, K: int, N: int, data: st.DataObject) -> None:
    random = np.random.default_rng(M * 10_000 + K * 100 + N)
    x, matrix = random.standard_normal((M, K), dtype=np.float32), random.random((K, N), np.float32)
    first = data.draw(st.integers(0, M))
    end = data.draw(st.integers(first, M))
    product = np.full((M, tiles.padded_columns(N)), 7, dtype=np.float32)
    tiles.multiply(x, first, end, panels_of(matrix), product)
    exact = x.astype(np.float64) @ matrix.astype(np.float64)
    # Each of K products and sums is rounded once or twice.
    allowed = rounding(torch.float32, 2 * K) * (np.abs(x).astype(np.float64) @ matrix)
    assert (np.abs(product[:, :N] - exact) <= allowed)[first:end].all()
    # Padding multiplies to nothing, and other rows belong to other threads.
    assert not product[first:end, N:].any()
    assert (product[:first] == 7).all()
    assert (product[end:] == 7).all()


@pytest.mark.parametrize("parts", [1, 3, 4])
def test_panels_hold_the_columns_of_a_matrix_in_either_order(parts: int) -> None:
    width = tiles.panel_width()
    matrix = np.random.default_rng(0).random((5, 2 * width + 3), np.float32)
    for each in (matrix, np.asfortranarray(matrix)):
        panels = np.full((3, 5, width), np.nan, dtype=np.float32)
        pack(gomp_parallel(), 2, parts, each, panels)
        columns = np.concatenate(list(panels), axis=1)
        assert (columns[:, : matrix.shape[1]] == matrix).all()
        assert not columns[:, matrix.shape[1] :].any()
