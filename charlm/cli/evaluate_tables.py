"""What `charlm eval` does for runs that are no language models."""

from typing import TYPE_CHECKING, Any

from charlm.cli import console
from charlm.cli.evaluate_labels import show as show_labels
from charlm.cli.evaluate_numbers import show as show_numbers

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
    elif trained.directory.record.task == "classification":
        show_labels(trained.name, result)
    else:
        show_numbers(trained.name, result)
