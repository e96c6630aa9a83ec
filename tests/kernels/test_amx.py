"""The products in bfloat16 that compiled code makes, against NumPy's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_compiled_code
from tolerances import rounding

needs_compiled_code()

from charlm.kernels import amx
from charlm.kernels.matmul import pack_tiles
from charlm.kernels.team import gomp_parallel
from charlm.rnn.backends.fused.buffers import array_of

WITH_TILES = pytest.mark.skipif(
    not amx.available(), reason="this processor has no tile registers for bfloat16"
)


def panels_of(matrix: torch.Tensor, parts: int = 1) -> np.ndarray:
    panels = np.full(amx.packed_shape(*matrix.shape), -1, dtype=np.int32)
    pack_tiles(gomp_parallel(), 2, parts, matrix.numpy(), panels)
    return panels


@WITH_TILES
@settings(deadline=None, max_examples=80)
@given(
    M=st.integers(1, 70),
    K=st.integers(1, 5).map(lambda tiles: 32 * tiles),
    N=st.integers(1, 7).map(lambda tiles: 16 * tiles),
    data=st.data(),
)
def test_a_product_is_numpys(M: int, K: int, N: int, data: st.DataObject) -> None:
    random = torch.Generator().manual_seed(M * 100_000 + K * 100 + N)
    # Some room between rows, as in a slice of a wider array.
    x = torch.randn(M, K + 8, generator=random).bfloat16()
    matrix = torch.rand(K, N, generator=random)
    first = data.draw(st.integers(0, M - 1))
    end = data.draw(st.integers(first + 1, M))
    product = np.full((M, N), 7, dtype=np.float32)
    amx.multiply(array_of(x)[:, :K], first, end, panels_of(matrix), product)
    exact = x[:, :K].double().numpy() @ matrix.bfloat16().double().numpy()
    # Each of K products and sums is rounded once or twice.
    sizes = x[:, :K].double().abs().numpy() @ matrix.bfloat16().double().numpy()
    allowed = rounding(torch.float32, 2 * K) * sizes
    assert (np.abs(product - exact) <= allowed)[first:end].all()
    # Other rows belong to other threads.
    assert (product[:first] == 7).all()
    assert (product[end:] == 7).all()


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("transposed", [True, False])
def test_panels_hold_pairs_of_rows_of_a_matrix_in_either_order(
    transposed: bool, parts: int
) -> None:
    K, N = 64, 48
    matrix = torch.randn(K, N)
    # Halves go to the even neighbour, and what is nearest to it keeps its sign.
    matrix[0, :4] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), -0.0])
    panels = panels_of(matrix.t().contiguous().t() if transposed else matrix, parts)
    rounded = matrix.bfloat16().view(torch.int16).numpy()
    halves = panels.view(np.int16).reshape(N // 16, K // 32, 16, 16, 2)
    for k in range(K):
        for n in range(N):
            assert halves[n // 16, k // 32, k % 32 // 2, n % 16, k % 2] == rounded[k, n]


def test_what_is_no_whole_number_of_tiles_does_not_fit() -> None:
    assert amx.fits(32, 16)
    assert amx.fits(768, 256)
    assert not amx.fits(16, 32)
    assert not amx.fits(32, 24)
