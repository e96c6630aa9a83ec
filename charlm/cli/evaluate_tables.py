"""What `charlm eval` does for runs that are no language models."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from charlm.cli import console
from charlm.sections import Facts, Grid, Value

if TYPE_CHECKING:
    from charlm.run import Run


def evaluate_table(trained: "Run", source: list[str] | None, json: bool, **options: Any) -> None:
    """Score and show a run that is no language model's."""
    del options["unknown"]  # of characters; words that a run lacks are read as <unk>
    result = trained.evaluate(source, **options)
    for note in result.notes:
        console.say(note)
    if json:
        console.write_json({"run": trained.name, **result.to_json()})
        return
    for number, section in enumerate(result.sections(trained.name)):
        if number:
            console.gap()
        if isinstance(section, Facts):
            console.facts([(name, shown(value)) for name, value in section.pairs])
        elif isinstance(section, Grid):
            show_grid(section)
        else:
            console.write(section + "\n")


def show_grid(grid: Grid, digits: int = 4, wrap: Collection[str] = ()) -> None:
    """A table, its first columns aligned left; some may take several lines."""
    rows = ([shown(value, digits) for value in row] for row in grid.rows)
    console.table(grid.columns, rows, left=grid.columns[: grid.names], wrap=wrap)


def shown(value: Value, digits: int = 4) -> str:
    """A value as people read it."""
    if isinstance(value, str):
        return value
    return console.count(value) if isinstance(value, int) else console.number(value, digits)
