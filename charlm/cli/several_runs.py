"""What `charlm train` shows of several runs: those of all folds, and those of all seeds."""

from typing import TYPE_CHECKING

import typer

from charlm.cli import console
from charlm.cli.evaluate_tables import show_grid
from charlm.runs.commands import command

if TYPE_CHECKING:
    from charlm.cross_validation import CrossValidation
    from charlm.repetition import Repetition


def show_folds(validated: "CrossValidation", json: bool, code: int) -> None:
    """Print the scores of all folds, and of all rows beside the baselines.

    Args:
        code: exit code if training was interrupted.
    """
    runs, folds = validated.runs, validated.folds
    if not validated.finished:
        done = len([run for run in runs if "score" in run.result])
        base = runs[0].name.removesuffix("-fold-1")
        console.say(f"Interrupted after {done} of {folds} folds; what is trained is saved.")
        console.say(f"Give the same command with --run {base} to go on with them.")
        raise typer.Exit(code)
    if json:
        console.write_json(validated.to_json())
        return
    show_grid(validated.grid_of_folds, digits=3)
    console.gap()
    console.write(validated.grid_of_rows.caption + "\n")
    show_grid(validated.grid_of_rows, digits=3)


def show_repetition(repeated: "Repetition", json: bool, code: int) -> None:
    """Print the score of each seed, their mean and standard deviation.

    Args:
        code: exit code if training was interrupted.
    """
    runs, times = repeated.runs, repeated.times
    if not repeated.finished:
        last = runs[-1]
        base = last.name.removesuffix(f"-seed-{repeated.seeds[-1]}")
        done = len(runs) - (not repeated.ended[-1])
        console.say(f"Interrupted after {done} of {times} seeds; what is trained is saved.")
        console.say(f"Give the same command again, with --run {base}, to go on with them.")
        raise typer.Exit(code)
    if json:
        console.write_json(repeated.to_json())
        return
    show_grid(repeated.grid, digits=4)
    console.gap()
    for note in repeated.notes:
        console.write(note + "\n")
    if not repeated.scores:
        return
    folder = runs[0].path.parent
    compare = command("runs", "compare", *(run.name for run in runs), folder=folder)
    console.say(f"Next: {compare}")
