"""Training sessions: start a run or resume one, and train it to the end, whatever its task."""

__all__ = ["resume", "session", "start"]
