"""What `charlm eval` shows of a classifier."""

from typing import TYPE_CHECKING

from charlm.cli import console

if TYPE_CHECKING:
    from charlm.tasks.classification.evaluation import ClassificationEvaluation

# Beyond so many labels the pairs that are confused most often stand for the whole matrix.
MATRIX, PAIRS = 20, 20


def show(run: str, result: "ClassificationEvaluation") -> None:
    """Figures, labels and confusions."""
    score = result.score
    console.facts(
        [
            ("run", run),
            ("data", f"{result.corpus} ({result.split})"),
            ("texts", console.count(score.texts)),
            ("accuracy", console.number(score.accuracy, 4)),
            ("macro F1", console.number(result.macro_f1, 4)),
            ("log loss", console.number(score.loss, 4)),
            ("calibration error", console.number(result.calibration_error, 4)),
            ("temperature", console.number(result.temperature, 3)),
            ("log loss at that temperature", console.number(result.calibrated.score.loss, 4)),
            ("calibration error there", console.number(result.calibrated.calibration_error, 4)),
        ]
    )
    console.gap()
    console.table(
        ("label", "precision", "recall", "F1", "texts"),
        (
            (
                each.label,
                console.number(each.precision),
                console.number(each.recall),
                console.number(each.f1),
                console.count(each.texts),
            )
            for each in result.by_label
        ),
        left=("label",),
    )
    console.gap()
    if len(result.labels) <= MATRIX:
        console.table(
            ("true \\ given", *result.labels),
            (
                (label, *(console.count(n) for n in row))
                for label, row in zip(result.labels, result.confusion.tolist(), strict=True)
            ),
            left=("true \\ given",),
        )
        return
    console.table(
        ("true", "given", "texts"),
        ((true, given, console.count(n)) for true, given, n in result.confused(PAIRS)),
        left=("true", "given"),
    )
