"""Pages and fragments of HTML, made from templates in which everything is escaped."""

from charlm.html.rendering import render

__all__ = ["render"]
