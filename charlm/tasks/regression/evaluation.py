"""How good a regression is on rows whose target is known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.html.notebook import HasSections
from charlm.rnn.encoder import Encoder
from charlm.scoring.report import grid_of_scores
from charlm.sections import THIS_RUN, Facts, Section
from charlm.tasks.regression.comparison import compare, sentence
from charlm.tasks.regression.dataset import NumbersDataset, reread_dataset
from charlm.tasks.regression.reading import read_numbers
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.regression.scores import RegressionScore, score_of
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.task import check_whole, part_to_score
from charlm.tasks.supervised.training import all_outputs

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegressionEvaluation(HasSections):
    """A regression's predictions for rows whose numbers are known.

    Args:
        split: train, val or test of the run's own, else "all".
        predicted, true: in the target's units, (rows,).
        baselines: what each of the simple models that the run keeps says, (rows,), by name.
        notes: sentences that whoever reads the score should see.
    """

    corpus: str
    split: str
    target: str
    predicted: Floats
    true: Floats
    baselines: Mapping[str, Floats]
    config: RegressionConfig
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> RegressionScore:
        """RMSE, MAE and R²."""
        return score_of(self.predicted, self.true)

    @property
    def baseline_scores(self) -> dict[str, RegressionScore]:
        """Those of the simple models."""
        return {name: score_of(each, self.true) for name, each in self.baselines.items()}

    @property
    def comparison(self) -> dict[str, Any] | None:
        """The best simple model, and the interval of the difference to it."""
        if not self.baselines:
            return None
        return compare(self.predicted, self.true, self.baselines, self.config)

    @property
    def verdict(self) -> str | None:
        """The same in a sentence."""
        found = self.comparison
        return None if found is None else sentence(found)

    def sections(self, run: str | None = None) -> Iterator[Section]:
        """What there is to say of a run, in the target's units, beside the simple models."""
        score, values = self.score, self.score.to_json()
        yield Facts(
            [
                *([("run", run)] if run else []),
                ("data", f"{self.corpus} ({self.split})"),
                ("target", self.target),
                ("rows", score.rows),
                *((each.title, values[each.key]) for each in score.figures),
            ]
        )
        if self.verdict is not None:
            yield grid_of_scores(
                {**self.baseline_scores, run or THIS_RUN: score}, "Beside simple models"
            )
            yield self.verdict

    def to_json(self) -> dict[str, Any]:
        about = {"corpus": self.corpus, "split": self.split, "target": self.target}
        others = {name: each.to_json() for name, each in self.baseline_scores.items()}
        compared = {"baselines": others, "comparison": self.comparison} if others else {}
        return {**about, **self.score.to_json(), **compared}


def evaluate_numbers(
    run: RegressionRun,
    model: Encoder,
    source: Any,
    split: str | None,
    encoding: str | None = None,
) -> RegressionEvaluation:
    """Predict rows whose numbers are known.

    Args:
        source: a table, in any of its forms; None is the run's own data.
        split: train, val or test of the run's own; by default what was held out.
        encoding: of the source; by default that of the run's data.

    Raises:
        CorpusError: no such columns, or nothing to predict.
        SettingError: a split of data that are not the run's.
    """
    notes: tuple[str, ...] = ()
    if source is None:
        data = reread_dataset(run, None)
        split = part_to_score(data, split)
        examples = data.part(split)
    else:
        check_whole(split)
        data, split = read_table(run, source, encoding), "all"
        notes = tuple(data.told)
        examples = data.examples
    outputs = all_outputs(model, examples.sequences)
    predicted = run.scaler.unscale_target(outputs[:, 0])
    kept, vocabulary = run.baselines, run.vocabulary_of_texts
    said = kept.predictions(examples.sequences, examples.last, vocabulary) if kept else {}
    return RegressionEvaluation(
        data.name,
        split,
        run.scaler.target,
        predicted,
        examples.values,
        said,
        run.regression,
        notes,
    )


def read_table(run: RegressionRun, source: Any, encoding: str | None) -> NumbersDataset:
    """A table that is not the run's, all of it one part.

    Raises:
        CorpusError: no such columns, or nothing to predict.
    """
    about, config = run.record.corpus, run.regression
    everything = replace(
        config,
        encoding=encoding or config.encoding,
        test=None,
        val=None,
        split_column=None,
        folds=None,
        fold=1,
        group_column=config.group_column if config.window is not None else None,
        val_fraction=0.0,
        test_fraction=0.0,
        target_column=about["target"],
        input_columns=None if config.reads_texts else ",".join(about["columns"]),
        missing="mean" if config.missing == "mean" else "drop",
    )
    read = read_numbers(source, everything, 0, needs_targets=False)
    return NumbersDataset(read, everything, run.scaler, run.vocabulary_of_texts)
