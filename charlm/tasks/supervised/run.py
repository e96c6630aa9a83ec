"""What the runs of encoders have in common."""

from typing import cast

from charlm.config import EncoderConfig
from charlm.files.whole import Arrays
from charlm.rnn.weights import check_shapes, encoder_shapes
from charlm.runs.directory import RunDirectory

DATA = "data.jsonl"


class EncoderRun(RunDirectory):
    """The run of an encoder, trained on the rows of a table.

    data.jsonl         the rows, only if they cannot be read from their source again
    """

    model_config = EncoderConfig

    def check_contents(self) -> None:
        """Settings, and where the rows are."""
        super().check_contents()
        _ = self.record.corpus["sha256"], self.record.corpus["source"]

    def check_weights(self, weights: Arrays) -> Arrays:
        shapes = {name: each.shape for name, each in weights.items()}
        check_shapes(encoder_shapes(cast("EncoderConfig", self.settings.model)), shapes)
        return super().check_weights(weights)
