"""Recurrent layers: cells (the equations) and backends (who computes them).

A stack owns the weights in torch's layout; a backend is a function over one layer.
"""

__all__ = ["backends", "cells", "dropout", "model", "names", "stack", "weights"]
