"""Recurrent layers: cells (the equations) and backends (implementations of a layer).

`RecurrentStack` owns the weights, in torch's layout. A backend runs one layer over a window, which
is T consecutive time steps of B independent streams.
"""

__all__ = ["backends", "cells", "dropout", "encoder", "model", "names", "stack", "weights"]
