"""Pages and fragments of HTML, made from templates in which everything is escaped."""

__all__ = ["notebook", "page", "writer"]
