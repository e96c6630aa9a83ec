"""The interface of a task: all that sessions, runs and the command line ask of it.

A task is one entry of the registry. It reads its data as a `Dataset`, which knows how to train and
score a model on them. No code outside a task's folder refers to it by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.presets import Presets, Settings
from charlm.progress import ProgressCallback
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Figure, Score, Scored
from charlm.sections import Draft, Facts, Part
from charlm.tables.table import Cell, Table
from charlm.tasks.dataset import Dataset
from charlm.tasks.relevance import Rule
from charlm.text.corpus import Source

if TYPE_CHECKING:
    import torch

    from charlm.rnn.model import RecurrentModel

Floats = npt.NDArray[np.float64]
Options = Mapping[str, Any]


class Task(ABC):
    """What models are trained for.

    Attributes:
        name: name of the task in `run.json` and on the command line.
        item: what losses are averaged over, such as "character"; the plural adds an s.
        item_short: its abbreviation, for narrow displays.
        loss_name: key of the loss in `metrics.jsonl`.
        loss_title: heading of the loss in tables.
        score_type: class of the scores.
        compared_by: key of the figure by which runs are compared; by default the first one.
        presets: named settings to begin with, and the one that is meant where none is named.
        seeds_also: in a sentence, what other seeds change besides training; "" for nothing.
        rules: which of its own settings have no effect beside others.
        taken_from_parent: settings that a run always takes from the one that it starts from.
        run_type: class of the run directories, which also determines the settings of a run.
    """

    name: ClassVar[str]
    item: ClassVar[str]
    item_short: ClassVar[str]
    loss_name: ClassVar[str] = "loss"
    loss_title: ClassVar[str] = "loss"
    score_type: ClassVar[type[Score]]
    compared_by: ClassVar[str | None] = None
    seeds_also: ClassVar[str] = ""
    rules: ClassVar[tuple[Rule, ...]] = ()
    presets: ClassVar[Presets] = {"plain": {}}
    default_preset: ClassVar[str] = "plain"
    taken_from_parent: ClassVar[tuple[str, ...]] = ("min_count", "initialization")
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

    def readable_again(
        self, source: Source, given: Mapping[str, Any]
    ) -> tuple[Source, dict[str, Any]]:
        """What the user named, in a form that can be read several times.

        Args:
            given: settings by name, of which those are left out that are no longer needed.
        """
        return source, dict(given)

    def measured_settings(self, run: RunDirectory, asked: Settings) -> dict[str, Any]:
        """Settings that were measured for a run, by name: to train the same takes these.

        Args:
            asked: the settings that it began with.
        """
        return {}

    def kept_copy(self, run: RunDirectory) -> dict[str, Any]:
        """How to read the copy of its data that a run keeps: options of `charlm train` by name.

        Returns:
            `corpus`, the file, and the settings that differ from the run's; nothing where the data
            can be read again where they were.
        """
        return {}

    @abstractmethod
    def make_model(self, config: ModelConfig, backend: str) -> "RecurrentModel":
        """A model whose weights are yet to be initialized or loaded."""

    def variant(self, data: Mapping[str, Any]) -> "Task":
        """The task as it is with these settings of the data, by name; most are always the same."""
        return self

    @property
    def train_figure(self) -> str:
        """Key of the figure that training losses are told by, or "loss"."""
        values = self.figures_of_loss(0.0)
        return next((each.key for each in self.score_type.figures if each.key in values), "loss")

    @property
    def compared_figure(self) -> Figure:
        """The figure by which runs are compared."""
        figures = self.score_type.figures
        return next((each for each in figures if each.key == self.compared_by), figures[0])

    def unit(self, run: RunDirectory) -> str:
        """That figure in words, with the unit that it has for a run."""
        return self.compared_figure.title

    def figure_of_means(self, means: Floats) -> Floats:
        """That figure, from means of what `Dataset.item_values` has for each item; any shape."""
        return means

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
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        source: Any,
        split: str | None,
        options: Options = MappingProxyType({}),
    ) -> Any:
        """The score of some data, with all that there is to say of it.

        Args:
            source: what the user named; None is the run's own data.
            split: of these; None is what was held out.
            options: as in `predict`.

        Raises:
            UsageError: the task has no such evaluation.
        """
        raise UsageError(f"Runs of the task '{self.name}' cannot be evaluated on other data.")

    def predict(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        inputs: Iterable[Any],
        options: Options = MappingProxyType({}),
    ) -> Iterator[Any]:
        """What the model says of each input, in order, as they come.

        Args:
            options: how it says it, such as a threshold; a task knows its own.

        Raises:
            SettingError: the task knows no such option.
            UsageError: it says nothing of single inputs.
        """
        raise UsageError(
            f"The run '{run.name}' is of the task '{self.name}', which predicts no labels and no "
            "numbers.",
            "Name another run.",
        )

    def reads_rows(self, run: RunDirectory) -> bool:
        """Whether what `predict` takes are the rows of a table, and not texts."""
        return False

    def predict_table(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        table: Table,
        text_column: str | None,
        options: Options = MappingProxyType({}),
    ) -> Iterator[tuple[Mapping[str, str], dict[str, Cell]]]:
        """Each row of a table, in order, as they come, and the cells that a prediction adds to it.

        All rows get cells of the same names, None where nothing is said. Rows may follow
        that the table has not.

        Args:
            text_column: the column of texts; None: the one of the training data.
            options: as in `predict`.

        Raises:
            CorpusError: a column is not there.
            UsageError: the task says nothing of rows.
        """
        raise UsageError(f"Runs of the task '{self.name}' predict nothing for a table's rows.")

    def usual_preset(self, given: Mapping[str, Any]) -> str:
        """The preset that is meant where none is named, beside settings given by name."""
        return self.default_preset

    def differences(self, runs: Sequence[tuple[RunDirectory, Scored]]) -> Iterator[str]:
        """Reasons, as sentences, why scores are not comparable, other than different splits."""
        return iter(())

    def describe_data(self, run: RunDirectory) -> str:
        """What a run was trained on, in one line."""
        return str(run.record.corpus["name"])

    def meanings(self, run: RunDirectory) -> Mapping[str, Any]:
        """What the numbers stand for that a run's model takes and gives, by name, as JSON."""
        return {}

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """Sentences to show beside a result, which is given as in `run.json`."""
        return iter(())

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Commands to suggest after training."""
        return iter(())

    def data_card(self, run: RunDirectory) -> Iterator[Part]:
        """What there is to say in a report of the data that a run was trained on."""
        about = run.record.corpus
        words = {True: "yes", False: "no"}
        simple = {
            name: words[each] if isinstance(each, bool) else each
            for name, each in about.items()
            if isinstance(each, str | int)
        }
        sizes = {f"{name} part": stop - start for name, (start, stop) in run.record.splits.items()}
        yield Facts([(name.replace("_", " "), each) for name, each in {**simple, **sizes}.items()])

    def chapters(
        self, run: RunDirectory, load_model: "Callable[[], RecurrentModel]"
    ) -> Sequence[Draft]:
        """What a report shows of a run beside its settings, data and training.

        Args:
            load_model: loads the model with its best weights.
        """
        return ()
