"""charlm runs list | show | compare | delete"""

import sys
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.commands import Commands
from charlm.cli.options import Json, RunsDir
from charlm.errors import UsageError

if TYPE_CHECKING:
    from charlm.runs.directory import RunDirectory
    from charlm.scoring.score import Figure

runs_app = Commands(help="What was trained.", no_args_is_help=True)
Names = Annotated[list[str], typer.Argument(metavar="RUN...", help="Names or paths of runs.")]


@runs_app.command("list")
def list_all(runs_dir: RunsDir = None, json: Json = False) -> None:
    """All runs, newest first."""
    from charlm.files.paths import runs_folder
    from charlm.runs.commands import command
    from charlm.runs.directory import RunDirectory
    from charlm.tasks.comparison import differences, scored
    from charlm.tasks.registry import list_runs

    folder = runs_folder(runs_dir)
    listed = list_runs(folder)
    for each in listed:
        if not isinstance(each, RunDirectory):
            console.say(f"Left out: {each}")
    runs = [each for each in listed if isinstance(each, RunDirectory)]
    rows = [summary(run) for run in runs]
    if json:
        console.write_json(rows)
    elif not rows:
        make_one = command("train", folder=folder)
        console.say(f"There is no run in '{folder}' yet. Make one: {make_one}")
    else:
        # Runs of different tasks have different figures.
        figures = {each.key: each.title for run in runs for each in figures_of(run)}
        table = [
            {
                "name": row["name"],
                "cell": size_of(row),
                **{title: console.number(row.get(key)) for key, title in figures.items()},
                "scored": scored_split(row),
                "status": row["status"],
                "parameters": console.count(row["parameters"]),
                "created (UTC)": row["created"][:16].replace("T", " "),
            }
            for row in rows
        ]
        # A narrow terminal gets the columns that matter most.
        narrow = console.terminal().is_terminal and console.terminal().width < 108
        columns = list(table[0])[: -2 if narrow else None]
        console.table(
            columns,
            ([row[column] for column in columns] for row in table),
            left=("name", "cell", "scored", "status"),
        )
        pairs = combinations([run for run in runs if scored(run)], 2)
        for names in ([run.name for run in pair] for pair in pairs if any(differences(pair))):
            why = command("runs", "compare", *names, folder=folder)
            console.say(f"Not all of these scores compare. To see why: {why}")
            break


def scored_split(row: dict[str, Any]) -> str:
    """The split that a run was scored on, with "so far" unless the score is final."""
    return "-" if row["split"] is None else row["split"] + ("" if row["final"] else " so far")


def size_of(row: dict[str, Any]) -> str:
    """Such as "gru 384" or "lstm 2×512"."""
    layers = f"{row['num_layers']}×" if row["num_layers"] > 1 else ""
    return f"{row['cell']} {layers}{row['hidden_size']}"


def figures_of(run: "RunDirectory") -> "tuple[Figure, ...]":
    """The figures, such as the perplexity, in which a run's scores are reported."""
    from charlm.tasks.registry import task_of

    return task_of(run).score_type.figures


def summary(run: "RunDirectory") -> dict[str, Any]:
    """A run as one row: what it is, and its final held-out score or else the best so far."""
    from charlm.tasks.comparison import scored
    from charlm.tasks.registry import task_of

    record, task = run.record, task_of(run)
    reported = scored(run)
    figures = figures_of(run)
    values = reported.score.to_json() if reported else {}
    return {
        "name": run.name,
        "task": record.task,
        "cell": record.model["cell"],
        "backend": record.backend,
        "num_layers": record.model["num_layers"],
        "hidden_size": record.model["hidden_size"],
        "parameters": record.parameters,
        "corpus": record.corpus["name"],
        **{each.key: values.get(each.key) for each in figures},
        "split": reported.split if reported else None,
        f"{task.item}s_scored": reported.items if reported else None,
        "final": reported.final if reported else None,
        f"train_{task.train_figure}": record.result.get(f"train_{task.train_figure}"),
        "status": run.status,
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
    from charlm.tasks.registry import find_run, task_of

    found = find_run(run, runs_dir)
    record, task = found.record, task_of(found)
    if json:
        console.write_json(
            {
                **vars(record),
                "status": found.status,
                "path": str(found.path),
                "metrics": found.metrics(),
            }
        )
        return
    sizes = (
        f"{name} {console.count(stop - start)}" for name, (start, stop) in record.splits.items()
    )
    console.facts(
        [
            *((name, value) for name, value in summary(found).items() if value is not None),
            ("text", task.describe_data(found)),
            ("splits", ", ".join(sizes)),
            *([("started from", record.parent)] if record.parent else []),
            ("settings", ", ".join(f"{n}={v}" for n, v in settings_of(found).items())),
        ]
    )
    console.gap()
    figures, loss = figures_of(found), task.loss_title
    titles = [each.title for each in figures]
    console.table(
        ("step", "epoch", f"train {loss}", f"held-out {loss}", *titles, "seconds"),
        (
            (
                console.count(row["step"]),
                row["epoch"],
                console.number(row[f"train_{task.loss_name}"]),
                console.number(row.get(task.loss_name)),
                *(console.number(row.get(each.key)) for each in figures),
                console.number(row["seconds"], 1),
            )
            for row in found.metrics()
        ),
    )


def settings_of(run: "RunDirectory") -> dict[str, Any]:
    """All settings of a run that are not None, by name."""
    record = run.record
    values = {**record.data, **record.model, **record.train}
    return {name: value for name, value in values.items() if value is not None}


@runs_app.command()
def compare(runs: Names, runs_dir: RunsDir = None, json: Json = False) -> None:
    """Runs side by side: their scores, and the settings in which they differ."""
    from charlm.tasks.comparison import differences
    from charlm.tasks.registry import find_run, task_of

    found = [find_run(name, runs_dir) for name in runs]
    if len(found) < 2:
        raise UsageError("One run alone cannot be compared.", "Name two or more.")
    columns = [
        {
            **{name: value for name, value in summary(each).items() if name != "path"},
            "sha256": each.record.corpus.get("sha256"),
            "normalization": each.record.corpus.get("normalization"),
            "seconds": each.record.result.get("seconds"),
            "steps": each.record.result.get("steps"),
            **settings_of(each),
        }
        for each in found
    ]
    if json:
        console.write_json(columns)
        return
    always = {"name", "split", "parameters"} | {f"{task_of(each).item}s_scored" for each in found}
    always |= {figure.key for each in found for figure in figures_of(each)}
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [
        (name, *(shown(column.get(name)) for column in columns))
        for name in names
        if name in always or len({str(column.get(name)) for column in columns}) > 1
    ]
    console.table(rows[0], rows[1:], left=(rows[0][0],))
    for difference in differences(found):
        console.say(difference)


def shown(value: Any) -> str:
    """Format any value for the table of `compare`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return console.count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@runs_app.command()
def delete(
    runs: Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Delete runs for good."""
    from charlm.runs.deletion import delete_run, run_to_delete

    # Find all of them first, so that a wrong name deletes nothing; a run named twice counts once.
    paths = list(dict.fromkeys(run_to_delete(name, runs_dir) for name in runs))
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("Deleting needs a yes.", "Give --yes.")
        typer.confirm(f"Delete {', '.join(map(deletion_name, paths))} for good?", abort=True)
    for path in paths:
        what = deletion_name(path)
        delete_run(path)
        console.say(f"Deleted {what}.")


def deletion_name(path: Path) -> str:
    """What to call a run to delete; a link is deleted without the run it leads to."""
    if path.is_symlink():
        stays = f" (the run {path.resolve()} stays)" if path.exists() else ""
        return f"the link {path.name}{stays}"
    return path.name
