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
from charlm.rnn.backends.fused.buffers import array_of

needs_pairs = pytest.mark.skipif(
    not tiles.multiplies_pairs(), reason="this processor multiplies no pairs of bfloat16"
)


def panels_of(matrix: np.ndarray, bfloat16: bool = False) -> np.ndarray:
    shape = tiles.packed_shape(*matrix.shape, bfloat16)
    panels = np.full(shape, -1 if bfloat16 else np.nan, dtype=np.int32 if bfloat16 else np.float32)
    pack(0, 1, 1, matrix, panels)
    return panels


def check_product(x: torch.Tensor, matrix: torch.Tensor, first: int, end: int) -> None:
    """Multiply rows `first` to `end` of x, which leaves the others as they are."""
    narrow = x.dtype == torch.bfloat16
    panels = panels_of(matrix.numpy(), narrow)
    product = np.full((len(x), tiles.padded_columns(matrix.shape[1])), 7, dtype=np.float32)
    tiles.multiply(array_of(x), first, end, panels, product)
    factors, weights = x.double().numpy(), matrix.to(x.dtype).double().numpy()
    # Each of K products and sums is rounded once or twice.
    (K, N), exact = matrix.shape, factors @ weights
    allowed = rounding(torch.float32, 2 * K) * (np.abs(factors) @ np.abs(weights))
    assert (np.abs(product[:, :N] - exact) <= allowed)[first:end].all()
    # Padding multiplies to nothing, and other rows belong to other threads.
    assert not product[first:end, N:].any()
    assert (product[:first] == 7).all()
    assert (product[end:] == 7).all()


@settings(deadline=None, max_examples=60)
@given(
    M=st.integers(1, 30),
    K=st.integers(1, 70),
    N=st.integers(1, 100),
    data=st.data(),
)
def test_a_product_is_numpys(M: int, K: int, N: int, data: st.DataObject) -> None:
    random = torch.Generator().manual_seed(M * 10_000 + K * 100 + N)
    first = data.draw(st.integers(0, M))
    end = data.draw(st.integers(first, M))
    # Some room between rows, as in a slice of a wider array.
    x = torch.randn(M, K + 3, generator=random)[:, :K]
    check_product(x, torch.rand(K, N, generator=random), first, end)


@needs_pairs
@settings(deadline=None, max_examples=60)
@given(
    M=st.integers(1, 30),
    K=st.integers(1, 40).map(lambda pairs: 2 * pairs),
    N=st.integers(1, 100),
    data=st.data(),
)
def test_so_is_one_of_pairs_of_bfloat16(M: int, K: int, N: int, data: st.DataObject) -> None:
    random = torch.Generator().manual_seed(M * 10_000 + K * 100 + N)
    first = data.draw(st.integers(0, M))
    end = data.draw(st.integers(first, M))
    x = torch.randn(M, K + 3, generator=random).bfloat16()[:, :K]
    check_product(x, torch.randn(K, N, generator=random), first, end)


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


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("transposed", [True, False])
def test_panels_of_bfloat16_hold_pairs_of_rows(transposed: bool, parts: int) -> None:
    width = tiles.panel_width()
    K, N = 134, width + 3
    matrix = torch.randn(K, N)
    # Halves go to the even neighbour, and what is nearest to it keeps its sign.
    matrix[0, :4] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), -0.0])
    panels = np.full(tiles.packed_shape(K, N, bfloat16=True), -1, dtype=np.int32)
    given = (matrix.t().contiguous().t() if transposed else matrix).numpy()
    pack(gomp_parallel(), 2, parts, given, panels)
    # (panel, pair, column, which of the pair) to (row, column)
    halves = panels.view(np.int16).reshape(*panels.shape, 2).transpose(1, 3, 0, 2)
    columns = halves.reshape(K, -1)
    assert (columns[:, :N] == matrix.bfloat16().view(torch.int16).numpy()).all()
    assert not columns[:, N:].any()
