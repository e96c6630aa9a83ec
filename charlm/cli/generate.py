"""charlm generate"""

from typing import Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import Device, Json, RunName, RunsDir, Threads, settings_options
from charlm.config import SamplingConfig


@settings_options({}, Sampling=SamplingConfig)
def generate(
    prefix: Annotated[
        str | None,
        typer.Option(help="Text to go on from; it is normalized as the run's corpus was."),
    ] = None,
    run: RunName = None,
    unknown: Annotated[
        str,
        typer.Option(help="Characters of the prefix that the run lacks: error, replace or skip."),
    ] = "error",
    device: Device = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Write text with a trained model, streamed as it is drawn.

    The same run and --seed give the same text. Several samples come one after another, each
    ended by a line end.
    """
    from charlm.api import load
    from charlm.generation.sampler import chosen_seed
    from charlm.run import sampling_config

    # NumPy on the CPU is fastest for a few texts, and starts at once.
    device = "cpu" if device == "auto" else device
    config = sampling_config(**settings)
    settings["seed"] = chosen_seed(config)
    trained = load(run, runs_dir=runs_dir)
    choices = {"unknown": unknown, "device": device, **settings}
    if config.num_samples > 1 or json:
        texts = trained.samples(prefix, **choices)
        if json:
            console.write_json(
                {"run": trained.name, "prefix": prefix, "seed": settings["seed"], "texts": texts}
            )
        else:
            for text in texts:
                console.write(text + "\n")
        return
    for piece in trained.stream(prefix, **choices):
        console.write(piece)
    console.write("\n")
