"""The registry's entry. Torch, which takes a second to import, is imported where it is needed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from charlm.errors import UsageError
from charlm.files.paths import bundled_file
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.runs.commands import run_command
from charlm.runs.directory import RunDirectory
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.regression.scores import RegressionScore, verdict
from charlm.tasks.regression.settings import DEFAULT_PRESET, PRESETS
from charlm.tasks.relevance import Rule
from charlm.tasks.supervised.task import EncoderTask
from charlm.tasks.task import Dataset
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder
    from charlm.rnn.model import RecurrentModel
    from charlm.tasks.regression.evaluation import RegressionEvaluation

HOUSES = "houses.csv"
OF_TEXTS = (
    *("text_column", "units", "normalize", "lower", "max_vocabulary", "min_count", "max_length"),
    *("drop_duplicates", "embedding_size", "tie_weights"),
)
RULES = (
    Rule(OF_TEXTS, lambda settings: True, "is of texts, and this reads numbers."),
    Rule(("cuda_graphs",), lambda settings: True, "records no steps of this task."),
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

    def read(
        self,
        source: Any,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """Rows of numbers; by default the house prices that come with charlm."""
        from charlm.tasks.regression.dataset import read_dataset

        return read_dataset(str(bundled_file(HOUSES)) if source is None else source, settings)

    def reread(self, run: RunDirectory, source: Any, encoding: str | None) -> Dataset:
        """The rows of a run."""
        from charlm.tasks.regression.dataset import reread_dataset

        return reread_dataset(cast("RegressionRun", run), source)

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """None: a regression starts from no other run."""
        raise UsageError("A regression starts from no other run.", "Leave out --init-from.")

    def evaluate(
        self, run: RunDirectory, model: "RecurrentModel", source: Any, split: str | None
    ) -> "RegressionEvaluation":
        """RMSE, MAE and R² of a table."""
        from charlm.tasks.regression.evaluation import evaluate_numbers

        own = cast("RegressionRun", run)
        return evaluate_numbers(own, cast("Encoder", model), source, split)

    def predict(
        self, run: RunDirectory, model: "RecurrentModel", inputs: Iterable[Any]
    ) -> "Iterator[float | None]":
        """The number of each row; None for a row that lacks a value."""
        from charlm.tasks.regression.predict import predict

        return predict(cast("RegressionRun", run), cast("Encoder", model), inputs)

    def reads_rows(self) -> bool:
        """A row's columns are what a number is predicted from."""
        return True

    def cells_of(self, run: RunDirectory, prediction: Any) -> dict[str, str]:
        """The number, in the target's units."""
        target = f"predicted {run.record.corpus['target']}"
        return {target: "" if prediction is None else f"{prediction:.6g}"}

    def describe_data(self, run: RunDirectory) -> str:
        """The table, its target and the number of rows."""
        about = run.record.corpus
        return f"{about['name']}, target '{about['target']}', {count(about['rows'], 'row')}"

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """How sure the difference to the better baseline is."""
        found = result.get("comparison")
        if found is not None:
            low, high = found["interval"]
            yield verdict((low, high), found["baseline"])

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Predict, and score."""
        yield run_command(run.path, "predict", "TABLE", option="run")
        yield run_command(run.path, "eval", option="run")
