"""The registry's entry. Torch, which takes a second to import, is imported where it is needed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from charlm.files.paths import bundled_file
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.runs.commands import run_command
from charlm.runs.directory import RunDirectory
from charlm.tables.sources import fetch_named
from charlm.tasks.classification.comparison import verdict
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import ClassificationScore
from charlm.tasks.classification.settings import DEFAULT_PRESET, PRESETS
from charlm.tasks.relevance import Rule
from charlm.tasks.supervised.task import EncoderTask
from charlm.tasks.task import Dataset
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder
    from charlm.rnn.model import RecurrentModel
    from charlm.tasks.classification.evaluation import ClassificationEvaluation
    from charlm.tasks.classification.predict import Prediction

RULES = (
    Rule(("tie_weights",), lambda settings: True, "is for language models only."),
    Rule(
        ("pretrained_vectors",),
        lambda settings: settings.data.units != "words" or not settings.model.embedding_size,
        "is of words: give --units words and an --embedding-size.",
    ),
    Rule(
        ("cuda_graphs",),
        lambda settings: True,
        "records steps of one shape, and batches of texts have many.",
    ),
)
# What is read where the user names nothing, by preset.
BUNDLED = {"toy-rnn": "toy-sentences.csv"}
SENTENCES = "sentences.csv"


class ClassificationTask(EncoderTask):
    """Give each text one of several labels."""

    name = "classification"
    item = "text"
    item_short = "texts"
    loss_name = "log_loss"
    loss_title = "log loss"
    score_type = ClassificationScore
    run_type = ClassificationRun
    rules = RULES
    presets = PRESETS
    default_preset = DEFAULT_PRESET

    def read(
        self,
        source: Any,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """Rows with a text and a label; by default those that come with charlm."""
        from charlm.tasks.classification.dataset import read_dataset

        if source is None:
            source = str(bundled_file(BUNDLED.get(settings.preset, SENTENCES)))
        fetch_named(source, report)
        return read_dataset(source, settings, parent)

    def reread(self, run: RunDirectory, source: Any, encoding: str | None) -> Dataset:
        """The rows of a run."""
        from charlm.tasks.classification.dataset import reread_dataset

        return reread_dataset(cast("ClassificationRun", run), source)

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """A language model's net, alphabet and case."""
        from charlm.tasks.classification.parent import inherited_settings

        return inherited_settings(parent)

    def figures_of_loss(self, loss: float) -> Mapping[str, float]:
        """The log loss itself."""
        return {"log_loss": loss}

    def evaluate(
        self, run: RunDirectory, model: "RecurrentModel", source: Any, split: str | None
    ) -> "ClassificationEvaluation":
        """Accuracy and the rest, of a table of labelled texts."""
        from charlm.tasks.classification.evaluation import evaluate_labels

        own = cast("ClassificationRun", run)
        return evaluate_labels(own, cast("Encoder", model), source, split)

    def predict(
        self, run: RunDirectory, model: "RecurrentModel", inputs: Iterable[Any]
    ) -> "Iterator[Prediction | None]":
        """The label of each text; None for a text with nothing in it."""
        from charlm.tasks.classification.predict import predict

        return predict(cast("ClassificationRun", run), cast("Encoder", model), inputs)

    def cells_of(self, run: RunDirectory, prediction: Any) -> dict[str, str]:
        """The label and its probability."""
        label = f"predicted {run.record.corpus['columns'][1]}"
        if prediction is None:
            return {label: "", "probability": ""}
        p = prediction.probabilities[prediction.label]
        return {label: prediction.label, "probability": f"{p:.4f}"}

    def describe_data(self, run: RunDirectory) -> str:
        """The table, its columns and the number of texts."""
        about = run.record.corpus
        columns = " and ".join(f"'{each}'" for each in about["columns"])
        return f"{about['name']}, columns {columns}, {count(about['texts'], 'text')}"

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """How sure the difference to the best baseline is."""
        found = result.get("comparison")
        if found is not None:
            low, high = found["interval"]
            yield verdict((low, high), found["baseline"])

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Label, and score."""
        yield run_command(run.path, "predict", "a text to label", option="run")
        yield run_command(run.path, "eval", option="run")
