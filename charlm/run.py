"""A trained model, as a Python object."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.html.notebook import HasSections
from charlm.progress import ProgressCallback, ignore_progress
from charlm.run_writing import WritesTexts
from charlm.runs.directory import RunDirectory
from charlm.runs.store import shipped_run
from charlm.scoring.adjusted import DynamicConfig
from charlm.sections import Section
from charlm.tables.table import Table
from charlm.tasks.language_modeling.evaluation_text import find_evaluation_text
from charlm.tasks.language_modeling.inspector import Inspector
from charlm.tasks.language_modeling.run import LanguageModelRun, as_language_model
from charlm.tasks.overview import overview
from charlm.tasks.registry import load_model, task_of
from charlm.text.corpus import Corpus
from charlm.text.corpus import Source as Source
from charlm.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from charlm.language_model import LanguageModel
    from charlm.rnn.model import RecurrentModel


class Run(WritesTexts, HasSections):
    """A trained model, with its vocabulary, settings and training history.

    Args:
        directory: the run on disk.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"<charlm.Run {self.name}: {self.config.cell} of {self.config.hidden_size}>"

    def sections(self) -> Iterator[Section]:
        """What it is, its score beside the baselines, and its settings; a notebook shows that."""
        return overview(self.directory)

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def is_shipped(self) -> bool:
        """Whether it is the one that comes with charlm."""
        return self.path == shipped_run()

    @property
    def language(self) -> LanguageModelRun:
        """The run directory, as that of a language model; UsageError if it is another's."""
        return as_language_model(self.directory)

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of a language model."""
        return self.language.vocabulary

    @property
    def config(self) -> ModelConfig:
        """The settings of the model."""
        return self.directory.settings.model

    @property
    def result(self) -> dict[str, Any]:
        """How training ended: split, score, baselines, seconds, steps, train_perplexity."""
        return self.directory.record.result

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, one per evaluation during training."""
        return self.directory.metrics()

    def model(self, device: str = "cpu", backend: str = "auto") -> "RecurrentModel":
        """Load the best weights into a torch module, in evaluation mode."""
        return load_model(self.directory, device, backend)

    def normalize(self, text: str) -> str:
        """Normalize a text like the text that the run was trained on."""
        normalization = self.language.normalization
        return Corpus.from_text(text, normalization=normalization).text

    def predict(
        self,
        data: Any,
        *,
        threshold: float | None = None,
        device: str = "cpu",
        backend: str = "auto",
    ) -> Any:
        """What a classifier says of texts, or a regression of rows, that it has not seen.

        Args:
            data: a text, or a row as a mapping; several of them, or a data frame of rows.
            threshold: of two labels, the probability from which on the second is given.

        Returns:
            A `Prediction` or a number, or None where there is nothing to go by; for several a list.
            Of a series one for each row, from rows before it, and as many more as its horizon.
        """
        single, options = isinstance(data, str | Mapping), {"threshold": threshold}
        given = [data] if single else Table.of(data) if hasattr(data, "columns") else data
        task, model = task_of(self.directory), self.model(device, backend)
        found = list(task.predict(self.directory, model, given, options))
        return found[0] if single else found

    @property
    def inspect(self) -> Inspector:
        """Looks at what a language model does: `run.inspect.surprise()` and others."""
        make = cast("Callable[[str, str], LanguageModel]", self.model)
        return Inspector(self.language, make)

    def report(self, device: str = "cpu", backend: str = "auto") -> str:
        """A page of HTML, in one file, of all there is to see of the run."""
        from charlm.report import make_report

        return make_report(self.directory, device, backend)

    def export(self, to: str) -> bytes:
        """The content of a file to hand on; `to` is "page", "onnx" or "safetensors".

        Raises:
            UsageError: there is no such format, or none for this run's task.
        """
        from charlm.export import export

        return export(self.directory, to)

    def compress(self, content: bytes) -> bytes:
        """Compress the bytes of a text; see `charlm.compression.compress.compress`."""
        from charlm.compression.compress import compress

        return compress(self.language, content).content

    def decompress(self, content: bytes) -> bytes:
        """Give back what `compress` was given, with the same run."""
        from charlm.compression.compress import decompress

        return decompress(self.language, content)

    # Scoring

    def evaluate(
        self,
        source: Any = None,
        *,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        dynamic: bool | DynamicConfig = False,
        calibrate: bool = False,
        mix: bool = False,
        threshold: float | None = None,
        report: ProgressCallback = ignore_progress,
    ) -> Any:
        """Score a text exactly, every character after the first; or labelled data, as in `train`.

        Args:
            source: a text as in `train`; None is the run's own.
            split: "train", "val", "test" or "all" of the run's own; by default what was held out.
            unknown: what to do about characters without an id: "error", "replace" or "skip".
            dynamic: also score with weights that adapt to the text. See `charlm.scoring.dynamic`.
            calibrate: also score with a temperature and an n-gram weight, both chosen on the
                validation split, or of that itself on its other half. See
                `charlm.scoring.calibration`.
            mix: also score with n-gram models of the training text and of the text so far, and the
                longest match, mixed in. See `charlm.mixing`.
            threshold: of a classifier with two labels, as in `predict`.
            report: called now and then with the number of characters done and the total.

        Raises:
            CharlmError: the text is missing, is too short or has changed.
        """
        if not isinstance(self.directory, LanguageModelRun):
            if dynamic or calibrate or mix:
                name = "dynamic" if dynamic else "calibrate" if calibrate else "mix"
                raise SettingError(name, "is for language models only.")
            task, model = task_of(self.directory), self.model(device, backend)
            options = {"threshold": threshold, "encoding": encoding}
            return task.evaluate(self.directory, model, source, split, options)
        if threshold is not None:
            raise SettingError("threshold", "is of labels, and this run has none.")
        from charlm.tasks.language_modeling.evaluation import evaluate

        run = self.language
        found = find_evaluation_text(run, source, split, unknown, encoding)
        config = (DynamicConfig() if dynamic is True else dynamic) or None
        make = cast("Callable[[], LanguageModel]", partial(self.model, device, backend))
        return evaluate(run, make, found, config, calibrate, mix, report, unknown)
