"""charlm generate"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import bars, console
from charlm.cli.loading import load_run
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
from charlm.errors import SettingError, UsageError, option
from charlm.progress import ignore_progress

if TYPE_CHECKING:
    from charlm.tasks.language_modeling.writing import Writer

# Remarks about prefixes of a file that are shown; the others are counted.
REMARKS = 3


@settings_options({}, Sampling=SamplingConfig)
def generate(
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Text to go on from, or - to read it from standard input; it is normalized as the "
            "run's corpus was."
        ),
    ] = None,
    prefix_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="File of the text to go on from.")
    ] = None,
    prefixes: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File of many texts to go on from, one a line, or -."),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Go on from what you type, again and again.")
    ] = False,
    save_state: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Keep what the model knows after the prefix with the run."
        ),
    ] = None,
    from_state: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on from what was kept so.")
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
    check_together(
        prefix=prefix,
        prefix_file=prefix_file,
        prefixes=prefixes,
        interactive=interactive or None,
        save_state=save_state,
        json=json or None,
    )
    from charlm.generation.sampler import chosen_seed
    from charlm.tasks.relevance import sampling_config

    config = sampling_config(**settings)
    if config.is_drawn and not interactive:
        settings["seed"] = chosen_seed(config)
    about = {"seed": settings.get("seed")} | ({"from_state": from_state} if from_state else {})
    config, remarks = sampling_config(**settings), Remarks()
    trained = load_run(run, runs_dir)
    text = read_texts(prefix, prefix_file, prefixes)
    # NumPy on the CPU is fastest for a few texts, and starts at once.
    writer = trained.writer(
        from_state=from_state,
        unknown=unknown,
        device="cpu" if device == "auto" else device,
        notify=remarks if prefixes is not None else console.say,
        sampling=config,
    )
    if prefixes is not None:
        write_each(writer, lines_of(text, prefixes), config, about if json else None)
        remarks.tell_rest()
        return
    config = writer.config(config)
    start = ""
    if text is not None or not interactive:
        with bars.reading() as report:
            start = writer.begin(text, report)
    if save_state is not None:
        if text is None and from_state is None:
            raise SettingError("save_state", "keeps what the model knows after a prefix: give one.")
        writer.save_state(save_state)
        console.say(f"The state is kept: go on from it with --from-state {save_state}.")
    if interactive:
        from charlm.cli.interactive import converse

        converse(writer, settings)
    elif json:
        write_json(writer, config, start, {"prefix": text, **about})
    else:
        write(writer, config, start)


def check_together(**given: object) -> None:
    """Raise UsageError for options that make no sense together; None stands for not given."""
    exclusive = (
        ("prefix", "prefix_file", "prefixes"),
        ("prefixes", "interactive"),
        ("prefixes", "save_state"),
        ("interactive", "json"),
    )
    for group in exclusive:
        several = [option(name) for name in group if given[name] is not None]
        if len(several) > 1:
            raise UsageError(f"{' and '.join(several)} do not go together.", "Give one of them.")
    if given["interactive"] and "-" in (given["prefix"], given["prefix_file"]):
        raise UsageError("--interactive reads standard input itself.", "Name a file.")


def read_texts(prefix: str | None, prefix_file: str | None, prefixes: str | None) -> str | None:
    """What is to be continued, from where the options say that it is."""
    from charlm.text.fragments import read_file
    from charlm.text.sources import STDIN

    file = STDIN if prefix == STDIN else prefix_file if prefixes is None else prefixes
    if file is None:
        return prefix
    announce_standard_input([file])
    decoded = read_file(file)
    for note in decoded.notes:
        console.say(note)
    return decoded.text


def lines_of(text: str | None, file: str) -> list[str]:
    """The lines of a text, without line ends.

    Raises:
        UsageError: there are none.
    """
    lines = (text or "").removesuffix("\n").split("\n")
    if lines == [""]:
        raise UsageError(f"'{file}' holds no prefix.", "Write one on each line.")
    return lines


class Remarks:
    """Says the first few remarks about prefixes, and counts the others."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, remark: str) -> None:
        self.number += 1
        if self.number <= REMARKS:
            console.say(remark)

    def tell_rest(self) -> None:
        """Say how many were not shown."""
        if self.number > REMARKS:
            console.say(f"There were {self.number - REMARKS:,} more remarks of this kind.")


def write(writer: "Writer", config: SamplingConfig, start: str) -> None:
    """Print texts, each as soon as there is something of it."""
    for number, text in enumerate(texts(writer, config), 1):
        if config.num_samples > 1 and sys.stdout.isatty():
            console.heading(f"Text {number} of {config.num_samples}")
        console.write(start)
        for piece in text:
            console.write(piece)
        console.write("\n")


def write_json(writer: "Writer", config: SamplingConfig, start: str, about: dict[str, Any]) -> None:
    """Print texts as one JSON object, beside what they are about."""
    from charlm.generation.sizes import check_samples

    check_samples(writer.run.settings.model, config)
    with bars.writing() as report:
        found = [start + "".join(text) for text in writer.texts(config, report)]
    console.write_json({"run": writer.run.name, **about, "texts": found})


def texts(writer: "Writer", config: SamplingConfig) -> Iterator[Iterator[str]]:
    """The texts; a bar tells how far those are that do not flow as they are drawn."""
    from charlm.generation.sizes import check_samples

    if config.side_by_side > 1:  # A single one goes out as it is drawn, whatever its length.
        check_samples(writer.run.settings.model, config)
    if not config.beams and not config.best_of:
        yield from writer.texts(config)
        return
    with bars.writing() as report:
        found = list(writer.texts(config, report))
    yield from found


def write_each(
    writer: "Writer", prefixes: list[str], config: SamplingConfig, about: dict[str, Any] | None
) -> None:
    """Print the texts of each prefix, in order.

    Args:
        about: what each JSON line tells beside run, prefix and texts; None: print blocks, with an
            empty line between two prefixes.
    """
    config = writer.config(config)
    # On a terminal the texts themselves tell how far it is.
    with nullcontext(ignore_progress) if sys.stdout.isatty() else bars.continuing() as report:
        found = writer.each(prefixes, config, report)
        for number, (prefix, written) in enumerate(zip(prefixes, found, strict=True)):
            if about is None:
                console.write("\n" * (number > 0) + "".join(f"{text}\n" for text in written))
            else:
                line = {"run": writer.run.name, "prefix": prefix, **about, "texts": written}
                console.write_json(line, indent=None)
