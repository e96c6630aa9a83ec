"""A toy task: after each bit say whether the ones so far are odd in number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charlm.config import DataConfig, setting
from charlm.language_model import LanguageModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Figure
from charlm.tasks.dataset import Dataset
from charlm.tasks.task import Task
from charlm.training.task import WindowLoss


@dataclass(frozen=True)
class ParityConfig(DataConfig):
    bits: int = setting(6, "Bits in a sequence.", minimum=1)


class ParityRun(RunDirectory):
    data_config = ParityConfig


@dataclass(frozen=True)
class Accuracy:
    figures = (Figure("accuracy", "accuracy", "acc", more_is_better=True),)
    right: int
    bits: int

    def __add__(self, other: "Accuracy") -> "Accuracy":
        return Accuracy(self.right + other.right, self.bits + other.bits)

    loss, is_finite = property(lambda self: 1 - self.right / self.bits), True

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "loss": self.loss, "accuracy": self.right / self.bits}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Accuracy":
        return cls(values["right"], values["bits"])


class Sequences(Dataset):
    name, split = "bits", "val"

    def __init__(self, config: ParityConfig) -> None:
        self.length, self.corpus = config.bits, {"name": "bits", "source": [], "sha256": ""}
        self.splits = {"train": [0, 512], "val": [512, 640], "test": [640, 640]}
        self.bits = np.random.default_rng(7).integers(0, 2, (640, self.length))

    def choose_settings(self, settings: Any, *_: Any) -> Any:
        return replace(settings, model=replace(settings.model, vocabulary_size=2))

    def training_task(self, model: Any, config: Any) -> "ParityTraining":
        return ParityTraining(self, model, config)

    def score(self, model: Any, split: str) -> Accuracy:
        logits, targets = predictions(model, self.bits[slice(*self.splits[split])])
        return Accuracy(int((logits.argmax(2) == targets).sum()), targets.numel())

    def baselines(self, split: str) -> Mapping[str, Accuracy]:
        start, stop = self.splits[split]
        ones = int((self.bits[start:stop].cumsum(1) % 2).sum())
        return {"always odd": Accuracy(ones, (stop - start) * self.length)}


def predictions(model: LanguageModel, bits: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
    inputs = torch.from_numpy(bits.T.copy())
    return model(inputs, model.initial_state(len(bits)))[0], inputs.cumsum(0) % 2


class ParityTraining:
    holds_out, worst_loss, same_shapes = True, 5.0, True

    def __init__(self, data: Sequences, model: LanguageModel, config: Any) -> None:
        self.data, self.model, self.size = data, model, config.batch_size
        self.items_per_step = config.batch_size * data.length

    def load_epoch(self, epoch: int) -> int:
        self.order = np.random.default_rng(epoch).permutation(512)
        return 512 // self.size

    def initial_state(self) -> tuple[Tensor, ...]:
        return ()

    def batch(self, window: int) -> tuple[Tensor, ...]:
        rows = self.order[window * self.size : (window + 1) * self.size]
        return (torch.from_numpy(self.data.bits[rows]),)

    def loss(self, batch: tuple[Tensor, ...], state: tuple[Tensor, ...]) -> WindowLoss:
        logits, targets = predictions(self.model, batch[0].numpy())
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return WindowLoss(loss, (), targets.numel())

    def evaluate(self, should_stop: Callable[[], bool]) -> Accuracy:
        with torch.no_grad():
            return self.data.score(self.model, "val")


class ParityTask(Task):
    name, item, item_short, score_type, run_type = "parity", "bit", "bit", Accuracy, ParityRun

    def read(self, source: Any, settings: Any, *_: Any) -> Sequences:
        return Sequences(settings.data)

    def reread(self, run: RunDirectory, *_: Any) -> Sequences:
        return Sequences(run.settings.data)  # type: ignore[arg-type]

    def make_model(self, config: Any, backend: str) -> LanguageModel:
        return LanguageModel(config, backend)
