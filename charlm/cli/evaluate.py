"""charlm eval"""

from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import scoring
from charlm.cli.options import BackendName, Device, Encoding, Json, RunName, RunsDir


def evaluate(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="A catalog name, files, a folder, a glob, or - for standard input.",
            show_default="the run's own text, what of it was held out",
        ),
    ] = None,
    run: RunName = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of the run's own text: train, val, test or all.", show_default="held out"
        ),
    ] = None,
    unknown: Annotated[
        str,
        typer.Option(
            help="Characters that the run lacks: replace (score as <unk>), skip or error."
        ),
    ] = "replace",
    per_line: Annotated[bool, typer.Option("--per-line", help="Score each line too.")] = False,
    max_perplexity: Annotated[
        float | None, typer.Option(help="Exit with 1 if the perplexity is higher than this.")
    ] = None,
    encoding: Encoding = "utf-8",
    device: Device = "auto",
    backend: BackendName = "auto",
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Score a text exactly: every character after the first, in order, the state carried along."""
    from charlm.api import load
    from charlm.errors import SettingError

    if max_perplexity is not None and not max_perplexity >= 1:
        raise SettingError("max_perplexity", f"must be at least 1, not {max_perplexity}.")
    trained = load(run, runs_dir=runs_dir)
    with scoring() as report:
        result = trained.evaluate(
            corpus,
            split=split,
            unknown=unknown,
            encoding=encoding,
            device=device,
            backend=backend,
            report=report,
        )
    score = result.score
    if json:
        content = {"run": trained.name, **result.to_json()}
        if per_line:
            content["lines"] = [
                {"line": line.number, "text": line.text, **line.score.to_json()}
                for line in result.lines
            ]
        console.write_json(content)
    else:
        if per_line:
            console.table(
                ("line", "characters", "perplexity", "bits/char", "text"),
                (
                    (
                        line.number,
                        line.score.characters,
                        console.number(line.score.perplexity),
                        console.number(line.score.bits_per_character),
                        line.text,
                    )
                    for line in result.lines
                ),
                wrap=("text",),
            )
        console.facts(
            [
                ("run", trained.name),
                ("text", f"{result.corpus} ({result.split})"),
                ("characters scored", f"{score.characters:,}"),
                ("unknown characters", f"{result.unknown_characters:,}"),
                ("nats per character", console.number(score.nats_per_character, 4)),
                ("perplexity", console.number(score.perplexity, 4)),
                ("bits per character", console.number(score.bits_per_character, 4)),
                ("bits per byte", console.number(result.bits_per_byte, 4)),
            ]
        )
    if max_perplexity is not None and not score.perplexity <= max_perplexity:
        console.say(
            f"The perplexity {console.number(score.perplexity)} is above the limit of "
            f"{max_perplexity:g}."
        )
        raise typer.Exit(1)
