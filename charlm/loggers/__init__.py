"""What training tells, handed on to where people look: TensorBoard, W&B, MLflow, Trackio.

A logger is a listener of a session's events. Each library is imported by its own file here, when a
run that logs to it begins.
"""

__all__ = ["attached", "logger", "names", "registry"]
