"""The registry's entry. Torch, which takes a second to import, is imported where it is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from charlm.errors import UsageError
from charlm.files.paths import bundled_file
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.runs.commands import run_command
from charlm.runs.directory import RunDirectory
from charlm.sections import Draft
from charlm.tables.sources import fetch_named
from charlm.tables.table import Cell, Table
from charlm.tasks.dataset import Dataset
from charlm.tasks.regression.comparison import sentence
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.regression.scores import RegressionScore
from charlm.tasks.regression.settings import DEFAULT_PRESET, OF_RATINGS, PRESETS, RegressionConfig
from charlm.tasks.relevance import Rule
from charlm.tasks.supervised.task import SUPERVISED_RULES, EncoderTask, check_options
from charlm.tasks.task import Floats, Options
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder
    from charlm.rnn.model import RecurrentModel
    from charlm.tasks.regression.evaluation import RegressionEvaluation

HOUSES, SERIES = "houses.csv", "series.csv"
OF_TEXTS = (
    *("units", "normalize", "lower", "max_vocabulary", "min_count", "max_length"),
    *("embedding_size", "adversarial"),
)
OF_SERIES = ("horizon", "time_column")
RULES = (
    Rule(
        OF_TEXTS,
        lambda settings: not settings.data.reads_texts,
        "is of texts: name their column with --text-column.",
    ),
    Rule(
        ("input_columns",),
        lambda settings: settings.data.reads_texts,
        "are of numbers, and --text-column names texts.",
    ),
    Rule(
        ("standardize",),
        lambda settings: settings.data.reads_texts and settings.data.standardize == "inputs",
        "is of numbers, and --text-column names texts: give none or both.",
    ),
    Rule(OF_SERIES, lambda settings: not settings.data.window, "is of a series: give a --window."),
    Rule(
        ("folds",),
        lambda settings: settings.data.window,
        "would have a series learn from what comes after: give --test-fraction.",
    ),
    Rule(
        ("encoder_pooling",),
        lambda settings: not settings.data.window and not settings.data.reads_texts,
        "is of sequences, and a row is one step.",
    ),
    Rule(("tie_weights",), lambda settings: True, "is for language models only."),
    Rule(("freeze",), lambda settings: True, "is of a run that starts from another."),
    Rule(("drop_duplicates",), lambda settings: True, "is of labelled texts."),
    Rule(("cuda_graphs",), lambda settings: True, "records no steps of this task."),
    *SUPERVISED_RULES,
)


class RegressionTask(EncoderTask):
    """Predict a number from the other columns of a row."""

    name = "regression"
    item = "row"
    item_short = "rows"
    loss_name = "squared_error"
    loss_title = "squared error"
    score_type = RegressionScore
    run_type = RegressionRun
    rules = RULES
    presets = PRESETS
    default_preset = DEFAULT_PRESET

    def unit(self, run: RunDirectory) -> str:
        """RMSE, in the target's units."""
        return f"RMSE, in units of '{run.record.corpus['target']}'"

    def figure_of_means(self, means: Floats) -> Floats:
        """The root of mean squared errors."""
        return np.sqrt(means)

    def read(
        self,
        source: Any,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """Rows of numbers; by default the house prices, or the series, that come with charlm."""
        from charlm.tasks.regression.dataset import read_dataset

        config = cast("RegressionConfig", settings.data)
        own = SERIES if config.window is not None else HOUSES
        if source is None:
            source = str(bundled_file(own))
        fetch_named(source, report)
        return read_dataset(source, settings)

    def usual_preset(self, given: Mapping[str, Any]) -> str:
        """That of texts where a column of texts is named."""
        return OF_RATINGS if given.get("text_column") else self.default_preset

    def reread(self, run: RunDirectory, source: Any, encoding: str | None) -> Dataset:
        """The rows of a run."""
        from charlm.tasks.regression.dataset import reread_dataset

        return reread_dataset(cast("RegressionRun", run), source)

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """None: a regression starts from no other run."""
        raise UsageError("A regression starts from no other run.", "Leave out --init-from.")

    def evaluate(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        source: Any,
        split: str | None,
        options: Options = MappingProxyType({}),
    ) -> "RegressionEvaluation":
        """RMSE, MAE and R² of a table."""
        from charlm.tasks.regression.evaluation import evaluate_numbers

        check_options(options, "encoding")
        own = cast("RegressionRun", run)
        return evaluate_numbers(own, cast("Encoder", model), source, split, options.get("encoding"))

    def predict(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        inputs: Iterable[Any],
        options: Options = MappingProxyType({}),
    ) -> "Iterator[float | None]":
        """The number of each row; None for a row that lacks a value."""
        from charlm.tasks.regression.predict import predict

        check_options(options)
        return predict(cast("RegressionRun", run), cast("Encoder", model), inputs)

    def reads_rows(self, run: RunDirectory) -> bool:
        """Numbers are predicted from a row's columns, unless one of them is named as texts."""
        return not cast("RegressionRun", run).regression.reads_texts

    def predict_table(
        self,
        run: RunDirectory,
        model: "RecurrentModel",
        table: Table,
        text_column: str | None,
        options: Options = MappingProxyType({}),
    ) -> Iterator[tuple[Mapping[str, str], dict[str, Cell]]]:
        """The number of each row; a series goes on past its last row."""
        from charlm.tasks.regression.predict import predicted_table

        check_options(options)
        own = cast("RegressionRun", run)
        return predicted_table(own, cast("Encoder", model), table, text_column)

    def describe_data(self, run: RunDirectory) -> str:
        """The table, its target and the number of rows."""
        about = run.record.corpus
        window = cast("RegressionRun", run).regression.window
        windows = f", windows of {window}" if window else ""
        return (
            f"{about['name']}, target '{about['target']}', {count(about['rows'], 'row')}{windows}"
        )

    def meanings(self, run: RunDirectory) -> Mapping[str, Any]:
        """What inputs and target are scaled by, and of texts the vocabulary by id."""
        own = cast("RegressionRun", run)
        vocabulary = own.vocabulary_of_texts
        return {"scaler": vars(own.scaler), **(vocabulary.by_id() if vocabulary else {})}

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """How sure the difference to the better baseline is."""
        if "comparison" in result:
            yield sentence(result["comparison"])

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Predict, and score."""
        yield run_command(run.path, "predict", "TABLE", option="run")
        yield run_command(run.path, "eval", option="run")

    def chapters(
        self, run: RunDirectory, load_model: "Callable[[], RecurrentModel]"
    ) -> Sequence[Draft]:
        """The score of what was held out, with pictures."""
        from charlm.tasks.regression.chapters import drafts

        return drafts(cast("RegressionRun", run), load_model)
