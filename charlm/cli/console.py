"""Everything that reaches the terminal: results to standard output, messages to standard error."""

import math
import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from charlm import strict_json
from charlm.errors import CharlmError, SettingError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@cache
def terminal(stderr: bool = False) -> "Console":
    """Rich's console; it interprets no markup in what it is given."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A file or a pipe is as wide as what is written to it.
        console.width = 10_000
    return console


def write(text: str) -> None:
    """Text to standard output as it is, at once; whoever closes the pipe has seen enough."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def heading(text: str) -> None:
    """A line to standard output that stands out from the text below it."""
    from rich.text import Text

    terminal().print(Text(text, style="bold"))


def say(text: "str | Text") -> None:
    """A message to standard error."""
    # Lines that no terminal shows stay whole, for whoever searches them.
    console = terminal(stderr=True)
    console.print(text, soft_wrap=not console.is_terminal)


def fail(error: CharlmError) -> None:
    """Why a command failed, and what to do."""
    message = error.message
    if isinstance(error, SettingError):
        message = f"--{error.setting.replace('_', '-')} {error.problem}"
    say(f"Error: {message}" + (f" {error.hint}" if error.hint else ""))


def write_json(value: Any) -> None:
    """One JSON value; numbers that JSON lacks (infinity, NaN) become null."""
    write(strict_json.dumps(value, indent=2) + "\n")


# The least width of a column that wraps, and what stands between two columns.
FOLDED, BETWEEN = 12, 3


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str = "",
    left: Collection[str] = (),
    wrap: Collection[str] = (),
) -> None:
    """A table to standard output.

    Args:
        title: a line above it.
        left: columns aligned left; the others are aligned right.
        wrap: columns aligned left that may go over several lines where room is scarce.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    if title:
        terminal().print(title)
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
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, Text(visible(str(value))))
    terminal().print(made)


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
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
