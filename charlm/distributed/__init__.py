"""One training by several processes. All that touches torch.distributed stands here.

A `World` is handed to whoever shares work: it says which part is this process's, and adds up what
all have found. A world of one process does nothing, and imports nothing.
"""

__all__ = ["launcher", "several", "world"]
