"""The interface of a task: all that sessions, runs and the command line ask of it.

A task is one entry of the registry. It reads its data as a `Dataset`, which knows how to train and
score a model on them. No code outside a task's folder refers to it by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from charlm.config import ModelConfig, TrainConfig
from charlm.errors import UsageError
from charlm.files.whole import Arrays
from charlm.presets import Presets, Settings
from charlm.progress import ProgressCallback
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score
from charlm.tasks.relevance import Rule
from charlm.text.corpus import Source

if TYPE_CHECKING:
    import torch

    from charlm.rnn.model import RecurrentModel
    from charlm.training.task import TrainingTask

# Called with a sentence that the user should see.
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Scored:
    """A held-out score of a run.

    Args:
        split: "test" or "val".
        items: number of items scored, such as characters; None if unknown.
        final: whether the whole split was scored at the end; otherwise this is the best score so
            far, on the beginning of the split.
    """

    score: Score
    split: str
    items: int | None
    final: bool


class Dataset(ABC):
    """The data of one run, ready to train and score a model on.

    Attributes:
        name: what people call the data; runs are named after it.
        split: the split that results are reported on; "train" if nothing is held out.
        corpus: description of the data in `run.json`.
        splits: start and stop of each split, in items, by name; also in `run.json`.
        notices: sentences that the user should see before training begins.
        files: files that a new run stores, content by name.
    """

    name: str
    split: str
    corpus: dict[str, Any]
    splits: dict[str, list[int]]
    notices: Sequence[str] = ()
    files: Mapping[str, str] = MappingProxyType({})

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

    def finish(self, model: "RecurrentModel", split: str) -> dict[str, Any]:
        """What else to keep of a finished training beside its score and the baselines'.

        Args:
            model: with its best weights.
            split: the one that the result is of.
        """
        return {}

    def illustrate(self, config: ModelConfig, weights: Arrays) -> str | None:
        """Something to show while a model trains, such as a text that it writes; None for nothing.

        Raises:
            CharlmError: there is nothing to show with these weights.
        """
        return None


class Task(ABC):
    """What models are trained for.

    Attributes:
        name: name of the task in `run.json` and on the command line.
        item: what losses are averaged over, such as "character"; the plural adds an s.
        item_short: its abbreviation, for narrow displays.
        loss_name: key of the loss in `metrics.jsonl`.
        loss_title: heading of the loss in tables.
        score_type: class of the scores.
        presets: named settings to begin with, and the one that is meant where none is named.
        rules: which of its own settings have no effect beside others.
        run_type: class of the run directories, which also determines the settings of a run.
    """

    name: ClassVar[str]
    item: ClassVar[str]
    item_short: ClassVar[str]
    loss_name: ClassVar[str] = "loss"
    loss_title: ClassVar[str] = "loss"
    score_type: ClassVar[type[Score]]
    rules: ClassVar[tuple[Rule, ...]] = ()
    presets: ClassVar[Presets] = {"plain": {}}
    default_preset: ClassVar[str] = "plain"
    run_type: ClassVar[type[RunDirectory]] = RunDirectory

    @abstractmethod
    def read(
        self,
        source: Source,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """Read the data for a new run.

        Args:
            source: what the user named; None stands for the bundled data.
            parent: the run that the new one starts from.
            report: called with bytes received and total if something has to be downloaded.

        Raises:
            CharlmError: the data are missing, too small, or of the wrong kind.
        """

    @abstractmethod
    def reread(self, run: RunDirectory, source: Source, encoding: str | None) -> Dataset:
        """Read the data of a run that is resumed.

        Args:
            source: where the data are now, which the run remembers; None: where they were.
            encoding: encoding of texts; None: as before.

        Raises:
            CharlmError: the data are missing or have changed.
        """

    @abstractmethod
    def make_model(self, config: ModelConfig, backend: str) -> "RecurrentModel":
        """A model whose weights are yet to be initialized or loaded."""

    @property
    def train_figure(self) -> str:
        """Key of the figure that training losses are told by, or "loss"."""
        values = self.figures_of_loss(0.0)
        return next((each.key for each in self.score_type.figures if each.key in values), "loss")

    def figures_of_loss(self, loss: float) -> Mapping[str, float]:
        """The figures of a score, by key, that follow from a training loss alone."""
        return {}

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """Settings that a run takes from the run that it starts from, unless given by name.

        Raises:
            UsageError: a run of this task cannot start from that one.
        """
        if parent.record.task != self.name:
            raise UsageError(
                f"The run '{parent.name}' is of the task '{parent.record.task}', from which no run "
                f"of the task '{self.name}' starts.",
                "Name another run with --init-from.",
            )
        settings = parent.settings
        return {"cell": settings.model.cell, "initialization": settings.train.initialization}

    def check_memory(  # noqa: B027 (not every task has models that could be too large)
        self,
        settings: Settings,
        device: "torch.device",
        advice: str,
        training: bool = True,
    ) -> None:
        """Raise NotEnoughMemoryError if the model does not fit in this machine's memory.

        Args:
            advice: what the error tells the user to do.
            training: whether the model is to be trained, not just loaded.
        """

    def evaluate(
        self, run: RunDirectory, model: "RecurrentModel", source: Any, split: str | None
    ) -> Any:
        """The score of some data, with all that there is to say of it.

        Args:
            source: what the user named; None is the run's own data.
            split: of these; None is what was held out.

        Raises:
            UsageError: the task has no such evaluation.
        """
        raise UsageError(f"Runs of the task '{self.name}' cannot be evaluated on other data.")

    def predict(
        self, run: RunDirectory, model: "RecurrentModel", inputs: Iterable[Any]
    ) -> Iterator[Any]:
        """What the model says of each input, in order, as they come.

        Raises:
            UsageError: it says nothing of single inputs.
        """
        raise UsageError(
            f"The run '{run.name}' is of the task '{self.name}', which predicts no labels and no "
            "numbers.",
            "Name another run.",
        )

    def reads_rows(self) -> bool:
        """Whether `predict` takes rows of a table, and not texts."""
        return False

    def cells_of(self, run: RunDirectory, prediction: Any) -> dict[str, str]:
        """What a prediction adds to a row of a table, by column; empty cells for None."""
        return {}

    def differences(self, runs: Sequence[tuple[RunDirectory, Scored]]) -> Iterator[str]:
        """Reasons, as sentences, why scores are not comparable, other than different splits."""
        return iter(())

    def describe_data(self, run: RunDirectory) -> str:
        """What a run was trained on, in one line."""
        return str(run.record.corpus["name"])

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """Sentences to show beside a result, which is given as in `run.json`."""
        return iter(())

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Commands to suggest after training."""
        return iter(())
