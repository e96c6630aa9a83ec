"""Rows, windows of a series or texts, and a number for each, as the data of a run."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charlm.config import EncoderConfig, TrainConfig
from charlm.distributed.world import ALONE, World
from charlm.errors import CorpusError
from charlm.presets import Settings
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.encoder import Encoder
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.intervals import ItemValues
from charlm.scoring.score import Score
from charlm.tables.parts import NAMES, TRAIN, Parts, spans_of
from charlm.tables.table import Digest
from charlm.tasks.dataset import Dataset, Tell
from charlm.tasks.regression.baselines import Baselines
from charlm.tasks.regression.comparison import compare
from charlm.tasks.regression.examples import Examples, examples_of
from charlm.tasks.regression.reading import NumberRows, read_numbers
from charlm.tasks.regression.run import BASELINES, SCALER, RegressionRun
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.scores import RegressionScore, score_of
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.ngrams import INSTALL, is_possible
from charlm.tasks.supervised.run import DATA, PART, VOCABULARY, as_lines, reread
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.tasks.supervised.texts import TextCollector
from charlm.tasks.supervised.training import EncoderTraining, all_outputs
from charlm.text.splits import count
from charlm.text.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


class NumbersDataset(Dataset):
    """Examples with a number each, the parts one behind the other.

    Args:
        scaler, vocabulary: a run's; None makes them of the training part.
        files: make those that a new run keeps.
    """

    def __init__(
        self,
        read: NumberRows,
        config: RegressionConfig,
        scaler: Scaler | None = None,
        vocabulary: Vocabulary | None = None,
        files: bool = False,
    ) -> None:
        self.config, self.name = replace(config, encoding=read.encoding), read.name
        self.scaler = scaler or scaler_of(read, config)
        if read.texts is not None and vocabulary is None:
            vocabulary = vocabulary_of(read.texts, read.parts)
        self.vocabulary = vocabulary
        found = examples_of(read, config, self.scaler, vocabulary)
        order, self.splits = spans_of(found.parts)
        self.examples = found[order]
        self.split = next((n for n in ("test", "val") if self.size(n)), "train")
        self.check_parts(read)
        self.corpus = {
            "name": read.name,
            "source": read.source,
            "columns": list(read.columns),
            "target": read.target,
            "sha256": read.sha256,
            "rows": len(read.values),
        }
        if read.order is not None and read.order.clock is not None:
            self.corpus["clock"] = read.order.clock.to_json()
        self.told = list(self.told_of(read))
        self.notices = [*self.told, *self.notices_of_parts()]
        if files:
            self.files = {SCALER: self.scaler.to_json()}
            if vocabulary is not None:
                self.files[VOCABULARY] = vocabulary.to_json()
            if not read.source:
                self.files[DATA] = as_lines(copied_rows(read, config))

    def check_parts(self, read: NumberRows) -> None:
        """Raise CorpusError if a part that should have examples has none."""
        if self.config.window is None:
            return
        wanted = {NAMES[part] for part in read.parts.tolist()} | {"train"}
        for part in (name for name in NAMES if name in wanted and not self.size(name)):
            span = self.config.window + self.config.horizon
            raise CorpusError(
                f"The {part} part of {read.name} has no window: one takes {count(span, 'row')} "
                "that follow one another.",
                "Give a shorter --window or a longer series, or hold out a larger share.",
            )

    def told_of(self, read: NumberRows) -> Iterator[str]:
        """What to know of the rows."""
        yield from read.notes
        if read.missing:
            told = "filled with means of the training part"
            if self.config.missing == "drop":
                windows = self.config.window is not None
                told = "no window has them" if windows else "left out"
            yield f"{count(read.missing, 'row')} with missing values: {told}."
        if read.empty:
            yield f"{count(read.empty, 'row')} without text left out."
        order = read.order
        if order is not None:
            if not order.was_sorted:
                yield f"The rows were sorted by '{self.config.time_column}'."
            if order.gaps:
                named = ", ".join(f"{a} to {b}" for a, b in order.gaps[:3])
                more = f" and {len(order.gaps) - 3:,} more" if len(order.gaps) > 3 else ""
                where = f"{count(len(order.gaps), 'gap')} in '{self.config.time_column}'"
                yield f"{where}, which no window crosses: {named}{more}."

    def notices_of_parts(self) -> Iterator[str]:
        """What to know of the parts before training."""
        if self.config.window is not None:
            sizes = ", ".join(f"{name} {self.size(name):,}" for name in NAMES if self.size(name))
            yield f"Windows of {count(self.config.window, 'row')}: {sizes}."
        if self.split == "train":
            yield "Nothing is held out: what is shown is no figure for other rows."
        elif self.vocabulary is not None and not is_possible():
            yield f"For linear models of n-grams to compare with: {INSTALL}"

    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: torch.device,
        backend: str,
        tell: Tell,
    ) -> Settings:
        """Set the sizes of input and output; batches no larger than the data."""
        model = replace(
            cast("EncoderConfig", settings.model),
            input_size=len(self.scaler.columns),
            output_size=1,
        )
        if self.vocabulary is not None:
            model = replace(model, vocabulary_size=len(self.vocabulary))
        batch_size = min(settings.train.batch_size, self.size("train"))
        train = replace(settings.train, batch_size=batch_size)
        data = replace(settings.data, encoding=self.config.encoding)
        return replace(settings, model=model, train=train, data=data)

    def part(self, name: str) -> Examples:
        """The examples of a part."""
        return self.examples[slice(*self.splits[name])]

    def training_task(self, model: RecurrentModel, config: TrainConfig) -> EncoderTraining:
        """Squared error of the target, scaled if that is asked for."""

        def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.mse_loss(outputs.squeeze(1), targets)

        train, held_out = self.part("train"), self.part("val")
        return EncoderTraining(
            cast("Encoder", model),
            train.sequences,
            self.scaler.scale_target(train.values),
            held_out.sequences,
            held_out.values,
            cast("EncoderTrainConfig", config),
            loss,
            self.score_outputs,
            math.inf,
            world=self.world,
        )

    def score_outputs(self, outputs: npt.NDArray[Any], true: npt.NDArray[Any]) -> RegressionScore:
        """The score of a model's outputs (examples, 1)."""
        predicted = self.scaler.unscale_target(outputs[:, 0])
        return score_of(predicted, true.astype(np.float64), self.scaler.target_spread)

    def predictions(self, model: RecurrentModel, split: str, world: World = ALONE) -> Floats:
        """What a model says of a part's examples, in the target's units, (examples,).

        Args:
            world: the processes that share this.
        """
        outputs = all_outputs(cast("Encoder", model), self.part(split).sequences, world)
        return self.scaler.unscale_target(outputs[:, 0])

    def score(self, model: RecurrentModel, split: str) -> Score:
        """RMSE, MAE and R²."""
        true = self.part(split).values
        predicted = self.predictions(model, split, self.world)
        return score_of(predicted, true, self.scaler.target_spread)

    def item_values(
        self,
        model: RecurrentModel,
        split: str,
        run: RunDirectory,
        report: ProgressCallback = ignore_progress,
    ) -> ItemValues:
        """The squared error of each row; of a series, neighbours are alike."""
        part = self.part(split)
        errors = (self.predictions(model, split) - part.values) ** 2
        scored = Digest()
        scored.add(self.scaler.target, str(part.rows.tolist()), str(part.values.tolist()))
        is_series = self.config.window is not None
        return ItemValues(errors, "row", scored.hexdigest(), is_series, part.groups)

    def baselines(self, split: str) -> Mapping[str, Score]:
        """The mean of the training part, least squares, and of a series the last value seen."""
        train, held_out = self.part("train"), self.part(split)
        self.fitted = Baselines.fit(train.sequences, train.values, self.vocabulary)
        self.said = self.fitted.predictions(held_out.sequences, held_out.last, self.vocabulary)
        spread = self.scaler.target_spread
        return {name: score_of(each, held_out.values, spread) for name, each in self.said.items()}

    def finish(self, model: RecurrentModel, split: str, run: RunDirectory) -> dict[str, Any]:
        """Keep the baselines; how sure the difference to the best of them is."""
        run.write_arrays(BASELINES, self.fitted.arrays())
        predicted, true = self.predictions(model, split), self.part(split).values
        return {"comparison": compare(predicted, true, self.said, self.config)}


def scaler_of(read: NumberRows, config: RegressionConfig) -> Scaler:
    """The scaler of the training part."""
    train = read.parts == TRAIN
    values = read.values[train]
    known = values[~np.isnan(values)]
    if not len(known):
        raise CorpusError(f"The training part of {read.name} has no rows.", "Hold out fewer.")
    columns = () if config.reads_texts else read.columns
    return Scaler.fit(columns, read.inputs[train], read.target, known, config.standardize)


def vocabulary_of(texts: TextCollector, parts: Parts) -> Vocabulary:
    """The vocabulary of the training part's texts."""
    return texts.build_vocabulary(texts.ordered(np.flatnonzero(parts == TRAIN)))


def copied_rows(read: NumberRows, config: RegressionConfig) -> Iterator[dict[str, Any]]:
    """The rows, as a run keeps them that cannot read them again."""
    for row, (value, part) in enumerate(zip(read.values, read.parts.tolist(), strict=True)):
        if read.texts is not None:
            cells: dict[str, Any] = {read.columns[0]: read.texts.text(row)}
        else:
            cells = dict(zip(read.columns, read.inputs[row].tolist(), strict=True))
        if config.time_column is not None:
            cells[config.time_column] = read.times[row]
        if config.group_column is not None and read.groups is not None:
            cells[config.group_column] = read.groups[row]
        yield {**cells, read.target: float(value), PART: NAMES[part]}


def read_dataset(source: Any, settings: Settings) -> NumbersDataset:
    """The data of a new run."""
    config = cast("RegressionConfig", settings.data)
    return NumbersDataset(read_numbers(source, config, settings.train.seed), config, files=True)


def reread_dataset(run: RegressionRun, source: Any) -> NumbersDataset:
    """The data of a run that goes on.

    Raises:
        RunError: they are not what they were.
    """
    read = reread(run, source, read_numbers)
    return NumbersDataset(read, run.regression, run.scaler, run.vocabulary_of_texts)
