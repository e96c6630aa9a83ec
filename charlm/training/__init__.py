"""Truncated backpropagation through time, told as events; with rollback, resume, and no files.

The trainer is handed a task (`task.py`) and knows no text.
"""

__all__ = ["events", "learner", "optimization", "state", "task", "trainer"]
