"""What models are trained for. So far there is one task: predicting the next character."""

__all__ = ["language_modeling"]
