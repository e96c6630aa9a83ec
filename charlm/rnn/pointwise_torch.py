"""What `charlm.rnn.pointwise` compiles, in torch's own operations: any device, any type."""

import torch
from torch import Tensor


def rnn_forward(
    t: int, product: Tensor, table: Tensor, ids: Tensor, c_n: Tensor, h: Tensor, kept: Tensor
) -> None:
    torch.add(table[ids[t]], product, out=h[t + 1]).tanh_()


def rnn_backward(
    t: int,
    ids: Tensor,
    upper: Tensor,
    h: Tensor,
    kept: Tensor,
    dh: Tensor,
    sums: Tensor,
    d_table: Tensor,
) -> None:
    after = h[t + 1]
    torch.mul(dh.add_(upper[t]), 1 - after * after, out=sums[t])
    dh.zero_()
    d_table.index_add_(0, ids[t], sums[t])


def gru_forward(
    t: int, product: Tensor, table: Tensor, ids: Tensor, c_n: Tensor, h: Tensor, kept: Tensor
) -> None:
    H = h.shape[2]
    x = table[ids[t]]
    rz, n, q = kept[t].split_with_sizes([2 * H, H, H], dim=1)
    torch.add(x[:, : 2 * H], product[:, : 2 * H], out=rz).sigmoid_()
    torch.add(product[:, 2 * H :], c_n, out=q)
    torch.addcmul(x[:, 2 * H :], rz[:, :H], q, out=n).tanh_()
    torch.lerp(n, h[t], rz[:, H:], out=h[t + 1])


def gru_backward(
    t: int,
    ids: Tensor,
    upper: Tensor,
    h: Tensor,
    kept: Tensor,
    dh: Tensor,
    sums: Tensor,
    d_table: Tensor,
) -> None:
    r, z, n, q = kept[t].chunk(4, dim=1)
    d_r, d_z, d_q = sums[t].chunk(3, dim=1)
    dh.add_(upper[t])
    d_n = dh * (1 - z) * (1 - n * n)
    torch.mul(d_n, r, out=d_q)
    torch.mul(d_q, q * (1 - r), out=d_r)
    torch.mul(dh, (h[t] - n) * z * (1 - z), out=d_z)
    d_table.index_add_(0, ids[t], torch.cat([d_r, d_z, d_n], dim=1))
    dh.mul_(z)


def lstm_forward(
    t: int,
    product: Tensor,
    table: Tensor,
    ids: Tensor,
    c_n: Tensor,
    h: Tensor,
    kept: Tensor,
    C: Tensor,
) -> None:
    H = h.shape[2]
    gates, tanh_C = kept[t].split_with_sizes([4 * H, H], dim=1)
    i, f, g, o = torch.add(table[ids[t]], product, out=gates).chunk(4, dim=1)
    gates[:, : 2 * H].sigmoid_()
    g.tanh_()
    o.sigmoid_()
    torch.mul(f, C[t], out=C[t + 1]).addcmul_(i, g)
    torch.tanh(C[t + 1], out=tanh_C)
    torch.mul(o, tanh_C, out=h[t + 1])


def lstm_backward(
    t: int,
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
    i, f, g, o, tanh_C = kept[t].chunk(5, dim=1)
    d_i, d_f, d_g, d_o = sums[t].chunk(4, dim=1)
    dh.add_(upper[t])
    torch.mul(dh, tanh_C * o * (1 - o), out=d_o)
    dC.addcmul_(dh * o, 1 - tanh_C * tanh_C)
    torch.mul(dC, g * i * (1 - i), out=d_i)
    torch.mul(dC, i * (1 - g * g), out=d_g)
    torch.mul(dC, C[t] * f * (1 - f), out=d_f)
    dC.mul_(f)
    dh.zero_()
    d_table.index_add_(0, ids[t], sums[t])
