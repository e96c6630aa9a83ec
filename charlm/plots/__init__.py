"""Pictures: functions that draw numbers on matplotlib's axes, and pictures as files.

A function that draws takes axes and gives them back; it neither makes figures nor shows them.
"""

__all__ = [
    "comparison",
    "copying",
    "curves",
    "labels",
    "memory",
    "neurons",
    "numbers",
    "style",
]
