"""What the run of a regression keeps besides: a scaler, and data that have no file."""

from functools import cached_property
from typing import cast

from charlm.errors import RunError
from charlm.files.whole import COPY_AGAIN
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.run import EncoderRun

SCALER = "scaler.json"


class RegressionRun(EncoderRun):
    """The run of a regression.

    scaler.json
    """

    data_config = RegressionConfig

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

    def check_contents(self) -> None:
        """Settings and scaler."""
        super().check_contents()
        _ = self.scaler
