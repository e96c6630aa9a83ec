"""What this computer offers: devices and their precisions, memory, threads, CUDA graphs.

Nothing here knows about models.
"""

__all__ = ["cuda_graphs", "device", "memory", "threads"]
