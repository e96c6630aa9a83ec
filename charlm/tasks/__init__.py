"""What models are trained for: each task in a folder of its own, and a line in the registry."""

__all__ = ["comparison", "language_modeling", "registry", "relevance", "task"]
