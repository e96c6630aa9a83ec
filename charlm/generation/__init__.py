"""Writing text: the sampling loop, the filters, and the engines that compute logits."""

__all__ = [
    "choice",
    "endings",
    "engine",
    "mixed_engine",
    "numpy_cells",
    "numpy_engine",
    "reading",
    "sampler",
    "sizes",
    "texts",
    "torch_engine",
]
