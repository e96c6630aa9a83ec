"""What this computer offers: devices, precisions, random generators, memory, threads, CUDA graphs.

Nothing here knows about models.
"""

__all__ = ["cuda_graphs", "device", "generators", "memory", "threads"]
