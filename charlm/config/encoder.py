"""What a net is that reads a sequence and says one thing about it."""

from dataclasses import dataclass

from charlm.config.fields import setting
from charlm.config.model import ModelConfig


@dataclass(frozen=True)
class EncoderConfig(ModelConfig):
    """What an encoder is, whatever backend computes it. The data decide its first two sizes."""

    input_size: int = 0
    output_size: int = 1
    bidirectional: bool = setting(
        False, "Labels and numbers: read each sequence from its end too.", identity=True
    )
    encoder_pooling: str = setting(
        "last",
        "Labels and numbers: what of a sequence's states is read: last, mean, max or mean-max.",
        choices=("last", "mean", "max", "mean-max"),
        identity=True,
    )

    @property
    def features(self) -> int:
        """How many numbers the output layer reads."""
        kinds = 2 if self.encoder_pooling == "mean-max" else 1
        return self.hidden_size * (2 if self.bidirectional else 1) * kinds
