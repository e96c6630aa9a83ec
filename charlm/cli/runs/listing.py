"""charlm runs list"""

from itertools import combinations
from typing import Any

from charlm.cli import console
from charlm.cli.options import Json, RunsDir


def list_all(runs_dir: RunsDir = None, json: Json = False) -> None:
    """All runs, newest first."""
    from charlm.files.paths import runs_folder
    from charlm.runs.commands import command
    from charlm.runs.directory import RunDirectory
    from charlm.tasks.comparison import differences, scored
    from charlm.tasks.registry import list_runs
    from charlm.tasks.summary import figures_of, summary

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
