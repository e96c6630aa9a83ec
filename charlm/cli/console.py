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
    """Rich's console for a standard stream; it prints markup as it is."""
    return console_for(stderr, (sys.stderr if stderr else sys.stdout).isatty())


@cache
def console_for(stderr: bool, is_terminal: bool) -> "Console":
    """Make the console of `terminal`, once for each kind of stream."""
    from rich.console import Console

    # FORCE_COLOR and TTY_COMPATIBLE are ignored: what goes into a pipe must not depend on them.
    console = Console(
        stderr=stderr, force_terminal=is_terminal, markup=False, highlight=False, emoji=False
    )
    if console.is_dumb_terminal:
        # Rich takes every dumb terminal to be 80 columns wide.
        console.width, console.height = shutil.get_terminal_size()
    return console


def is_live(stderr: bool = True) -> bool:
    """Whether the stream is a terminal that can redraw what it shows."""
    console = terminal(stderr)
    return console.is_terminal and not console.is_dumb_terminal


def write(text: str) -> None:
    """Write text to standard output as it is, and flush."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def heading(text: str) -> None:
    """Print a line in bold to standard output."""
    from rich.text import Text

    terminal().print(Text(text, style="bold"))


def say(text: "str | Text") -> None:
    """Print a message to standard error."""
    console = terminal(stderr=True)
    # Line breaks would make it hard to search a log file, and to copy a command.
    unwrapped = not console.is_terminal or "charlm " in str(text)
    console.print(text, soft_wrap=unwrapped)


def fail(error: CharlmError) -> None:
    """Print why a command failed, and what to do about it."""
    message = error.in_options() if isinstance(error, SettingError) else error.message
    say(f"Error: {message}" + (f" {error.hint}" if error.hint else ""))


def write_json(value: Any) -> None:
    """Print a value as JSON; infinity and NaN become null."""
    write(strict_json.dumps(value, indent=2) + "\n")


# Unicode categories: controls, lone surrogates, line and paragraph separators.
CONTROLS = ("Cc", "Cs", "Zl", "Zp")
# Characters: the least width of a column that wraps, and the space between two columns.
LEAST_WRAPPED_WIDTH, COLUMN_GAP = 12, 3


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    left: Collection[str] = (),
    wrap: Collection[str] = (),
) -> None:
    """Print a table to standard output; in a pipe, column names and rows as tab-separated lines.

    Args:
        left: columns aligned left; the others are aligned right.
        wrap: columns aligned left whose cells may take several lines on a narrow terminal.
    """
    if not terminal().is_terminal:
        records(chain([columns], rows))
        return
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        if column in wrap:
            grid.add_column(column, overflow="fold")
        else:
            grid.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    for row in cells:
        grid.add_row(*map(Text, row))
    widths = [
        LEAST_WRAPPED_WIDTH if column in wrap else max(map(cell_len, (column, *each)))
        for column, *each in zip(columns, *cells, strict=True)
    ]
    if sum(widths) + COLUMN_GAP * len(widths) <= terminal().width:
        terminal().print(grid)
        return
    # Too narrow for a table, which would cut numbers off: a list for each row.
    for row in cells:
        terminal().print()
        facts(zip(columns, row, strict=True))


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Print pairs of a name and a value to standard output, one on each line."""
    if not terminal().is_terminal:
        records(rows)
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(visible(str(value))))
    terminal().print(grid)


def records(rows: Iterable[Sequence[object]]) -> None:
    """Print rows as tab-separated values, for other programs."""
    for row in rows:
        sys.stdout.write("\t".join(on_one_line(str(value)) for value in row) + "\n")
    sys.stdout.flush()


def gap() -> None:
    """Print an empty line above a table, except on a terminal, where the table brings its own."""
    if not terminal().is_terminal:
        write("\n")


def on_one_line(text: str) -> str:
    """The text with control characters, including tabs and line ends, as Python escapes."""
    if text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode() if category(each) in CONTROLS else each
        for each in text
    )


# Control characters except tab and line feed; those that change the direction of what follows; and
# lone surrogates, which cannot be encoded. Joiners and unusual blanks stay: some scripts need them.
STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text without characters that could control the terminal; tabs become blanks."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text).expandtabs()


def number(value: float | None, digits: int = 3) -> str:
    """Format a number for people; a dash stands for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{grouping()}.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def count(value: int) -> str:
    """Format a whole number, with thousands separators on a terminal."""
    return f"{value:{grouping()}}"


def grouping() -> str:
    """Thousands separator; none in a pipe, so that a program can read the numbers."""
    return "," if terminal().is_terminal else ""


def duration(seconds: float) -> str:
    """Format seconds as M:SS or H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
