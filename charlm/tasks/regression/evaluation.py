"""How good a regression is on rows whose target is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError, SettingError
from charlm.rnn.encoder import Encoder
from charlm.tasks.regression.dataset import reread_dataset
from charlm.tasks.regression.predict import predict
from charlm.tasks.regression.reading import number_of
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.regression.scores import RegressionScore, score_of
from charlm.tasks.supervised.rows import Sources
from charlm.tasks.supervised.training import all_outputs
from charlm.text.splits import count

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegressionEvaluation:
    """A regression's predictions for rows whose numbers are known.

    Args:
        split: train, val or test of the run's own, else "all".
        predicted, true: in the target's units, (rows,).
    """

    corpus: str
    split: str
    target: str
    predicted: Floats
    true: Floats
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> RegressionScore:
        """RMSE, MAE and R²."""
        return score_of(self.predicted, self.true)

    def to_json(self) -> dict[str, Any]:
        about = {"corpus": self.corpus, "split": self.split, "target": self.target}
        return {**about, **self.score.to_json()}


def evaluate_numbers(
    run: RegressionRun, model: Encoder, source: Any, split: str | None
) -> RegressionEvaluation:
    """Predict rows whose numbers are known.

    Args:
        source: a table, in any of its forms; None is the run's own data.
        split: train, val or test of the run's own; by default what was held out.

    Raises:
        CorpusError: no such columns, or nothing to predict.
        SettingError: a split of data that are not the run's.
    """
    target = run.scaler.target
    if source is None:
        data = reread_dataset(run, None)
        split = split or data.split
        if split not in data.splits:
            raise SettingError("split", f"is train, val or test, not '{split}'.")
        sequences, true = data.part(split)
        if not len(sequences):
            raise CorpusError(f"{data.name} ({split}) has no rows.", "Name another part.")
        outputs = all_outputs(model, sequences)
        predicted = run.scaler.unscale_target(outputs[:, 0])
        return RegressionEvaluation(data.name, split, target, predicted, true)
    if split not in (None, "all"):
        raise SettingError("split", "is for the run's own data only.")
    table = Sources.open(source, run.regression).main
    table.column(target, "--target-column")
    known = [
        number_of(row[target], target, table.name, number) for number, row in enumerate(table, 1)
    ]
    found = [np.nan if each is None else each for each in predict(run, model, table)]
    values, numbers = np.array(known), np.array(found)
    there = ~(np.isnan(values) | np.isnan(numbers))
    if not there.any():
        raise CorpusError(f"{table.name} has no rows to predict.", "Give a table with some.")
    lacking = int((~there).sum())
    notes = (f"{count(lacking, 'row')} with missing values left out.",) if lacking else ()
    return RegressionEvaluation(table.name, "all", target, numbers[there], values[there], notes)
