"""The folder of runs: the only reader and writer of what training leaves behind. No torch.

A run takes its name atomically and has one writer; whoever reads it takes no lock.
"""

__all__ = [
    "commands",
    "comparison",
    "deletion",
    "directory",
    "evaluation",
    "evaluation_text",
    "locks",
    "names",
    "record",
    "store",
    "texts",
]
