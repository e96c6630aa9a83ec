"""What a task is: all that sessions, runs and the command line ask of it.

A task is one entry of the registry. It reads its data as a `Dataset`, which knows how to make and
to train a model of them. Nothing outside of a task's folder knows it by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from charlm.config import ModelConfig, TrainConfig
from charlm.files.whole import Arrays
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score
from charlm.text.corpus import Source

if TYPE_CHECKING:
    import torch

    from charlm.rnn.model import RecurrentModel
    from charlm.training.task import TrainingTask

# Told, in a sentence, of something that the user should know.
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Scored:
    """A held-out score that a run has.

    Args:
        split: test or val.
        items: how many it is of, such as characters.
        final: it was made at the end, of the whole split; otherwise it is the best one so far, of
            the split's beginning.
    """

    score: Score
    split: str
    items: int | None
    final: bool


class Dataset(ABC):
    """The data of one run, ready to be trained on and scored.

    Attributes:
        name: what people call it; runs are named after it.
        split: the split that a result is reported on; "train" where nothing is held out.
        corpus, splits: what `run.json` says of it.
        notices: in sentences, what the user should know before training begins.
    """

    name: str
    split: str
    corpus: dict[str, Any]
    splits: dict[str, list[int]]
    notices: Sequence[str] = ()

    @abstractmethod
    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: "torch.device",
        backend: str,
        tell: Tell,
    ) -> Settings:
        """The settings, with what the data decide, such as a vocabulary's size.

        Args:
            parent: the run whose weights the new one starts from.
            backend: by name.
            tell: of what is chosen that nobody asked for.

        Raises:
            UsageError: something was asked for that cannot be with these data.
            NotEnoughMemoryError: the model is too large to be trained here.
        """

    @abstractmethod
    def training_task(self, model: "RecurrentModel", config: TrainConfig) -> "TrainingTask":
        """What the trainer is handed."""

    @abstractmethod
    def score(self, model: "RecurrentModel", split: str) -> Score:
        """The score of a whole split."""

    def initialize(self, model: "RecurrentModel", settings: Settings) -> None:
        """Draw a new model's weights."""
        model.initialize(settings.train.initialization, settings.train.seed)

    def take_files(self) -> dict[str, str]:
        """The files that a new run keeps of the data; asked for once, and then let go of."""
        return {}

    def size(self, split: str) -> int:
        """How many items a split has."""
        start, stop = self.splits[split]
        return stop - start

    def scores_all_of_val(self, config: TrainConfig) -> bool:
        """Whether the scores along the way are of the whole of the split val."""
        return True

    def baselines(self, split: str) -> Mapping[str, Score]:
        """The scores of simple models that were fitted on the training split, by name."""
        return {}

    def illustrate(self, config: ModelConfig, weights: Arrays) -> str | None:
        """Something to look at while a model is trained, such as a text that it writes.

        Raises:
            CharlmError: these weights give nothing to look at.
        """
        return None


class Task(ABC):
    """What models are trained for.

    Attributes:
        name: in `run.json` and on the command line.
        item: what a loss is a mean over; its plural has an s.
        item_short: the same where room is scarce.
        loss_name: of the loss in metrics.jsonl.
        loss_title: of the loss in tables.
        score_type: what its models are scored by.
        run_type: what its runs keep, which settings they have.
    """

    name: ClassVar[str]
    item: ClassVar[str]
    item_short: ClassVar[str]
    loss_name: ClassVar[str] = "loss"
    loss_title: ClassVar[str] = "loss"
    score_type: ClassVar[type[Score]]
    run_type: ClassVar[type[RunDirectory]] = RunDirectory

    @abstractmethod
    def read(
        self,
        source: Source,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """The data for a new run.

        Args:
            source: what the user named; None is what is bundled.
            parent: the run that the new one starts from.
            report: told of the bytes received where something has to be downloaded.

        Raises:
            CharlmError: they are missing, or too few, or no such data.
        """

    @abstractmethod
    def reread(self, run: RunDirectory, source: Source, encoding: str | None) -> Dataset:
        """The data of a run that goes on.

        Args:
            source: where they are now, which the run remembers; None: where they were.
            encoding: of texts; None: as before.

        Raises:
            CharlmError: they are missing, or not what they were.
        """

    @abstractmethod
    def make_model(self, config: ModelConfig, backend: str) -> "RecurrentModel":
        """A model, without values."""

    def figures_of_loss(self, loss: float) -> Mapping[str, float]:
        """Those of a score's figures, by key, that a training loss has too."""
        return {}

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """What a run that starts from another has from it, unless it is given by name."""
        settings = parent.settings
        return {
            "cell": settings.model.cell,
            "initialization": settings.train.initialization,
        }

    def check_memory(  # noqa: B027 (not every task has models that could be too large)
        self,
        settings: Settings,
        device: "torch.device",
        advice: str,
        training: bool = True,
    ) -> None:
        """Raise NotEnoughMemoryError where a model cannot be loaded, or trained, here.

        Args:
            advice: what to do about it.
        """

    def differences(self, runs: Sequence[tuple[RunDirectory, Scored]]) -> Iterator[str]:
        """In sentences, why the scores of some runs do not compare, whatever their splits."""
        return iter(())

    def describe_data(self, run: RunDirectory) -> str:
        """What a run was trained on, in a line."""
        return str(run.record.corpus["name"])

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """What to say of a result, as it stands in `run.json`."""
        return iter(())

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """What to type after training."""
        return iter(())
