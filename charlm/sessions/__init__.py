"""From settings and data, or from a run that stopped, to a trained run. No task by name."""

__all__ = ["resume", "session", "start"]
