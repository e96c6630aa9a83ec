"""What `charlm.rnn.fused.kernels` compiles, in torch's own operations: any device, any type."""

import torch
from torch import Tensor

EPSILON = 1e-5  # torch's, of layer normalization


def shares(table: Tensor, ids: Tensor, t: int, B: int) -> Tensor:
    """A step's rows of the table."""
    return table[ids[t]] if len(ids) else table[t * B : (t + 1) * B]


def tell(d: Tensor, d_table: Tensor, ids: Tensor, t: int) -> None:
    """A step's gradient, to the table's."""
    if len(ids):
        d_table[0].index_add_(0, ids[t], d)
    elif len(d_table):
        d_table[0, t * len(d) : (t + 1) * len(d)] = d


def rnn_forward(
    t: int,
    product: Tensor,
    table: Tensor,
    ids: Tensor,
    c_n: Tensor,
    h: Tensor,
    rows: Tensor,
    kept: Tensor,
) -> None:
    torch.add(shares(table, ids, t, len(product)), product, out=h[t + 1]).tanh_()
    rows[t + 1] = h[t + 1]


def rnn_backward(
    t: int,
    product: Tensor,
    ids: Tensor,
    upper: Tensor,
    h: Tensor,
    kept: Tensor,
    dh: Tensor,
    sums: Tensor,
    d_table: Tensor,
) -> None:
    after = h[t + 1]
    d = dh.add_(product).add_(upper[t]) * (1 - after * after)
    dh.zero_()
    sums[t] = d
    tell(d, d_table, ids, t)


def gru_forward(
    t: int,
    product: Tensor,
    table: Tensor,
    ids: Tensor,
    c_n: Tensor,
    h: Tensor,
    rows: Tensor,
    kept: Tensor,
) -> None:
    H = h.shape[2]
    x = shares(table, ids, t, len(product))
    rz, n, q = kept[t].split_with_sizes([2 * H, H, H], dim=1)
    torch.add(x[:, : 2 * H], product[:, : 2 * H], out=rz).sigmoid_()
    torch.add(product[:, 2 * H :], c_n, out=q)
    torch.addcmul(x[:, 2 * H :], rz[:, :H], q, out=n).tanh_()
    torch.lerp(n, h[t], rz[:, H:], out=h[t + 1])
    rows[t + 1] = h[t + 1]


def gru_backward(
    t: int,
    product: Tensor,
    ids: Tensor,
    upper: Tensor,
    h: Tensor,
    kept: Tensor,
    dh: Tensor,
    sums: Tensor,
    d_table: Tensor,
) -> None:
    r, z, n, q = kept[t].chunk(4, dim=1)
    dh.add_(product).add_(upper[t])
    d_n = dh * (1 - z) * (1 - n * n)
    d_q = d_n * r
    d_r = d_q * q * (1 - r)
    d_z = dh * (h[t] - n) * z * (1 - z)
    sums[t] = torch.cat([d_r, d_z, d_q], dim=1)
    tell(torch.cat([d_r, d_z, d_n], dim=1), d_table, ids, t)
    dh.mul_(z)


def lstm_forward(
    t: int,
    product: Tensor,
    table: Tensor,
    ids: Tensor,
    c_n: Tensor,
    h: Tensor,
    rows: Tensor,
    kept: Tensor,
    C: Tensor,
) -> None:
    H = h.shape[2]
    gates = kept[t]
    i, f, g, o = torch.add(shares(table, ids, t, len(product)), product, out=gates).chunk(4, dim=1)
    gates[:, : 2 * H].sigmoid_()
    g.tanh_()
    o.sigmoid_()
    torch.mul(f, C[t], out=C[t + 1]).addcmul_(i, g)
    torch.mul(o, torch.tanh(C[t + 1]), out=h[t + 1])
    rows[t + 1] = h[t + 1]


def lstm_backward(
    t: int,
    product: Tensor,
    ids: Tensor,
    upper: Tensor,
    h: Tensor,
    kept: Tensor,
    dh: Tensor,
    sums: Tensor,
    d_table: Tensor,
    C: Tensor,
    dC: Tensor,
) -> None:
    i, f, g, o = kept[t].chunk(4, dim=1)
    tanh_C = torch.tanh(C[t + 1])
    dh.add_(product).add_(upper[t])
    d_o = dh * tanh_C * o * (1 - o)
    dC.addcmul_(dh * o, 1 - tanh_C * tanh_C)
    d_i, d_g, d_f = dC * g * i * (1 - i), dC * i * (1 - g * g), dC * C[t] * f * (1 - f)
    dC.mul_(f)
    dh.zero_()
    d = torch.cat([d_i, d_f, d_g, d_o], dim=1)
    sums[t] = d
    tell(d, d_table, ids, t)


def normalize(
    t: int, product: Tensor, gain: Tensor, normal: Tensor, scale: Tensor, result: Tensor
) -> None:
    x = product.to(normal.dtype)
    variance, mean = torch.var_mean(x, dim=1, correction=0)
    scale[t] = (variance + EPSILON).rsqrt()
    torch.mul(x - mean[:, None], scale[t, :, None], out=normal[t])
    torch.mul(normal[t], gain, out=result)


def denormalize(
    t: int,
    sums: Tensor,
    gain: Tensor,
    normal: Tensor,
    scale: Tensor,
    d_gain: Tensor,
    d_bias: Tensor,
) -> None:
    x, d = normal[t], sums.to(normal.dtype)
    d_bias[0] += d.sum(0)
    d_gain[0] += (d * x).sum(0)
    d = d * gain
    slope = (d * x).mean(1, keepdim=True)
    sums.copy_(scale[t, :, None] * (d - d.mean(1, keepdim=True) - slope * x))


def mogrify(t: int, product: Tensor, before: Tensor, gate: Tensor, after: Tensor) -> None:
    torch.mul(torch.sigmoid(product), 2, out=gate[t])
    torch.mul(gate[t], before[t], out=after[t])


def demogrify(t: int, d_after: Tensor, before: Tensor, gate: Tensor, d_sum: Tensor) -> None:
    d_after *= gate[t]
    d_sum[t] = d_after * before[t] * (1 - gate[t] / 2)


def linear_forward(a: Tensor, h: Tensor) -> None:
    for each, before, after in zip(a, h[:-1], h[1:], strict=True):
        after.addcmul_(each, before)


def linear_backward(a: Tensor, dh: Tensor) -> None:
    for each, before, after in reversed(list(zip(a, dh[:-1], dh[1:], strict=True))):
        before.addcmul_(each, after)
