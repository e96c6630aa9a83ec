"""What the run of a regression keeps besides: a scaler, and simple models to compare with."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from charlm.errors import RunError
from charlm.files.reading import COPY_AGAIN
from charlm.files.whole import Arrays
from charlm.runs.record import check_types
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.series import Clock
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.run import EncoderRun
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from charlm.tasks.regression.baselines import Baselines


SCALER, BASELINES = "scaler.json", "baselines"


class RegressionRun(EncoderRun):
    """The run of a regression.

    scaler.json
    baselines.safetensors   once it is trained
    """

    data_config = RegressionConfig
    train_config = EncoderTrainConfig

    @property
    def named_columns(self) -> dict[str, Any]:
        about = self.record.corpus
        named = {"target_column": about["target"]}
        if not self.regression.reads_texts:
            named["input_columns"] = ",".join(about["columns"])
        return named

    @property
    def regression(self) -> RegressionConfig:
        """How the run reads rows."""
        return cast("RegressionConfig", self.settings.data)

    @cached_property
    def scaler(self) -> Scaler:
        """Of the training part.

        Raises:
            RunError: it is missing or damaged, or not the model's.
        """
        scaler = self.parse_file(SCALER, Scaler.from_json)
        if len(scaler.columns) != self.record.model["input_size"]:
            raise RunError(f"'{self.path / SCALER}' belongs to another run.", COPY_AGAIN)
        return scaler

    @property
    def vocabulary_of_texts(self) -> Vocabulary | None:
        """The vocabulary; None where numbers are predicted from numbers."""
        return self.vocabulary if self.regression.reads_texts else None

    @cached_property
    def clock(self) -> Clock | None:
        """How the times of a series are read; None where there are none.

        Raises:
            RunError: `run.json` is damaged.
        """
        found = self.record.corpus.get("clock")
        if found is None:
            return None
        try:
            return Clock.from_json(found)
        except (ValueError, TypeError) as error:
            raise RunError(f"'{self.path / 'run.json'}' is damaged: {error}.", COPY_AGAIN) from None

    @cached_property
    def baselines(self) -> "Baselines | None":
        """Simple models of the training part; None before training has ended.

        Raises:
            RunError: their file is damaged.
        """
        from charlm.tasks.regression.baselines import Baselines

        inputs, length = self.record.model["input_size"], self.regression.window or 1

        def parse(arrays: Arrays) -> Baselines:
            return Baselines.from_arrays(arrays, inputs, length)

        return self.parse_arrays(BASELINES, parse)

    def check_contents(self) -> None:
        """Settings, scaler, and the vocabulary of texts."""
        super().check_contents()
        check_types(self.record.corpus, {"target": str})
        _ = self.scaler, self.clock, self.vocabulary_of_texts
