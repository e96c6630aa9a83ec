"""Pages and fragments of HTML, made from templates in which everything is escaped."""

from charlm.html.page import page

__all__ = ["page"]
