"""The arithmetic between two matrix products of the fused backend, compiled by numba.

Each function does one time step of one cell, in place, row by row: short loops over few arrays
become vector instructions. So does a rational tanh, which the C library's does not. A call does one
part of the batch's rows; `charlm.rnn.fused.parallel` makes the others.

Arrays are float32; where products are made in bfloat16, `kept` and the factors, `rows` and `sums`,
are in that type, as its bits in uint16, and so is `product` if torch made it.
"""

from charlm.rnn.fused.kernels.gated import (
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from charlm.rnn.fused.kernels.linear import linear_backward, linear_forward
from charlm.rnn.fused.kernels.mogrifier import demogrify, mogrify
from charlm.rnn.fused.kernels.normalization import denormalize, normalize
from charlm.rnn.fused.kernels.panels import lay_out, lay_out_pairs, multiply_rows

__all__ = [
    "demogrify",
    "denormalize",
    "gru_backward",
    "gru_forward",
    "lay_out",
    "lay_out_pairs",
    "linear_backward",
    "linear_forward",
    "lstm_backward",
    "lstm_forward",
    "mogrify",
    "multiply_rows",
    "normalize",
    "rnn_backward",
    "rnn_forward",
]
