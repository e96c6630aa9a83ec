"""What all the fused layers work with: compiled functions, memory and products."""

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from charlm.rnn import kernel_choice
from charlm.rnn.fused import kernels_torch
from charlm.threads import most_threads

COMPILED = kernel_choice.compiles()
ARRAY_TYPES = (torch.float32, torch.bfloat16, torch.int64)


def address(name: str) -> int:
    """Of a function of the OpenMP that torch has loaded, if it has loaded one; else 0."""
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


TEAM = address("GOMP_parallel")  # (function, argument, threads, flags)
BARRIER = address("GOMP_barrier")


def barrier() -> int:
    """The barrier's address, if a team surely has as many threads as it is asked for; else 0."""
    if not (TEAM and BARRIER):
        return 0
    openmp = ctypes.CDLL(None)
    limited = openmp.omp_get_thread_limit() < most_threads()
    return 0 if openmp.omp_get_dynamic() or openmp.omp_in_parallel() or limited else BARRIER


def compiled(name: str, *tensors: Tensor, parts: int = 1) -> Callable[..., None]:
    """A function over these tensors, compiled if possible.

    It takes what changes from call to call, if anything: the step, and a tensor.

    Args:
        parts: of its rows, to be shared among threads; see `parts_of`.
    """
    if not compiles(*tensors):
        function = getattr(kernels_torch, name)
        return lambda *changing: function(*changing, *tensors)
    from charlm.rnn.fused import kernels

    function = getattr(kernels, name)
    arrays = [array_of(each) for each in tensors]

    def call(*changing: Any) -> None:
        function(parts, *changing[:1], *map(array_of, changing[1:]), *arrays)

    return call


def sweep(name: str, x: Tensor, matrix: Tensor, *tensors: Tensor, parts: int) -> Tensor:
    """All steps of a compiled function, and the products between them, in one call.

    Args:
        x: what is multiplied at each step, (T or T + 1, B, K).
        matrix: with which, (K, N).
        parts: of the rows, as of `compiled`.

    Returns:
        The last product, (B, N).
    """
    from charlm.rnn.fused import kernels
    from charlm.rnn.tiles import padded

    N, B = matrix.shape[1], x.shape[1]
    panels = laid_out(matrix, x.dtype, parts)
    product = x.new_zeros(B, padded(N), dtype=torch.float32)
    step, arrays = getattr(kernels, name), map(array_of, (x, panels.tensor, product, *tensors))
    if parts > 1 and matrix.numel() * x.itemsize > NEAR and (wait := barrier()):
        step.together(min(parts, torch.get_num_threads()), parts, wait, *arrays)
    else:
        step.apart(parts, *arrays)
    return product[:, :N]


def laid_out(matrix: Tensor, dtype: torch.dtype, parts: int) -> "Lease":
    """A matrix (K, N) in the panels by which compiled code multiplies in this type."""
    from charlm.rnn import amx, tiles
    from charlm.rnn.fused import kernels

    if dtype == torch.bfloat16:
        panels = Lease(matrix, torch.int32, *amx.panels_shape(*matrix.shape))
        lay_out = kernels.lay_out_pairs
    else:
        panels = Lease(matrix, dtype, *tiles.panels_shape(*matrix.shape))
        lay_out = kernels.lay_out
    lay_out(parts, array_of(matrix), array_of(panels.tensor))
    return panels


def sweeps(U: Tensor, rows: Tensor, parts: int) -> bool:
    """Whether `sweep` is the faster way, if it is one.

    A matrix that the cache cannot hold is read from further away at every step. It is divided among
    the threads then, as torch's products have it; where that cannot be, only many rows make reading
    it worth it. Where torch has threads that cannot be shared, its products use them.

    Args:
        rows: what it is multiplied with, (…, B, H).
    """
    if not compiles(U, rows) or rows.dtype not in CACHED or threads_idle():
        return False
    if rows.dtype == torch.bfloat16 and not in_tiles(*U.shape):
        return False
    rows_of_each = rows.shape[-2] // parts
    cached = U.numel() <= CACHED[rows.dtype] * max(1, rows_of_each // 4)
    return cached or (parts > 1 and barrier() != 0)


def threads_idle() -> bool:
    """Whether torch has threads that compiled code cannot share."""
    return not TEAM and most_threads() > 1


def in_tiles(N: int, K: int) -> bool:
    """Whether compiled code multiplies by a matrix (N, K) in bfloat16; see `charlm.rnn.amx`."""
    if not COMPILED or threads_idle():
        return False
    from charlm.rnn import amx

    return amx.available() and amx.fits(K, N)


def compiles(*tensors: Tensor) -> bool:
    """Whether compiled code is to work on these."""
    arrays = all(each.device.type == "cpu" and each.dtype in ARRAY_TYPES for each in tensors)
    return COMPILED and arrays


def parts_of(rows: Tensor) -> int:
    """Into how many parts to divide rows (B, H) of a step: each must be worth a thread."""
    B = len(rows) if TEAM and compiles(rows) else 1
    return max(1, min(most_threads(), B, rows.numel() // WORTH_SHARING))


def product_type(U: Tensor) -> torch.dtype:
    """What to multiply in: autocast's type, if it is on."""
    device = U.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else U.dtype


def kept_type(products: torch.dtype, state: Tensor) -> torch.dtype:
    """Of what is kept for the way back: torch's own operations want the state's.

    It is most of what a step reads and writes, which takes as long as the arithmetic.
    """
    return products if compiles(state, state.new_empty(0, dtype=products)) else state.dtype


def array_of(tensor: Tensor) -> Any:
    """A tensor's memory as a NumPy array; bfloat16, which NumPy lacks, as its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class Lease:
    """Memory that is used again once the lease is gone: fresh pages cost more than the arithmetic.

    Args:
        like: a tensor of the wanted device, and of the wanted shape if none is given.
        dtype: if `like` has it and the shape, no memory is needed: `like` itself is passed on.
        shape: of the tensor.
    """

    SHAPES = 12  # that are remembered
    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(self, like: Tensor, dtype: torch.dtype, *shape: int) -> None:
        self.key = None
        self.tensor = like
        if shape or dtype != like.dtype:
            shape = shape or tuple(like.shape)
            self.key = (shape, dtype, like.device)
            waiting = self.free.get(self.key, [])
            self.tensor = waiting.pop() if waiting else like.new_empty(shape, dtype=dtype)

    def __del__(self) -> None:
        if self.key is not None:
            if self.key not in self.free and len(self.free) >= self.SHAPES:
                self.free.pop(next(iter(self.free)))
            self.free.setdefault(self.key, []).append(self.tensor)


def history(first: Tensor, steps: int) -> Lease:
    """Room for a state (B, H) before and after every step, (T + 1, B, H), beginning with it."""
    lease = Lease(first, first.dtype, steps + 1, *first.shape)
    lease.tensor[0] = first
    return lease


def multiplier(matrix: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """A product of x (rows, K) with a matrix (N, K), again and again; the last result may be lost.

    On the CPU oneDNN multiplies faster, up to twice as fast, with a matrix laid out for it, unless
    that is so small that its longer way to it costs more. Torch's compiler uses these functions;
    they are in no manual.
    """
    dtype = matrix.dtype
    if dtype == torch.bfloat16 and compiles(matrix) and in_tiles(*matrix.shape):
        return tiles_multiplier(matrix, rows)
    packs = matrix.device.type == "cpu" and dtype in PACKED_TYPES and rows > 1
    if packs and matrix.numel() >= WORTH_PACKING[dtype]:
        pack, multiply = torch.ops.mkldnn._reorder_linear_weight, torch.ops.mkldnn._linear_pointwise
        packed = pack(matrix.contiguous(), rows)
        return lambda x: multiply(x, packed, None, "none", [], "")
    transposed, out = matrix.t(), matrix.new_empty(rows, len(matrix))
    return lambda x: torch.mm(x, transposed, out=out)


def tiles_multiplier(matrix: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """The same in tiles, whose sums are float32; see `charlm.rnn.amx`."""
    from charlm.rnn.fused import kernels

    product = matrix.new_empty(rows, len(matrix), dtype=torch.float32)
    parts = parts_of(product)
    panels = laid_out(matrix.t(), matrix.dtype, parts)

    def multiply(x: Tensor) -> Tensor:
        # The panels' lease lasts as long as this function.
        kernels.multiply_rows(parts, *map(array_of, (x, panels.tensor, product)))
        return product

    return multiply


def packed_types() -> tuple[torch.dtype, ...]:
    """The types in which oneDNN is there to multiply."""
    operations = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch._C._has_mkldnn or not all(hasattr(operations, name) for name in names):
        return ()
    bf16 = operations._is_mkldnn_bf16_supported()
    return (torch.float32, torch.bfloat16) if bf16 else (torch.float32,)


PACKED_TYPES = packed_types()
CACHED = {torch.float32: 550_000, torch.bfloat16: 2_000_000}  # numbers, of a matrix
NEAR = 1_500_000  # bytes, of a matrix that every thread reads
WORTH_SHARING = 1000  # numbers, of a state
WORTH_PACKING = {torch.float32: 700_000, torch.bfloat16: 300_000}  # numbers, of a matrix
