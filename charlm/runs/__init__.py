"""Runs on disk: all reading and writing of what training leaves behind. No torch here.

A run takes its name atomically and has one writer at a time; readers take no lock. What a run holds
besides settings, weights and metrics is up to its task (`charlm.tasks`).
"""

__all__ = ["commands", "deletion", "directory", "locks", "names", "record", "recorded", "store"]
