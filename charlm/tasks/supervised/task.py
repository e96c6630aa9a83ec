"""What the tasks of encoders have in common."""

from typing import TYPE_CHECKING, cast

from charlm.config import EncoderConfig, ModelConfig
from charlm.tasks.task import Task

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder


class EncoderTask(Task):
    """A task whose model is an Encoder."""

    def make_model(self, config: ModelConfig, backend: str) -> "Encoder":
        """An Encoder."""
        from charlm.rnn.encoder import Encoder

        return Encoder(cast("EncoderConfig", config), backend)
