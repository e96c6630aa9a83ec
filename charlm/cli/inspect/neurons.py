"""charlm inspect neurons"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.bars import bar
from charlm.cli.inspect.activity_views import show_activity, show_saturation
from charlm.cli.inspect.found_units import show_search
from charlm.cli.inspect.texts import TextArgument, source_of
from charlm.cli.loading import load_run
from charlm.cli.options import (
    BackendName,
    Device,
    Json,
    RunName,
    RunsDir,
    Split,
    TextEncoding,
    Threads,
    Unknown,
)
from charlm.cli.output_files import checked_picture, save_picture
from charlm.errors import SettingError, UsageError
from charlm.progress import ProgressCallback

if TYPE_CHECKING:
    from charlm.run import Run


def neurons(
    text: TextArgument = None,
    run: RunName = None,
    layer: Annotated[
        int | None, typer.Option(help="Show the text coloured by a unit of this layer, from 0.")
    ] = None,
    unit: Annotated[
        int | None, typer.Option(help="Show the text coloured by this unit, from 0.")
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(
            help="Look at this gate, at h, or at C (as tanh(C)).",
            show_default="the state h, or C where there is one; a search also takes all gates",
        ),
    ] = None,
    property_: Annotated[
        list[str] | None,
        typer.Option(
            "--property", help="NAME=REGEX: search for matches of a regular expression too."
        ),
    ] = None,
    characters: Annotated[
        int | None,
        typer.Option(min=1, help="How much text a search reads at most.", show_default="20000"),
    ] = None,
    units: Annotated[
        int | None,
        typer.Option(min=1, help="How many units to report of a property.", show_default="1"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the untrained net and the random excerpts.", show_default="0"),
    ] = None,
    saturation: Annotated[
        Path | None,
        typer.Option(help="Draw how often gates are closed or open: .png, .svg or .pdf."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Show all of a long text.")] = False,
    split: Split = None,
    unknown: Unknown = "replace",
    encoding: TextEncoding = None,
    device: Device = "cpu",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Find units that follow something in a text: quotes, lines, words; or show one of them."""
    search = {"property": property_, "characters": characters, "units": units, "seed": seed}
    one = {"layer": layer, "unit": unit}
    refused: dict[str, Any] = {"whole": whole or None}
    reason = "is for the text of one unit: name it by --layer and --unit."
    if saturation is not None:
        refused |= search | one | {"gate": gate}
        reason = "does not go with --saturation, which looks at all gates."
    elif any(each is not None for each in one.values()):
        refused, reason = search, "is for a search, and --layer and --unit name a unit."
    for name, value in refused.items():
        if value is not None:
            raise SettingError(name, reason)
    options = {"split": split, "unknown": unknown, "encoding": encoding}
    options |= {"device": device, "backend": backend}
    look = Look(text, run, runs_dir, options, json)
    if saturation is not None:
        look.at_saturation(saturation)
    elif layer is not None and unit is not None:
        look.at_unit(layer, unit, gate, whole)
    elif layer is not None or unit is not None:
        raise UsageError("One unit is meant by --layer and --unit together.", "Give both.")
    else:
        search = {"characters": characters or 20_000, "units": units or 1, "seed": seed or 0}
        look.for_units(patterns=patterns_of(property_ or []), gate=gate, **search)


@dataclass(frozen=True)
class Look:
    """What the three ways of looking have in common: a text, a run, and how to read them."""

    text: str | None
    run: str | None
    runs_dir: str | None
    options: dict[str, Any]
    json: bool

    def at_saturation(self, path: Path) -> None:
        """Draw gate saturation into a file."""
        from charlm.plots.neurons import draw_saturation, size_of

        path = checked_picture(path)
        trained = self.load()
        with reading() as report:
            found = trained.inspect.saturation(source_of(self.text), report=report, **self.options)
        save_picture(draw_saturation(found, trained.name), path, size_of(found))
        self.say(found.notes)
        if self.json:
            console.write_json({"run": trained.name, "file": str(path), **found.to_json()})
        else:
            show_saturation(trained.name, found)
            console.say(f"Drawn in {path}.")

    def at_unit(self, layer: int, unit: int, gate: str | None, whole: bool) -> None:
        """Show a text coloured by one unit."""
        trained = self.load()
        with reading() as report:
            found = trained.inspect.activity(
                source_of(self.text),
                layer=layer,
                unit=unit,
                gate=gate,
                report=report,
                **self.options,
            )
        self.say(found.notes)
        if self.json:
            console.write_json({"run": trained.name, **found.to_json()})
        else:
            show_activity(trained.name, found, whole)

    def for_units(self, **search: Any) -> None:
        """Search for units that follow properties of a text."""
        trained = self.load()
        with bar("Searching", "steps", ("TaskProgressColumn", "TimeRemainingColumn")) as report:
            found = trained.inspect.neurons(
                source_of(self.text),
                report=report,
                **search,
                **self.options,
            )
        self.say(found.notes)
        if self.json:
            console.write_json({"run": trained.name, **found.to_json()})
        else:
            show_search(trained.name, found)

    def load(self) -> "Run":

        return load_run(self.run, self.runs_dir)

    def say(self, notes: Iterable[str]) -> None:
        for note in notes:
            console.say(note)


def reading() -> AbstractContextManager[ProgressCallback]:
    """Progress of reading a text, in characters."""
    return bar("Reading", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def patterns_of(given: list[str]) -> dict[str, str]:
    """Regular expressions by name, as given by --property.

    Raises:
        SettingError: one has no name, or two have the same.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, pattern = each.partition("=")
        if not name or not equals or not pattern:
            raise SettingError("property", f"is NAME=REGEX, and '{each}' is not.")
        if name in found:
            raise SettingError("property", f"has the name '{name}' twice.")
        found[name] = pattern
    return found
