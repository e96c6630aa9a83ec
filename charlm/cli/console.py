"""Everything that reaches the terminal: results to standard output, messages to standard error."""

import math
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
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
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class SafeConsole(Console):
        """On a terminal, no text has an effect but that of being read, whoever prints it."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for each in super().render(renderable, options):
                is_text = is_terminal and not each.control
                yield each._replace(text=spelled_out(each.text)) if is_text else each

    # FORCE_COLOR and TTY_COMPATIBLE are ignored: what goes into a pipe must not depend on them.
    console = SafeConsole(
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


def put(text: str) -> None:
    """Write text to standard output: into a pipe or a file as it is.

    On a terminal, what could control it is spelled out.
    """
    sys.stdout.write(spelled_out(text) if sys.stdout.isatty() else text)


def write(text: str) -> None:
    """`put` text, and flush."""
    put(text)
    sys.stdout.flush()


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output, like a text; on a terminal they are read as UTF-8."""
    if sys.stdout.isatty():
        write(content.decode("utf-8", "surrogateescape"))
        return
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
    if isinstance(text, str) and console.is_terminal:
        text = visible(text)
    # Line breaks would make it hard to search a log file, and to copy a command.
    unwrapped = not console.is_terminal or "charlm " in str(text)
    console.print(text, soft_wrap=unwrapped)


def fail(error: CharlmError) -> None:
    """Print why a command failed, and what to do about it."""
    message = error.in_options() if isinstance(error, SettingError) else error.message
    say(f"Error: {message}" + (f" {error.hint}" if error.hint else ""))


def write_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON; infinity and NaN become null.

    Args:
        indent: blanks for each level; None puts all on one line.
    """
    text = strict_json.dumps(value, indent=indent)
    if sys.stdout.isatty():
        text = STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    write(text + "\n")


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


def spelled_out(text: str) -> str:
    """The text with characters that could control the terminal as escapes, such as \\x1b.

    A byte that is no UTF-8, which Python decodes to half of a surrogate pair, is shown as itself.
    """
    return STEERING.sub(lambda found: escape(found[0]), text)


def escape(character: str) -> str:
    """A character as Python would write it; an undecodable byte as \\x80 to \\xff."""
    code = ord(character)
    code -= 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def visible(text: str) -> str:
    """The text as `spelled_out`, for columns and lines of a terminal; tabs become blanks."""
    return spelled_out(text).expandtabs()


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
