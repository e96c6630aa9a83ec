"""What the run of a regression keeps besides: a scaler, and data that have no file."""

from functools import cached_property
from typing import cast

from charlm.config import EncoderConfig
from charlm.errors import RunError
from charlm.files.whole import COPY_AGAIN, Arrays, read
from charlm.rnn.weights import check_shapes, encoder_shapes
from charlm.runs.directory import RunDirectory
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.settings import RegressionConfig

SCALER, DATA = "scaler.json", "data.jsonl"


class RegressionRun(RunDirectory):
    """The run of a regression.

    scaler.json
    data.jsonl         the rows, only if they cannot be read from their source again
    """

    data_config = RegressionConfig
    model_config = EncoderConfig

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
        file = self.path / SCALER
        try:
            scaler = Scaler.from_json(read(file))
        except (ValueError, RecursionError) as error:
            raise RunError(f"'{file}' is damaged ({error}).", COPY_AGAIN) from None
        if len(scaler.columns) != self.record.model["input_size"]:
            raise RunError(f"'{file}' belongs to another run.", COPY_AGAIN)
        return scaler

    def check_contents(self) -> None:
        """Settings and scaler."""
        super().check_contents()
        _ = self.record.corpus["sha256"], self.record.corpus["source"], self.scaler

    def check_weights(self, weights: Arrays) -> Arrays:
        shapes = {name: each.shape for name, each in weights.items()}
        check_shapes(encoder_shapes(cast("EncoderConfig", self.settings.model)), shapes)
        return super().check_weights(weights)
