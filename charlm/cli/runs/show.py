"""charlm runs show"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import Json, RunArgument, RunsDir
from charlm.errors import UsageError, spelled_out

if TYPE_CHECKING:
    from charlm.runs.directory import RunDirectory


def show(
    run: RunArgument = None,
    runs_dir: RunsDir = None,
    json: Json = False,
    toml: Annotated[
        bool,
        typer.Option("--toml", help="Print a settings file that trains the run again."),
    ] = False,
) -> None:
    """A run's settings, its history and its result."""
    from charlm.tasks.registry import find_run, task_of
    from charlm.tasks.summary import figures_of, settings_of, summary

    if json and toml:
        raise UsageError("--json and --toml do not go together.", "Leave one of them out.")
    found = find_run(run, runs_dir)
    if toml:
        show_toml(found)
        return
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
                row.get("epoch", "-"),
                console.number(row.get(f"train_{task.loss_name}")),
                console.number(row.get(task.loss_name)),
                *(console.number(row.get(each.key)) for each in figures),
                console.number(row.get("seconds"), 1),
            )
            for row in found.metrics()
        ),
    )


def number_in(row: Mapping[str, Any], name: str) -> float | None:
    """A number in a row of metrics; None where there is none."""
    value = row.get(name)
    return value if isinstance(value, float | int) else None


def show_toml(run: "RunDirectory") -> None:
    """Print the run's settings file, and say what may keep it from training the same."""
    from charlm.settings_file.repeating import caveats, settings_toml

    console.write(settings_toml(run))
    for sentence in caveats(run):
        console.say(spelled_out(sentence))
