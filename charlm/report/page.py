"""Chapters as a page, with their pictures."""

from collections.abc import Sequence

from charlm.html import page as html_page
from charlm.plots import style
from charlm.sections import Chapter, Picture


def page(title: str, subtitle: str, chapters: Sequence[Chapter]) -> str:
    """An HTML page in one file, with a picture for each theme."""
    return html_page.page(title, subtitle, chapters, paint)


def paint(picture: Picture, theme: str) -> bytes:
    """A picture as a PNG file."""
    return style.render(picture.draw, "png", theme, picture.inches)
