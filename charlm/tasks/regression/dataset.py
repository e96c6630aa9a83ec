"""Rows of numbers as the data of a run."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charlm.config import EncoderConfig, TrainConfig
from charlm.errors import RunError
from charlm.files import strict_json
from charlm.presets import Settings
from charlm.rnn.encoder import Encoder
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score
from charlm.tables.parts import NAMES, spans_of
from charlm.tables.table import Table
from charlm.tasks.regression.reading import NumberRows, read_numbers
from charlm.tasks.regression.run import SCALER, RegressionRun
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.scores import RegressionScore, paired_interval, score_of
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.run import DATA
from charlm.tasks.supervised.training import EncoderTraining, all_outputs
from charlm.tasks.task import Dataset, Tell
from charlm.text.splits import count

Floats = npt.NDArray[np.float64]


class NumbersDataset(Dataset):
    """Rows of numbers, the parts one behind the other; a row is one step of a sequence.

    Args:
        scaler: a run's; None fits one to the training part.
    """

    def __init__(
        self,
        read: NumberRows,
        config: RegressionConfig,
        scaler: Scaler | None = None,
        files: bool = False,
    ) -> None:
        order, self.splits = spans_of(read.parts)
        self.split = next((n for n in ("test", "val") if self.size(n)), "train")
        inputs, self.values = read.inputs[order], read.values[order]
        train = slice(*self.splits["train"])
        self.scaler = scaler or Scaler.fit(
            read.columns, inputs[train], read.target, self.values[train], config.standardize
        )
        scaled = self.scaler.scale(inputs)
        self.sequences = Sequences(scaled, np.arange(len(scaled) + 1))
        self.name = read.name
        self.corpus = {
            "name": read.name,
            "source": read.source,
            "columns": list(read.columns),
            "target": read.target,
            "sha256": read.sha256,
            "rows": len(order),
        }
        told = "left out" if config.missing == "drop" else "filled with means of the training part"
        self.notices = (
            [f"{count(read.missing, 'row')} with missing values: {told}."] if read.missing else []
        )
        if self.split == "train":
            self.notices += ["Nothing is held out: what is shown is no figure for other rows."]
        self.files = {SCALER: self.scaler.to_json()} if files else {}
        if files and not read.source:
            self.files[DATA] = copy_of(read)

    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: torch.device,
        backend: str,
        tell: Tell,
    ) -> Settings:
        """Set the sizes of the input and of the output; batches no larger than the data."""
        model = replace(
            cast("EncoderConfig", settings.model),
            input_size=len(self.scaler.columns),
            output_size=1,
        )
        batch_size = min(settings.train.batch_size, self.size("train"))
        train = replace(settings.train, batch_size=batch_size)
        return replace(settings, model=model, train=train)

    def part(self, name: str) -> tuple[Sequences, Floats]:
        """The rows of a part, and their true numbers."""
        start, stop = self.splits[name]
        return self.sequences[slice(start, stop)], self.values[start:stop]

    def training_task(self, model: RecurrentModel, config: TrainConfig) -> EncoderTraining:
        """Squared error of the target, scaled if that is asked for."""

        def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.mse_loss(outputs.squeeze(1), targets)

        (train, values), (held_out, true) = self.part("train"), self.part("val")
        targets = self.scaler.scale_target(values)
        encoder = cast("Encoder", model)
        return EncoderTraining(
            encoder, train, targets, held_out, true, config, loss, self.score_outputs, math.inf
        )

    def score_outputs(self, outputs: npt.NDArray[Any], true: npt.NDArray[Any]) -> RegressionScore:
        """The score of a model's outputs (rows, 1)."""
        predicted = self.scaler.unscale_target(outputs[:, 0])
        return score_of(predicted, true.astype(np.float64), self.scaler.target_spread)

    def score(self, model: RecurrentModel, split: str) -> Score:
        """RMSE, MAE and R²."""
        sequences, true = self.part(split)
        outputs = all_outputs(cast("Encoder", model), sequences)
        return self.score_outputs(outputs, true)

    def baselines(self, split: str) -> Mapping[str, Score]:
        """The mean of the training part, and least squares."""
        (train, values), (held_out, true) = self.part("train"), self.part(split)
        ones = [np.ones((len(each), 1)) for each in (train, held_out)]
        known, asked = (
            np.hstack([each.steps.astype(np.float64), one])
            for each, one in zip((train, held_out), ones, strict=True)
        )
        weights = np.linalg.lstsq(known, values, rcond=None)[0]
        found = {"mean": np.full(len(true), values.mean()), "least squares": asked @ weights}
        spread = self.scaler.target_spread
        scores = {name: score_of(each, true, spread) for name, each in found.items()}
        self.strongest = min(found, key=lambda name: scores[name].squared)
        self.strongest_errors = (found[self.strongest] - true) ** 2
        return scores

    def finish(self, model: RecurrentModel, split: str) -> dict[str, Any]:
        """How sure the difference to the better baseline is."""
        sequences, true = self.part(split)
        outputs = all_outputs(cast("Encoder", model), sequences)
        errors = (self.scaler.unscale_target(outputs[:, 0]) - true) ** 2
        interval = paired_interval(errors, self.strongest_errors)
        return {"comparison": {"baseline": self.strongest, "interval": list(interval)}}


def copy_of(read: NumberRows) -> str:
    """The rows as JSON lines."""
    lines = []
    for row, value, part in zip(read.inputs, read.values, read.parts.tolist(), strict=True):
        cells = dict(zip(read.columns, row.tolist(), strict=True))
        lines.append(strict_json.dumps({**cells, read.target: value, PART: NAMES[part]}))
    return "\n".join(lines) + "\n"


PART = "part of the run"


def read_dataset(source: Any, settings: Settings) -> NumbersDataset:
    """The data of a new run."""
    config = cast("RegressionConfig", settings.data)
    return NumbersDataset(read_numbers(source, config, settings.train.seed), config, files=True)


def reread_dataset(run: RegressionRun, source: Any) -> NumbersDataset:
    """The data of a run that goes on.

    Raises:
        RunError: they are not what they were.
    """
    about, config = run.record.corpus, run.regression
    stored = run.read_file(DATA)
    seed = run.settings.train.seed
    if source is None and stored is not None:
        rows = [json.loads(line) for line in stored.splitlines()]
        plain = replace(
            config,
            target_column=about["target"],
            input_columns=",".join(about["columns"]),
            split_column=PART,
            group_column=None,
            test=None,
            val=None,
        )
        read = read_numbers(Table.of(rows, about["name"]), plain, seed)
    else:
        read = read_numbers(about["source"] if source is None else source, config, seed)
        if read.sha256 != about["sha256"]:
            raise RunError(
                f"The rows that '{run.name}' was trained on have changed since.",
                f"Put them back, or name where they are: {run.resume_command} FILE",
            )
    return NumbersDataset(read, config, run.scaler)
