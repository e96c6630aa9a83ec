"""charlm runs list | show | compare | delete"""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.commands import Commands
from charlm.cli.options import Json, RunsDir
from charlm.errors import UsageError

if TYPE_CHECKING:
    from charlm.runs import RunDirectory

runs_app = Commands(help="What was trained.", no_args_is_help=True)
Names = Annotated[list[str], typer.Argument(metavar="RUN...", help="Names or paths of runs.")]


@runs_app.command("list")
def list_all(runs_dir: RunsDir = None, json: Json = False) -> None:
    """All runs, newest first."""
    from charlm.commands import command
    from charlm.folders import runs_folder
    from charlm.runs import RunDirectory, list_runs

    folder = runs_folder(runs_dir)
    rows = []
    for run in list_runs(folder):
        if isinstance(run, RunDirectory):
            rows.append(summary(run))
        else:
            console.say(f"Left out: {run}")
    if json:
        console.write_json(rows)
    elif not rows:
        make_one = command("train", folder=folder)
        console.say(f"There is no run in '{folder}' yet. Make one: {make_one}")
    else:
        table = [
            {
                "name": row["name"],
                "cell": size_of(row),
                "perplexity": console.number(row["perplexity"]),
                "bits": console.number(row["bits_per_character"]),
                "status": row["status"],
                "parameters": console.count(row["parameters"]),
                "created (UTC)": row["created"][:16].replace("T", " "),
            }
            for row in rows
        ]
        # A narrow terminal gets the columns that matter most.
        narrow = console.terminal().is_terminal and console.terminal().width < 96
        columns = list(table[0])[: 5 if narrow else None]
        console.table(
            columns,
            ([row[column] for column in columns] for row in table),
            left=("name", "cell", "status"),
        )


def size_of(row: dict[str, Any]) -> str:
    """Such as "gru 384" or "lstm 2×512"."""
    layers = f"{row['num_layers']}×" if row["num_layers"] > 1 else ""
    return f"{row['cell']} {layers}{row['hidden_size']}"


def summary(run: "RunDirectory") -> dict[str, Any]:
    """A run in a row: what it is, and its best held-out score so far."""
    record = run.record
    scored = [row for row in run.metrics() if row.get("perplexity") is not None]
    best = min(scored, key=lambda row: row["nats_per_character"], default={})
    score = record.result.get("score") or best
    return {
        "name": run.name,
        "cell": record.model["cell"],
        "backend": record.backend,
        "num_layers": record.model["num_layers"],
        "hidden_size": record.model["hidden_size"],
        "parameters": record.parameters,
        "corpus": record.corpus["name"],
        "perplexity": score.get("perplexity"),
        "bits_per_character": score.get("bits_per_character"),
        "train_perplexity": record.result.get("train_perplexity"),
        "status": record.status,
        "created": record.created,
        "path": str(run.path.resolve()),
    }


@runs_app.command()
def show(
    run: Annotated[
        str | None, typer.Argument(help="A run's name or path.", show_default="the newest")
    ] = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """A run's settings, its history and its result."""
    from charlm.runs import find_run

    found = find_run(run, runs_dir)
    record = found.record
    if json:
        console.write_json({**vars(record), "path": str(found.path), "metrics": found.metrics()})
        return
    text = record.corpus
    characters = console.count(text["characters"])
    sizes = (f"{name} {console.count(record.spans.size(name))}" for name in record.splits)
    console.facts(
        [
            *((name, value) for name, value in summary(found).items() if value is not None),
            ("text", f"{text['name']}, {text['normalization']}, {characters} characters"),
            ("splits", ", ".join(sizes)),
            *([("started from", record.parent)] if record.parent else []),
            ("settings", ", ".join(f"{n}={v}" for n, v in settings_of(found).items())),
        ]
    )
    console.gap()
    console.table(
        ("step", "epoch", "train nats", "held-out nats", "perplexity", "bits/char", "seconds"),
        (
            (
                console.count(row["step"]),
                row["epoch"],
                console.number(row["train_nats_per_character"]),
                console.number(row.get("nats_per_character")),
                console.number(row.get("perplexity")),
                console.number(row.get("bits_per_character")),
                console.number(row["seconds"], 1),
            )
            for row in found.metrics()
        ),
    )


def settings_of(run: "RunDirectory") -> dict[str, Any]:
    """Every setting that has a value, by name."""
    record = run.record
    values = {**record.data, **record.model, **record.train}
    return {name: value for name, value in values.items() if value is not None}


@runs_app.command()
def compare(runs: Names, runs_dir: RunsDir = None, json: Json = False) -> None:
    """Runs side by side: their scores, and the settings in which they differ."""
    from charlm.runs import find_run

    found = [find_run(name, runs_dir) for name in runs]
    if len(found) < 2:
        raise UsageError("One run alone cannot be compared.", "Name two or more.")
    columns = [
        {
            **{name: value for name, value in summary(each).items() if name != "path"},
            "sha256": each.record.corpus["sha256"],
            "normalization": each.record.corpus["normalization"],
            "seconds": each.record.result.get("seconds"),
            "steps": each.record.result.get("steps"),
            **settings_of(each),
        }
        for each in found
    ]
    if json:
        console.write_json(columns)
        return
    always = ("name", "perplexity", "bits_per_character", "parameters")
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [
        (name, *(shown(column.get(name)) for column in columns))
        for name in names
        if name in always or len({str(column.get(name)) for column in columns}) > 1
    ]
    console.table(rows[0], rows[1:], left=(rows[0][0],))
    if len({column["sha256"] + column["normalization"] for column in columns}) > 1:
        console.say("These runs were trained on different texts: their scores do not compare.")


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return console.count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@runs_app.command()
def delete(
    runs: Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Delete runs for good."""
    from charlm.runs import delete_run, run_to_delete

    paths = [run_to_delete(name, runs_dir) for name in runs]
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("Deleting needs a yes.", "Give --yes.")
        typer.confirm(f"Delete {', '.join(path.name for path in paths)} for good?", abort=True)
    for path in paths:
        delete_run(path)
        console.say(f"Deleted {path.name}.")
