"""What models can be trained for: one folder per task, and one line in the registry."""

__all__ = [
    "classification",
    "comparison",
    "curves",
    "dataset",
    "item_values",
    "language_modeling",
    "overview",
    "registry",
    "regression",
    "relevance",
    "summary",
    "supervised",
    "task",
]
