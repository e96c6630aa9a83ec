"""Drawing text: the loop, the filters of a distribution, and the engines that compute logits."""

__all__ = [
    "choice",
    "engine",
    "numpy_engine",
    "sampler",
    "sizes",
    "torch_engine",
]
