"""What `charlm eval` shows of a regression."""

from typing import TYPE_CHECKING

from charlm.cli import console

if TYPE_CHECKING:
    from charlm.tasks.regression.evaluation import RegressionEvaluation


def show(run: str, result: "RegressionEvaluation") -> None:
    """Errors in the target's units."""
    values = result.score.to_json()
    console.facts(
        [
            ("run", run),
            ("data", f"{result.corpus} ({result.split})"),
            ("target", result.target),
            ("rows", console.count(result.score.rows)),
            *((each.title, console.number(values[each.key], 4)) for each in result.score.figures),
        ]
    )
