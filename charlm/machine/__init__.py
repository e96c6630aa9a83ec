"""What this computer has: devices and their precision, memory, threads, CUDA graphs.

It knows nothing of models: it is asked what there is, and told what to do with it.
"""

__all__ = ["cuda_graphs", "device", "memory", "threads"]
