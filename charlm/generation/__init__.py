"""Writing text: the sampling loop, the filters, and the engines that compute logits."""

__all__ = [
    "choice",
    "engine",
    "numpy_engine",
    "sampler",
    "sizes",
    "torch_engine",
]
