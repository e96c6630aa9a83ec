"""How all pictures look, on a light or a dark page, and how they become files."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from charlm.errors import UsageError
from charlm.files.whole import write

# What draws a whole picture on an empty figure.
Draw = Callable[[Figure], None]

INCHES = (6.4, 4.0)
FORMATS = (".png", ".svg", ".pdf")
# Okabe and Ito's colours, which readers who do not see all colours can tell apart; the yellow,
# which is too light for lines, left out. Black becomes white on a dark page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
# Foreground, background and lines of the grid.
THEMES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {"light": ("#1a1a1a", "#ffffff", "#dddddd"), "dark": ("#e8e8e8", "#16181d", "#3a3d45")}
)


def style_of(theme: str) -> Any:
    """Matplotlib's settings for a theme, "light" or "dark"."""
    ink, paper, grid = THEMES[theme]
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    papered = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
    return {
        **dict.fromkeys(inked, ink),
        **dict.fromkeys(papered, paper),
        "grid.color": grid,
        "legend.edgecolor": grid,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.titlesize": "medium",
        "axes.titlelocation": "left",
        "font.size": 10.0,
        "font.family": ["DejaVu Sans"],
        "figure.constrained_layout.use": True,
        "figure.dpi": 100.0,
        "savefig.dpi": 144.0,
        # The same picture is the same file.
        "svg.hashsalt": "charlm",
        "svg.fonttype": "path",
        "image.cmap": "viridis",
        # A dollar sign in a name is no mathematics.
        "text.parse_math": False,
    }


@contextmanager
def styled(theme: str = "light") -> Iterator[None]:
    """Make what is drawn within the block look like charlm's pictures."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style_of(theme))
        yield


def render(
    draw: Draw, form: str = "png", theme: str = "light", inches: tuple[float, float] = INCHES
) -> bytes:
    """A picture as the bytes of a file.

    Args:
        draw: draws on the figure that it is given.
        form: "png", "svg" or "pdf".
        inches: width and height.
    """
    file = io.BytesIO()
    with styled(theme):
        figure = Figure(figsize=inches)
        draw(figure)
        dated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(file, format=form, metadata=dated.get(form))
    return file.getvalue()


def save(
    draw: Draw, path: Path, theme: str = "light", inches: tuple[float, float] = INCHES
) -> None:
    """Write a picture, whole or not at all, in the format that the file's ending names.

    Raises:
        UsageError: no picture has this ending.
        OSError: the file cannot be written.
    """
    write(path, render(draw, form_of(path), theme, inches))


def form_of(path: Path) -> str:
    """The format that a file's ending names.

    Raises:
        UsageError: no picture has this ending.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"'{path}' does not say what kind of picture it is.",
            f"Give it one of the endings {', '.join(FORMATS)}.",
        )
    return path.suffix.lower()[1:]


def drawable(text: str) -> str:
    """The text with characters that the font of the pictures lacks written as code points."""
    known = glyphs()
    return "".join(
        each if ord(each) in known and each.isprintable() else f"U+{ord(each):04X}" for each in text
    )


def glyphs() -> Mapping[int, int]:
    """Numbers of the font's glyphs by code point."""
    path = font_manager.findfont("DejaVu Sans")
    charmap: Mapping[int, int] = FT2Font(path).get_charmap()
    return charmap
