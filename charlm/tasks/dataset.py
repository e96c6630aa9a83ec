"""The interface of the data that a task reads: they train and score a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from charlm.config import ModelConfig, TrainConfig
from charlm.distributed.world import ALONE, World
from charlm.files.whole import Arrays
from charlm.presets import Settings
from charlm.progress import ProgressCallback, ignore_progress
from charlm.runs.directory import RunDirectory
from charlm.scoring.intervals import ItemValues
from charlm.scoring.score import Score

if TYPE_CHECKING:
    import torch

    from charlm.rnn.model import RecurrentModel
    from charlm.training.task import TrainingTask

# Called with a sentence that the user should see.
Tell = Callable[[str], object]


class Dataset(ABC):
    """The data of one run, ready to train and score a model on.

    Attributes:
        name: what people call the data; runs are named after it.
        split: the split that results are reported on; "train" if nothing is held out.
        corpus: description of the data in `run.json`.
        splits: start and stop of each split, in items, by name; also in `run.json`.
        notices: sentences that the user should see before training begins.
        files: files that a new run stores, content by name.
        world: the processes that train together. Batches, and what `score` scores, are shared among
            them; all else that is asked of a dataset, one process answers alone.
    """

    name: str
    split: str
    corpus: dict[str, Any]
    splits: dict[str, list[int]]
    notices: Sequence[str] = ()
    files: Mapping[str, str] = MappingProxyType({})
    world: World = ALONE

    @abstractmethod
    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: "torch.device",
        backend: str,
        tell: Tell,
    ) -> Settings:
        """Complete the settings with what the data decide, such as the vocabulary size.

        Args:
            parent: the run whose weights the new one starts from.
            backend: name of the backend.
            tell: called with a sentence about each choice that the user did not make.

        Raises:
            UsageError: a setting is impossible with these data.
            NotEnoughMemoryError: the model is too large to train on this machine.
        """

    @abstractmethod
    def training_task(self, model: "RecurrentModel", config: TrainConfig) -> "TrainingTask":
        """The `TrainingTask` that trains this model on the data."""

    @abstractmethod
    def score(self, model: "RecurrentModel", split: str) -> Score:
        """Score a whole split."""

    def initialize(
        self, model: "RecurrentModel", settings: Settings, parent: RunDirectory | None
    ) -> None:
        """Give a new model its weights: drawn, or those of the run that it starts from."""
        if parent is None:
            model.initialize(settings.train.initialization, settings.train.seed)
        else:
            model.load_weights(parent.load_weights())

    def take_files(self) -> Mapping[str, str]:
        """Files that a new run stores, content by name; the dataset drops them on this call."""
        files, self.files = self.files, {}
        return files

    def size(self, split: str) -> int:
        """Number of items in a split."""
        start, stop = self.splits[split]
        return stop - start

    def scores_all_of_val(self, config: TrainConfig) -> bool:
        """Whether evaluations during training score the whole validation split."""
        return True

    def baselines(self, split: str) -> Mapping[str, Score]:
        """Scores of simple models fitted on the training split, by name."""
        return {}

    def finish(self, model: "RecurrentModel", split: str, run: RunDirectory) -> dict[str, Any]:
        """What else to record of a finished training beside its score and the baselines'.

        Args:
            model: with its best weights.
            split: the one that the result is of.
            run: where files may be kept.
        """
        return {}

    def item_values(
        self,
        model: "RecurrentModel",
        split: str,
        run: RunDirectory,
        report: ProgressCallback = ignore_progress,
    ) -> ItemValues | None:
        """What the score of a split is the mean of, item by item; None if the task does not tell.

        `Task.figure_of_means` makes a figure of their mean.

        Args:
            model: with its best weights.
            run: the one that the data are of.
            report: called with the items done and the total.

        Raises:
            UsageError: a reason why nothing can be said of single items.
        """
        return None

    def illustrate(self, config: ModelConfig, weights: Arrays) -> str | None:
        """Something to show while a model trains, such as a text that it writes; None for nothing.

        Raises:
            CharlmError: there is nothing to show with these weights.
        """
        return None
