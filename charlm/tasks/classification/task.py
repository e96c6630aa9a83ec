"""The registry's entry. Torch, which takes a second to import, is imported where it is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from charlm.files.paths import bundled_file
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.runs.commands import run_command
from charlm.runs.directory import RunDirectory
from charlm.sections import Draft
from charlm.tables.sources import fetch_named
from charlm.tables.table import Cell, Table
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import ClassificationScore, sentence
from charlm.tasks.classification.settings import DEFAULT_PRESET, PRESETS
from charlm.tasks.dataset import Dataset
from charlm.tasks.relevance import Rule
from charlm.tasks.supervised.task import SUPERVISED_RULES, EncoderTask
from charlm.tasks.task import Options
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder
    from charlm.rnn.model import RecurrentModel
    from charlm.tasks.classification.evaluation import ClassificationEvaluation
    from charlm.tasks.classification.predict import Prediction

RULES = (
    *SUPERVISED_RULES,
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
    # The output layer is drawn anew.
    taken_from_parent = ("min_count",)

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
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        source: Any,
        split: str | None,
        options: Options = MappingProxyType({}),
    ) -> "ClassificationEvaluation":
        """Accuracy and the rest, of a table of labelled texts."""
        from charlm.tasks.classification.evaluate import evaluate_labels
        from charlm.tasks.classification.predict import threshold_of

        own, threshold = cast("ClassificationRun", run), threshold_of(run, options)
        return evaluate_labels(
            own, cast("Encoder", model), source, split, threshold, options.get("encoding")
        )

    def predict(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        inputs: Iterable[Any],
        options: Options = MappingProxyType({}),
    ) -> "Iterator[Prediction | None]":
        """The label of each text; None for a text with nothing in it."""
        from charlm.tasks.classification.predict import predict, threshold_of

        own, threshold = cast("ClassificationRun", run), threshold_of(run, options)
        return predict(own, cast("Encoder", model), inputs, threshold)

    def predict_table(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        table: Table,
        text_column: str | None,
        options: Options = MappingProxyType({}),
    ) -> Iterator[tuple[Mapping[str, str], dict[str, Cell]]]:
        """The label of each row's text, and its probability."""
        from charlm.tasks.classification.predict import predicted_table, threshold_of

        own, threshold = cast("ClassificationRun", run), threshold_of(run, options)
        return predicted_table(own, cast("Encoder", model), table, text_column, threshold)

    def describe_data(self, run: RunDirectory) -> str:
        """The table, its columns and the number of texts."""
        about = run.record.corpus
        columns = " and ".join(f"'{each}'" for each in about["columns"])
        return f"{about['name']}, columns {columns}, {count(about['texts'], 'text')}"

    def meanings(self, run: RunDirectory) -> Mapping[str, Any]:
        """The vocabulary by id, the labels by output, and how a label is chosen."""
        own = cast("ClassificationRun", run)
        chosen = {"temperature": own.temperature, "threshold": own.threshold}
        return {**own.vocabulary.by_id(), "labels": own.labels.names, **chosen}

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """How sure the difference to the best baseline is."""
        if "threshold" in result:
            yield f"The second label is given from a probability of {result['threshold']:.3g} on."
        if "comparison" in result:
            yield sentence(result["comparison"])

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Label, and score."""
        yield run_command(run.path, "predict", "a text to label", option="run")
        yield run_command(run.path, "eval", option="run")

    def chapters(
        self, run: RunDirectory, load_model: "Callable[[], RecurrentModel]"
    ) -> Sequence[Draft]:
        """The score of what was held out, with pictures."""
        from charlm.tasks.classification.chapters import drafts

        return drafts(cast("ClassificationRun", run), load_model)
