"""charlm inspect memory"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import looking
from charlm.cli.completion import complete_runs
from charlm.cli.inspect.texts import TextArgument, source_of
from charlm.cli.loading import load_run
from charlm.cli.options import (
    BackendName,
    Device,
    Json,
    RunsDir,
    Split,
    TextEncoding,
    Threads,
    Unknown,
)
from charlm.cli.output_files import checked_picture, save_picture
from charlm.errors import SettingError, look_up

if TYPE_CHECKING:
    from charlm.inspection.memory import Memory
    from charlm.run import Run

NOTES = (
    "Every context begins at a zero state. A net whose state was carried from window to window has "
    "hardly seen that in training.",
    "Lags count from the last character read, and gradients are relative to its own: the median "
    "target, and those a quarter from either end.",
)


def memory(
    text: TextArgument = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="A run's name or path; given again, several runs are looked at.",
            autocompletion=complete_runs,
            show_default="the newest",
        ),
    ] = None,
    split: Split = None,
    unknown: Unknown = "replace",
    targets: Annotated[
        int, typer.Option(min=1, help="How many characters to predict, drawn at random.")
    ] = 1000,
    lags: Annotated[
        int, typer.Option(min=1, max=1000, help="How many characters gradients go back.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Write both pictures to a PNG, SVG or PDF file.", show_default=False),
    ] = None,
    theme: Annotated[
        str | None,
        typer.Option(help="Of the pictures: light or dark.", show_default="light"),
    ] = None,
    encoding: TextEncoding = None,
    device: Device = "cpu",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Show how far back a model remembers: its loss by context, its sensitivity by lag."""
    from charlm.text.corpus import Reading, open_corpus

    given: list[str | None] = [*dict.fromkeys(run)] if run else [None]
    check_picture(out, theme, given)
    runs = [load_run(name, runs_dir) for name in given]
    source, found = source_of(text), dict[str, "Memory"]()
    if source == "-":  # It can be read only once.
        source, encoding = open_corpus("-", Reading(encoding=encoding or "utf-8")), None
    for name, trained in zip(labels(runs), runs, strict=True):
        with looking(name) as report:
            found[name] = trained.inspect.memory(
                source,
                split=split,
                unknown=unknown,
                encoding=encoding,
                targets=targets,
                lags=lags,
                seed=seed,
                device=device,
                backend=backend,
                report=report,
            )
    for note in notes(found):
        console.say(note)
    try:
        print_results(found, json)
    finally:  # Neither is lost where the other cannot be written.
        if out is not None:
            write_pictures(found, out, theme or "light")


def labels(runs: "list[Run]") -> list[str]:
    """What to call the runs: by their names, or if these are alike, by their paths."""
    names = [each.name for each in runs]
    return names if len(set(names)) == len(names) else [str(each.path) for each in runs]


def check_picture(out: Path | None, theme: str | None, runs: list[str | None]) -> None:
    """Raise a CharlmError, before anything is computed, if there can be no such picture."""
    if out is None:
        if theme is not None:
            raise SettingError("theme", "is of pictures: name a file with --out.")
        return
    from charlm.plots.memory import check_number
    from charlm.plots.style import THEMES

    checked_picture(out)
    look_up(THEMES, theme or "light", "theme")
    check_number(runs)


def notes(found: "Mapping[str, Memory]") -> list[str]:
    """Sentences to show along with the results of all runs, each once."""
    results = list(found.values())
    told = list(dict.fromkeys(note for each in results for note in each.notes))
    texts = {each.text_sha256 for each in results}
    if len(texts) > 1:
        told.append("These runs read different texts: their targets are not the same characters.")
    return told


def write_pictures(found: "Mapping[str, Memory]", out: Path, theme: str) -> None:
    """Write both pictures to one file."""
    from charlm.plots.memory import BOTH_INCHES, draw_memory

    save_picture(partial(draw_memory, memories=found), out, BOTH_INCHES, theme)
    console.say(f"Wrote {out}.")


def print_results(found: "Mapping[str, Memory]", json: bool) -> None:
    """Print the results of all runs, as JSON or as tables."""
    if json:
        results = [{"run": name, **each.to_json()} for name, each in found.items()]
        console.write_json({"runs": results} if len(results) > 1 else results[0])
        return
    for name, each in found.items():
        show(name, each)
    for note in NOTES:
        console.write(note + "\n")


def show(name: str, result: "Memory") -> None:
    """Print both results of a run as tables."""
    context = result.context
    console.facts(
        [
            ("run", name),
            ("text", f"{result.corpus} ({result.split})"),
            ("targets", console.count(len(context.positions))),
            ("training window", console.count(context.window)),
            ("effective context", console.count(context.effective)),
        ]
    )
    console.gap()
    by_context = zip(context.lengths, context.bits, context.increase, *context.band, strict=True)
    console.table(
        ("context", "bits/char", "increase", "95 % from", "95 % to"),
        [(console.count(n), *map(bits, row)) for n, *row in by_context],
    )
    console.gap()
    largest = result.trained.norms.shape[1] - 1
    lags = [lag for lag in (0, *(2**power for power in range(10))) if lag < largest] + [largest]
    console.table(
        ("net", "lag", "median", "25 %", "75 %"),
        [
            (net, lag, *(f"{each:.2g}" for each in (middle, low, high)))
            for net in ("initialized", "trained")
            for lag, (low, middle, high) in zip(
                lags, getattr(result, net).quartiles[:, lags].T.tolist(), strict=True
            )
        ],
        left=("net",),
    )
    console.gap()


def bits(value: float) -> str:
    """Format bits with four digits, and no minus before a zero."""
    return console.number(round(value, 4) + 0.0, 4)
