"""A text whose characters are coloured by a number each, for a terminal of any kind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from charlm.cli import console
from charlm.palettes import Scale, ink

if TYPE_CHECKING:
    from rich.text import Text

# Of a text of more characters only a part is shown, unless all of it is asked for.
LONG = 3_000
# A line end and a tab, which would show no colour.
SHOWN = {"\n": "↵\n", "\t": "→"}


def has_colours() -> bool:
    """Whether standard output is a terminal with enough colours for a scale."""
    terminal = console.terminal()
    system = terminal.color_system
    return terminal.is_terminal and not terminal.no_color and system in ("256", "truecolor")


def show_scale(scale: Scale, unit: str) -> None:
    """Print what the colours mean, where there are any."""
    if not has_colours():
        return
    from rich.style import Style
    from rich.text import Text

    line = Text(f"{unit} ")
    for colour, label in zip(scale.colours, scale.labels, strict=True):
        line.append(f" {label} ", Style(color=ink(colour), bgcolor=colour))
    console.terminal().print(line)
    console.terminal().print()


def coloured(text: str, values: Sequence[float | None], scale: Scale) -> "Text":
    """The text, each character on the colour of its value; those without a value have none."""
    from rich.style import Style
    from rich.text import Text

    styles = [Style(color=ink(each), bgcolor=each) for each in scale.colours]
    result = Text(no_wrap=False, overflow="fold")
    for character, value in zip(text, values, strict=True):
        shown = SHOWN.get(character) or console.visible(character)
        style = "" if value is None else styles[scale.step(value)]
        result.append(shown.rstrip("\n"), style)
        if shown.endswith("\n"):
            result.append("\n")
    return result


def with_digits(text: str, values: Sequence[float | None]) -> str:
    """Each line of the text and, below it, whole numbers from 0 to 9, for 9 and more; no colours.

    A blank stands below a character without a value.
    """
    from rich.cells import cell_len

    width = max(console.terminal().width, 2)
    rows: list[tuple[str, str]] = [("", "")]
    for character, value in zip(text, values, strict=True):
        shown = (SHOWN.get(character) or console.visible(character)).rstrip("\n")
        if cell_len(rows[-1][0] + shown) > width:
            rows.append(("", ""))
        digit = " " if value is None else str(min(int(value), 9))
        above, below = rows[-1]
        rows[-1] = (above + shown, below + digit.ljust(cell_len(shown)))
        if character == "\n":
            rows.append(("", ""))
    return "\n".join(f"{above}\n{below}" for above, below in rows if above)
