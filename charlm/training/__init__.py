"""The training loop: truncated backpropagation through time, with rollback and resuming.

The trainer yields events and writes no files. It trains a `TrainingTask` (`task.py`) and knows
nothing about text.
"""

__all__ = ["events", "learner", "optimization", "state", "task", "trainer"]
