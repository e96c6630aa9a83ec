"""The arithmetic between two matrix products of the fused backend, compiled by numba.

Each function does one time step of one cell for the whole batch, in place, row by row: short loops
over few arrays become vector instructions. So does a rational tanh, which the C library's does not.

Arrays are float32, or bfloat16 as its bits in uint16 where products are made in that type: so are
`product`, which is read, and `rows` and `sums`, the factors of the next products, written.

Shapes:
    table (V, G·H), the input's share of every character; ids (T, B)
    product, forward (B, G·H): the recurrent product of the step; backward (B, H): what came back
        through that of the step after this one
    c_n (H), the bias that the gru's reset gate multiplies
    h, C (T + 1, B, H), entry t before step t
    rows (T + 1, B, H), h once more in the products' type; h itself if that is float32
    kept (T, B, S·H), what the backward pass needs
    upper (T, B, H), the gradient of the outputs
    dh, dC (B, H), what of the gradient of the step after this one bypassed the recurrent product,
        to be replaced by this step's
    sums (T, B, G·H), gradients of the recurrent products
    d_table (V, G·H), the gradient of the table, to be added to
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import overload

Array = npt.NDArray[np.float32]
Narrow = npt.NDArray[Any]  # float32, or bfloat16 as uint16
Ids = npt.NDArray[np.int64]
f32 = np.float32
HALF, ONE, ZERO = f32(0.5), f32(1.0), f32(0.0)
SIXTEEN, ODD, BELOW_HALF = np.uint32(16), np.uint32(1), np.uint32(0x7FFF)

# tanh x = x p(x²) / q(x²) to 3e-7 up to LIMIT, beyond which it is ±1: Eigen's rational fit.
LIMIT = f32(7.90531110763549805)
P0, P1, P2 = f32(4.89352455891786e-03), f32(6.37261928875436e-04), f32(1.48572235717979e-05)
P3, P4 = f32(5.12229709037114e-08), f32(-8.60467152213735e-11)
P5, P6 = f32(2.00018790482477e-13), f32(-2.76076847742355e-16)
Q0, Q1 = f32(4.89352518554385e-03), f32(2.26843463243900e-03)
Q2, Q3 = f32(1.18534705686654e-04), f32(1.19825839466702e-06)

# With Python's own rules for division by zero no loop with a quotient would vectorize.
RULES: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
OPTIONS: Any = RULES  # numba types them more narrowly
Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """Compile a function into those that call it."""
    return cast(Function, njit(**RULES, inline="always")(function))


def fast(function: Function) -> Function:
    """Compile a function when it is first called, and keep the result for the next process."""
    try:
        return cast(Function, njit(**RULES, cache=True)(function))
    except RuntimeError:
        # Neither this folder nor the user's can be written.
        return cast(Function, njit(**RULES)(function))


@inlined
def tanh(x: np.float32) -> np.float32:
    x = x if x < LIMIT else LIMIT
    x = x if x > -LIMIT else -LIMIT
    y = x * x
    p = x * (P0 + y * (P1 + y * (P2 + y * (P3 + y * (P4 + y * (P5 + y * P6))))))
    return p / (Q0 + y * (Q1 + y * (Q2 + y * Q3)))


@inlined
def sigmoid(x: np.float32) -> np.float32:
    return HALF * tanh(HALF * x) + HALF


def widen(x: Any) -> Any:
    """A number of either type, as float32."""
    return x


@overload(widen, jit_options=OPTIONS)
def widen_typed(x: Any) -> Callable[[Any], Any]:
    def same(x: Any) -> Any:
        return x

    def shifted(x: Any) -> Any:
        return np.uint32(np.uint32(x) << SIXTEEN).view(np.float32)

    return shifted if x == types.uint16 else same


def put(row: Any, to: Any) -> None:
    """Write a float32 row into one of either type."""
    to[:] = row


@overload(put, jit_options=OPTIONS)
def put_typed(row: Any, to: Any) -> Callable[[Any, Any], None]:
    def exactly(row: Any, to: Any) -> None:
        for j in range(row.shape[0]):
            to[j] = row[j]

    def rounded(row: Any, to: Any) -> None:
        # To the nearest, of two equally near to the even one.
        bits = row.view(np.uint32)
        for j in range(row.shape[0]):
            to[j] = np.uint16((bits[j] + BELOW_HALF + ((bits[j] >> SIXTEEN) & ODD)) >> SIXTEEN)

    return rounded if to.dtype == types.uint16 else exactly


@inlined
def add(row: Array, to: Array) -> None:
    for j in range(row.shape[0]):
        to[j] += row[j]


@inlined
def add_product(row: Narrow, to: Array) -> None:
    for j in range(row.shape[0]):
        to[j] += widen(row[j])


@fast
def rnn_forward(
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Array,
) -> None:
    B, H = product.shape[0], h.shape[2]
    for i in range(B):
        x, u, after = table[ids[t, i]], product[i], h[t + 1, i]
        for j in range(H):
            after[j] = tanh(x[j] + widen(u[j]))
        put(after, rows[t + 1, i])


@fast
def rnn_backward(
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Array,
    dh: Array,
    sums: Narrow,
    d_table: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    d = np.empty(H, dtype=np.float32)
    for i in range(B):
        after, above, later = h[t + 1, i], upper[t, i], dh[i]
        add_product(product[i], later)
        for j in range(H):
            d[j] = (above[j] + later[j]) * (ONE - after[j] * after[j])
            later[j] = ZERO
        put(d, sums[t, i])
        add(d, d_table[ids[t, i]])


@fast
def gru_forward(
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Array,
) -> None:
    B, H = product.shape[0], h.shape[2]
    for i in range(B):
        x, u, before, after, k = table[ids[t, i]], product[i], h[t, i], h[t + 1, i], kept[t, i]
        rz = k[: 2 * H]
        for j in range(2 * H):
            rz[j] = sigmoid(x[j] + widen(u[j]))
        r, z, n, q = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
        x_n, u_n = x[2 * H :], u[2 * H :]
        for j in range(H):
            q[j] = widen(u_n[j]) + c_n[j]
            n[j] = tanh(x_n[j] + r[j] * q[j])
            after[j] = n[j] + z[j] * (before[j] - n[j])
        put(after, rows[t + 1, i])


@fast
def gru_backward(
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Array,
    dh: Array,
    sums: Narrow,
    d_table: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    d = np.empty(3 * H, dtype=np.float32)
    d_r, d_z, d_q = d[:H], d[H : 2 * H], d[2 * H :]
    for i in range(B):
        before, above, later, k = h[t, i], upper[t, i], dh[i], kept[t, i]
        r, z, n, q = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
        add_product(product[i], later)
        for j in range(H):
            later[j] += above[j]
            d_z[j] = later[j] * (before[j] - n[j]) * z[j] * (ONE - z[j])
        # n's sum has one gradient on the input's side, and r times it on the recurrent one.
        for j in range(H):
            d_q[j] = later[j] * (ONE - z[j]) * (ONE - n[j] * n[j])
            later[j] *= z[j]
        into = d_table[ids[t, i]]
        add(d_q, into[2 * H :])
        for j in range(H):
            d_q[j] *= r[j]
            d_r[j] = d_q[j] * q[j] * (ONE - r[j])
        add(d[: 2 * H], into[: 2 * H])
        put(d, sums[t, i])


@fast
def lstm_forward(
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Array,
    C: Array,
) -> None:
    B, H = product.shape[0], h.shape[2]
    for i in range(B):
        x, u, after, k = table[ids[t, i]], product[i], h[t + 1, i], kept[t, i]
        C_before, C_after = C[t, i], C[t + 1, i]
        i_f, x_if, u_if = k[: 2 * H], x[: 2 * H], u[: 2 * H]
        for j in range(2 * H):
            i_f[j] = sigmoid(x_if[j] + widen(u_if[j]))
        g, x_g, u_g = k[2 * H : 3 * H], x[2 * H : 3 * H], u[2 * H : 3 * H]
        for j in range(H):
            g[j] = tanh(x_g[j] + widen(u_g[j]))
        o, x_o, u_o = k[3 * H : 4 * H], x[3 * H :], u[3 * H :]
        for j in range(H):
            o[j] = sigmoid(x_o[j] + widen(u_o[j]))
        in_, f, tanh_C = k[:H], k[H : 2 * H], k[4 * H :]
        for j in range(H):
            C_after[j] = f[j] * C_before[j] + in_[j] * g[j]
        for j in range(H):
            tanh_C[j] = tanh(C_after[j])
            after[j] = o[j] * tanh_C[j]
        put(after, rows[t + 1, i])


@fast
def lstm_backward(
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Array,
    dh: Array,
    sums: Narrow,
    d_table: Array,
    C: Array,
    dC: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    d = np.empty(4 * H, dtype=np.float32)
    d_i, d_f, d_g, d_o = d[:H], d[H : 2 * H], d[2 * H : 3 * H], d[3 * H :]
    for i in range(B):
        before, above, later, later_C = C[t, i], upper[t, i], dh[i], dC[i]
        k = kept[t, i]
        in_, f, g, o, tanh_C = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H : 4 * H], k[4 * H :]
        add_product(product[i], later)
        for j in range(H):
            later[j] = (later[j] + above[j]) * o[j]
            d_o[j] = later[j] * tanh_C[j] * (ONE - o[j])
        for j in range(H):
            later_C[j] += later[j] * (ONE - tanh_C[j] * tanh_C[j])
            later[j] = ZERO
        for j in range(H):
            d_i[j] = later_C[j] * g[j] * in_[j] * (ONE - in_[j])
        for j in range(H):
            d_g[j] = later_C[j] * in_[j] * (ONE - g[j] * g[j])
        for j in range(H):
            d_f[j] = later_C[j] * before[j] * f[j] * (ONE - f[j])
            later_C[j] *= f[j]
        put(d, sums[t, i])
        add(d, d_table[ids[t, i]])
