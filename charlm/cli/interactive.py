"""charlm generate --interactive: entries that are continued, and commands between them."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import fields
from itertools import takewhile
from typing import TYPE_CHECKING, Any, get_args

from charlm.cli import bars, console
from charlm.cli.line_editor import entries
from charlm.config import SamplingConfig
from charlm.errors import CharlmError, SettingError, UsageError, look_up
from charlm.progress import ProgressCallback, ignore_progress
from charlm.tasks.relevance import sampling_config

if TYPE_CHECKING:
    from charlm.tasks.language_modeling.writing import Writer

# Settings by the names that are typed. One text is carried on, so there is no number of samples.
SETTINGS = {
    each.name.replace("_", "-"): each
    for each in fields(SamplingConfig)
    if each.name != "num_samples"
}
HELP = """\
What you type is continued. It is read as it stands, right after what was written last: begin it
with a blank if a new word begins. Nothing but Enter goes on writing. Esc and then Enter, or a
paste, makes several lines; the arrows bring back earlier entries. Ctrl-C ends a text, Ctrl-D
leaves.

:NAME VALUE         change a setting, such as :temperature 0.5 or :stop "\\n" or :seed default
:settings           show all of them
:reset              forget what was read and written
:save-state NAME    keep the present state with the run
:from-state NAME    go on from a state that was kept
:help               this
:quit               leave
::                  at the beginning of a text that begins with a colon
"""


class Stopped(Exception):  # noqa: N818
    """Ctrl-C was pressed."""


class Conversation:
    """A writer, and how it writes.

    Args:
        writer: may have read something, to which :reset goes back.
        settings: fields of SamplingConfig, by name.
    """

    def __init__(self, writer: "Writer", settings: dict[str, Any]) -> None:
        self.writer = writer
        self.settings = settings
        self.start = writer.beginning
        self.commands: dict[str, Callable[[str], object]] = {
            "settings": self.show_settings,
            "reset": self.reset,
            "save-state": self.save_state,
            "from-state": self.writer.load_state,
            "help": lambda _: console.say(HELP.rstrip()),
        }

    def take(self, entry: str) -> None:
        """Do what an entry asks for.

        Raises:
            CharlmError: it cannot be done; nothing has changed then.
        """
        if entry.startswith("::") or not entry.startswith(":"):
            self.continue_text(entry.removeprefix(":") if entry.startswith("::") else entry)
            return
        name, _, value = entry[1:].strip().partition(" ")
        name = name.replace("_", "-")
        look_up({**self.commands, "quit": None, **SETTINGS}, name, "command")
        if name in self.commands:
            if (name in ("save-state", "from-state")) != bool(value.strip()):
                problem = "takes nothing" if value.strip() else "needs a name"
                raise UsageError(f":{name} {problem}.", "See :help.")
            self.commands[name](value.strip())
        else:
            self.change(name, value.strip())

    def continue_text(self, entry: str) -> None:
        """Print the entry, as it was read, and how it goes on."""
        config = self.writer.config(sampling_config(**self.settings))
        read = ""
        with ctrl_c_noticed() as check, suppress(Stopped):
            with bars.reading() as report:
                read = self.writer.read(entry, both(report, check), "the entry") if entry else ""
            # What flows needs no bar. Nothing may stand before one on its line.
            waits = config.beams or config.best_of
            with (
                bars.writing() if waits else nullcontext(ignore_progress) as report,
                closing(self.writer.write(config, both(report, check))) as text,
            ):
                for piece in text:
                    console.write(read + piece)
                    read = ""
        console.write(f"{read}\n")

    def change(self, name: str, value: str) -> None:
        """Change a setting, or show it if there is no value."""
        field = SETTINGS[name]
        if value:
            changed = {k: v for k, v in self.settings.items() if k != field.name}
            if value != "default":
                changed[field.name] = value_of(field, value)
            self.writer.config(sampling_config(**changed))
            self.settings = changed
        console.say(f"{name} {shown(self.settings.get(field.name, field.default))}")

    def show_settings(self, _: str) -> None:
        """Print all settings."""
        for name, field in SETTINGS.items():
            console.say(f"{name} {shown(self.settings.get(field.name, field.default))}")

    def reset(self, _: str) -> None:
        """Forget what was read and written since the beginning."""
        self.writer.beginning = self.start

    def save_state(self, name: str) -> None:
        """Keep the state under a name."""
        self.writer.save_state(name)
        console.say(f"The state is kept: go on from it with :from-state {name}.")


def converse(writer: "Writer", settings: dict[str, Any]) -> None:
    """Continue what the user enters, until there is no more."""
    if sampling_config(**settings).num_samples > 1:
        raise SettingError("num_samples", "does not go with --interactive: one text is carried on.")
    conversation = Conversation(writer, settings)
    if sys.stdin is not None and sys.stdin.isatty():
        console.say(f"The run {writer.run.name} continues what you type. For more: :help")
    for entry in takewhile(lambda entry: entry.strip() != ":quit", entries()):
        try:
            conversation.take(entry)
        except CharlmError as error:
            message = error.in_options() if isinstance(error, SettingError) else error.message
            # Here options are commands.
            console.say(re.sub("--(?=[a-z])", ":", f"{message} {error.hint}".rstrip()))


def value_of(field: Any, text: str) -> Any:
    """The value of a setting that is typed.

    Raises:
        SettingError: it is none.
    """
    if field.metadata["several"]:
        quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        return [unescaped(each) for each in quoted or [text]]
    kinds = [kind for kind in get_args(field.type) or (field.type,) if kind is not type(None)]
    if kinds == [bool]:
        words = {"on": True, "off": False, "yes": True, "no": False}
        if text not in words:
            raise SettingError(field.name, "is on or off.")
        return words[text]
    try:
        return kinds[0](text)
    except ValueError:
        raise SettingError(field.name, f"cannot be '{text}'.") from None


def unescaped(text: str) -> str:
    r"""The text with \n, \t, \" and \\ read as the characters that they stand for."""
    meant = {"n": "\n", "t": "\t"}
    return re.sub(r"\\(.)", lambda found: meant.get(found[1], found[1]), text)


def shown(value: Any) -> str:
    """A setting's value, as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == ():
        return "default"
    if isinstance(value, list | tuple):
        escaped = (each.replace("\\", "\\\\").replace('"', '\\"') for each in value)
        return " ".join(f'"{each}"'.replace("\n", "\\n").replace("\t", "\\t") for each in escaped)
    return str(value)


@contextmanager
def ctrl_c_noticed() -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C does nothing but that the function that is yielded raises Stopped."""
    pressed: list[int] = []

    def check() -> None:
        if pressed:
            raise Stopped

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def both(report: ProgressCallback, check: Callable[[], None]) -> ProgressCallback:
    """A callback that reports, and then checks."""

    def report_and_check(done: int, total: int) -> None:
        report(done, total)
        check()

    return report_and_check
