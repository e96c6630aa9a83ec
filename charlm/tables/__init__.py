"""Tables: rows of named columns, read in a stream; which part each row belongs to. No torch."""

__all__ = ["parts", "sources", "table"]
