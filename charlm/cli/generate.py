"""charlm generate"""

import sys
from typing import Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import (
    Device,
    Json,
    RunName,
    RunsDir,
    Threads,
    announce_standard_input,
    settings_options,
)
from charlm.config import SamplingConfig


@settings_options({}, Sampling=SamplingConfig)
def generate(
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Text to go on from, or - to read it from standard input; it is normalized as the "
            "run's corpus was."
        ),
    ] = None,
    run: RunName = None,
    unknown: Annotated[
        str | None,
        typer.Option(
            help="Characters of the prefix that the run lacks: error, replace or skip.",
            show_default="error",
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Write text with a trained model, streamed as it is drawn.

    The same run and --seed give the same text. Several samples come one below the other, each
    ended by a line end, and on a terminal under a heading.
    """
    from charlm.api import load
    from charlm.generation.sampler import chosen_seed
    from charlm.tasks.relevance import sampling_config
    from charlm.text.sources import STDIN

    # NumPy on the CPU is fastest for a few texts, and starts at once.
    device = "cpu" if device == "auto" else device
    config = sampling_config(**settings)
    if config.temperature:
        settings["seed"] = chosen_seed(config)
    trained = load(run, runs_dir=runs_dir)
    if prefix == STDIN:
        prefix = from_standard_input()
    choices = {"unknown": unknown, "device": device, "notify": console.say, **settings}
    if json:
        texts = trained.samples(prefix, **choices)
        console.write_json(
            {"run": trained.name, "prefix": prefix, "seed": settings.get("seed"), "texts": texts}
        )
        return
    for number, text in enumerate(trained.stream_samples(prefix, **choices), 1):
        if config.num_samples > 1 and sys.stdout.isatty():
            console.heading(f"Text {number} of {config.num_samples}")
        for piece in text:
            console.write(piece)
        console.write("\n")


def from_standard_input() -> str:
    """Read the prefix from standard input, to its end."""
    from charlm.text.decoding import decode
    from charlm.text.sources import STDIN, read_source

    announce_standard_input([STDIN])
    (piece,) = read_source(STDIN, None)
    decoded = decode(piece.content, piece.label)
    for note in decoded.notes:
        console.say(note)
    return decoded.text
