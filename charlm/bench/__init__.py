"""Speed on this machine, beside what tutorials do."""

__all__ = ["generation", "neighbour", "training"]
