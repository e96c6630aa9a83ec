"""From settings and a text, or from a run that stopped, to a trained run."""

__all__ = ["relevance", "resume", "session", "sizes", "start"]
