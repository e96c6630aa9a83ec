"""Everything that reaches the terminal: results to standard output, messages to standard error."""

import math
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from unicodedata import category

from charlm.errors import CharlmError, SettingError
from charlm.files import strict_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def terminal(stderr: bool = False) -> "Console":
    """Rich's console; it interprets no markup in what it is given."""
    return console_for(stderr, (sys.stderr if stderr else sys.stdout).isatty())


@cache
def console_for(stderr: bool, is_terminal: bool) -> "Console":
    from rich.console import Console

    # Whether it is a terminal is not for variables (FORCE_COLOR, TTY_COMPATIBLE) to say: what comes
    # out of a pipe has to be the same whoever reads it.
    console = Console(
        stderr=stderr, force_terminal=is_terminal, markup=False, highlight=False, emoji=False
    )
    if console.is_dumb_terminal:
        # Rich takes all of these for 80 columns wide.
        console.width, console.height = shutil.get_terminal_size()
    return console


def is_live(stderr: bool = True) -> bool:
    """Whether it is a terminal that can draw over what it shows."""
    console = terminal(stderr)
    return console.is_terminal and not console.is_dumb_terminal


def write(text: str) -> None:
    """Text to standard output as it is, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def heading(text: str) -> None:
    """A line to standard output that stands out from the text below it."""
    from rich.text import Text

    terminal().print(Text(text, style="bold"))


def say(text: "str | Text") -> None:
    """A message to standard error."""
    console = terminal(stderr=True)
    # Lines that no terminal shows stay whole, for whoever searches them, and so do commands, for
    # whoever copies them.
    whole = not console.is_terminal or "charlm " in str(text)
    console.print(text, soft_wrap=whole)


def fail(error: CharlmError) -> None:
    """Why a command failed, and what to do."""
    message = error.in_options() if isinstance(error, SettingError) else error.message
    say(f"Error: {message}" + (f" {error.hint}" if error.hint else ""))


def write_json(value: Any) -> None:
    """One JSON value; numbers that JSON lacks (infinity, NaN) become null."""
    write(strict_json.dumps(value, indent=2) + "\n")


# Of Unicode: control characters, lone surrogates, and what ends lines and paragraphs.
CONTROLS = ("Cc", "Cs", "Zl", "Zp")
# The least width of a column that wraps, and what stands between two columns.
FOLDED, BETWEEN = 12, 3


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    left: Collection[str] = (),
    wrap: Collection[str] = (),
) -> None:
    """A table to standard output; in a pipe the names of the columns and then one row a line.

    Args:
        left: columns aligned left; the others are aligned right.
        wrap: columns aligned left that may go over several lines where room is scarce.
    """
    if not terminal().is_terminal:
        records(chain([columns], rows))
        return
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        if column in wrap:
            made.add_column(column, overflow="fold")
        else:
            made.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    for row in cells:
        made.add_row(*map(Text, row))
    widths = [
        FOLDED if column in wrap else max(map(cell_len, (column, *each)))
        for column, *each in zip(columns, *cells, strict=True)
    ]
    if sum(widths) + BETWEEN * len(widths) <= terminal().width:
        terminal().print(made)
        return
    # Too narrow: one row below the other, rather than half of each number.
    for row in cells:
        terminal().print()
        facts(zip(columns, row, strict=True))


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line, to standard output."""
    if not terminal().is_terminal:
        records(rows)
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, Text(visible(str(value))))
    terminal().print(made)


def records(rows: Iterable[Sequence[object]]) -> None:
    """Lines of values with a tab between two, for other programs."""
    for row in rows:
        sys.stdout.write("\t".join(on_one_line(str(value)) for value in row) + "\n")
    sys.stdout.flush()


def gap() -> None:
    """What sets a table apart from what is above it; on a terminal it brings its own."""
    if not terminal().is_terminal:
        write("\n")


def on_one_line(text: str) -> str:
    """The text with control characters, tabs and line ends among them, as Python spells them."""
    if text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode() if category(each) in CONTROLS else each
        for each in text
    )


# Control characters but for tab and line feed; those that turn the order of what follows; and
# halves of surrogate pairs, which no encoding spells. Joiners and blanks of all kinds are letters
# to some scripts.
STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text without characters that would steer the terminal; tabs become blanks."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text).expandtabs()


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{grouping()}.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def count(value: int) -> str:
    """A whole number, its digits in groups where people read it."""
    return f"{value:{grouping()}}"


def grouping() -> str:
    # A program that reads the output wants numbers that it can sort and add up.
    return "," if terminal().is_terminal else ""


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
