"""charlm eval"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.bars import scoring
from charlm.cli.completion import complete_runs, corpora_and_files
from charlm.cli.loading import load_run
from charlm.cli.options import (
    BackendName,
    Device,
    Json,
    RunsDir,
    Split,
    TextEncoding,
    Threads,
    Threshold,
    Unknown,
    announce_standard_input,
)

if TYPE_CHECKING:
    from charlm.scoring.results import Evaluation


def evaluate(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            callback=announce_standard_input,
            autocompletion=corpora_and_files,
            help="A catalog name, files, a folder, a glob, or - for standard input.",
            show_default="the run's own text, what of it was held out",
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="A run's name or path; given again, the average of several is scored.",
            autocompletion=complete_runs,
            show_default="the newest",
        ),
    ] = None,
    split: Split = None,
    unknown: Unknown = "replace",
    per_line: Annotated[bool, typer.Option("--per-line", help="Score each line too.")] = False,
    dynamic: Annotated[
        bool,
        typer.Option(
            "--dynamic",
            help="Score also with weights that follow the text (dynamic evaluation).",
        ),
    ] = False,
    dynamic_rate: Annotated[
        float | None,
        typer.Option(help="How fast they follow; 0: not at all.", show_default="0.0001"),
    ] = None,
    mix: Annotated[
        bool,
        typer.Option(
            "--mix",
            help="Score also with n-gram models of the training text and of the text so far, and "
            "the longest match, mixed in.",
        ),
    ] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Score also with a temperature and a share of a 6-gram model, chosen on the "
            "validation split.",
        ),
    ] = False,
    threshold: Threshold = None,
    max_perplexity: Annotated[
        float | None, typer.Option(help="Exit with 1 if the perplexity is higher than this.")
    ] = None,
    encoding: TextEncoding = None,
    device: Device = "auto",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Score a text exactly: every character after the first, in order, the state carried along."""
    from charlm.cli.evaluate_tables import evaluate_table
    from charlm.ensemble import evaluate_together
    from charlm.errors import UsageError
    from charlm.tasks.registry import DEFAULT_TASK

    check_options(run or [], dynamic, dynamic_rate, calibrate, mix, max_perplexity)
    trained = [load_run(name, runs_dir) for name in run or (None,)]
    options: dict[str, Any] = {
        "split": split,
        "unknown": unknown,
        "encoding": encoding,
        "device": device,
        "backend": backend,
        "dynamic": dynamic_config(dynamic_rate) if dynamic else False,
    }
    if any(each.directory.record.task != DEFAULT_TASK for each in trained):
        if per_line or max_perplexity is not None or len(trained) > 1:
            raise UsageError(
                "--per-line, --max-perplexity and averages are of language models.",
                "Leave them out, or name other runs.",
            )
        options["dynamic"] = dynamic
        evaluate_table(
            trained[0], corpus, json, calibrate=calibrate, mix=mix, threshold=threshold, **options
        )
        return
    if threshold is not None:
        raise UsageError("--threshold is of runs with labels.", "Leave it out.")
    with scoring() as report:
        if len(trained) > 1:
            result, members = evaluate_together(trained, corpus, report=report, **options)
        else:
            members = []
            options |= {"calibrate": calibrate, "mix": mix}
            result = trained[0].evaluate(corpus, report=report, **options)
    for note in result.notes:
        console.say(note)
    names = [each.name for each in trained]
    named = list(zip(names, members, strict=False))
    if json:
        console.write_json(as_json(names[0], named, result, per_line))
    else:
        if per_line:
            show_lines(result)
            console.gap()
        show(names, named, result)
    perplexity = result.score.perplexity
    if max_perplexity is not None and not perplexity <= max_perplexity:
        console.say(over_limit(perplexity, max_perplexity))
        raise typer.Exit(1)


def check_options(
    runs: list[str],
    dynamic: bool,
    dynamic_rate: float | None,
    calibrate: bool,
    mix: bool,
    max_perplexity: float | None,
) -> None:
    """Raise SettingError for a value out of range, or options that do not go together."""
    from charlm.errors import SettingError

    if max_perplexity is not None and not 1 <= max_perplexity < math.inf:
        infinite = math.isinf(max_perplexity)
        got = " and finite." if infinite else f", not {max_perplexity}."
        raise SettingError("max_perplexity", f"must be at least 1{got}")
    if dynamic_rate is not None and not dynamic:
        raise SettingError("dynamic_rate", "goes with --dynamic.")
    for name, wanted in (("calibrate", calibrate), ("mix", mix)):
        if wanted and len(runs) > 1:
            raise SettingError(name, "takes one run, not several.")


def as_json(
    run: str, members: list[tuple[str, "Evaluation"]], result: "Evaluation", per_line: bool
) -> dict[str, Any]:
    """The object that `--json` prints.

    Args:
        run: name of the run, used if there is only one.
        members: name and scores of each run if there are several, else empty.
        result: the scores of the run, or of the average of all runs.
    """
    content: dict[str, Any] = {"run": run}
    if members:
        content = {"runs": [{"run": name, **each.to_json()} for name, each in members]}
    content |= result.to_json()
    if per_line:
        content["lines"] = [
            {"line": line.number, "text": line.text, **line.score.to_json()}
            for line in result.lines
        ]
    return content


def show(names: list[str], members: list[tuple[str, "Evaluation"]], result: "Evaluation") -> None:
    """Print the scores for people; arguments as for `as_json`, with the names of all runs."""
    named = [("runs" if members else "run", ", ".join(names))]
    facts = [*named, ("text", f"{result.corpus} ({result.split})"), *result.facts()]
    if members or len(result.scores) > 1:
        console.facts(readable(facts[:4]))
        show_scores([*members, ("average" if members else "", result)])
        return
    console.facts(readable(facts))
    if result.interval.note:
        console.say(result.interval.note)


def readable(facts: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Facts with their numbers as people read them."""
    for name, value in facts:
        if isinstance(value, int):
            yield name, console.count(value)
        else:
            yield name, value if isinstance(value, str) else console.number(value, 4)


def over_limit(perplexity: float, limit: float) -> str:
    """The message for a perplexity above the limit."""
    if math.isnan(perplexity):
        return f"The perplexity is not a number, and so not within the limit of {limit:g}."
    if math.isinf(perplexity):
        return f"The perplexity is too large for a number, above the limit of {limit:g}."
    # As many digits as it takes to tell the two apart.
    digits = next((n for n in range(3, 15) if f"{perplexity:.{n}f}" != f"{limit:.{n}f}"), 15)
    return f"The perplexity {console.number(perplexity, digits)} is above the limit of {limit:g}."


def dynamic_config(rate: float | None) -> Any:
    """Settings of dynamic evaluation; None means the default rate."""
    from charlm.scoring.adjusted import DynamicConfig

    if rate is None:
        return DynamicConfig()
    from charlm.errors import SettingError

    try:
        return DynamicConfig(rate=rate)
    except SettingError as error:
        raise SettingError("dynamic_rate", error.problem) from None


def show_lines(result: "Evaluation") -> None:
    """Print a table with the score of each line of the text."""
    score = result.score
    one = "line" if result.documents is None else "document"
    console.table(
        (one, f"{score.item}s", "perplexity", f"bits/{score.short}", "text"),
        (
            (
                line.number,
                line.score.tokens,
                console.number(line.score.perplexity),
                console.number(line.score.bits),
                line.text,
            )
            for line in result.lines
        ),
        wrap=("text",),
    )


def show_scores(results: list[tuple[str, "Evaluation"]]) -> None:
    """Print a table of all scores of all results, and how they were made."""
    several = any(len(result.scores) > 1 for _, result in results)
    rows = [
        (
            " ".join(filter(None, (label, name if several else ""))),
            *(console.number(each, 4) for each in numbers),
        )
        for label, result in results
        for name, *numbers in result.table()[1]
    ]
    console.gap()
    console.table(results[-1][1].table()[0], rows, left=("score",))
    for note in results[-1][1].remarks:
        console.write(note + "\n")
