"""The folder of runs: the only reader and writer of what training leaves behind. No torch.

A run takes its name atomically and has one writer; whoever reads it takes no lock. What a run is
of, its task knows (`charlm.tasks`).
"""

__all__ = ["commands", "deletion", "directory", "locks", "names", "record", "store"]
