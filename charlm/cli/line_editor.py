"""Entries that a user types: with a line editor on a terminal, elsewhere one from each line."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from charlm.cli import console
from charlm.errors import CharlmError

if TYPE_CHECKING:
    from prompt_toolkit.history import History

PROMPT, CONTINUED = "> ", "… "


def entries() -> Iterator[str]:
    """Yield what is entered, without the line end that ends it, until there is no more."""
    if sys.stdin is not None and sys.stdin.isatty():
        return edited_entries()
    return plain_lines()


def plain_lines() -> Iterator[str]:
    """Yield each line of standard input."""
    from charlm.text.fragments import decode_utf_8

    if sys.stdin is None:
        return
    for line in sys.stdin.buffer:
        try:
            yield decode_utf_8(line, "the line").text.removesuffix("\n")
        except CharlmError as error:
            console.fail(error)


def edited_entries() -> Iterator[str]:
    """Yield what is typed into a line editor that remembers, and takes a paste of several lines."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import create_output

    # Else it asks the terminal where the cursor is, and complains of those that do not answer.
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    session: PromptSession[str] = PromptSession(
        history=history(),
        key_bindings=keys,
        multiline=True,
        prompt_continuation=CONTINUED,
        # Only texts go to standard output, which may be a file.
        output=create_output(stdout=sys.stderr),
    )
    while True:
        try:
            yield session.prompt(PROMPT)
        except KeyboardInterrupt:
            continue  # What was typed is dropped, as in a shell.
        except EOFError:
            return


def history() -> "History":
    """What was entered before, in a file of the cache folder; if there can be none, in memory."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    from charlm.text.catalog import cache_folder

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "history").open("ab"):
            return FileHistory(str(folder / "history"))
    except (OSError, CharlmError):
        return InMemoryHistory()
