"""All settings, as dataclass fields with default, range and the help of the command line.

The defaults here are neutral; `charlm train` starts from the preset `quick` (`charlm.presets`).
"""

from charlm.config.data import DataConfig, TextConfig
from charlm.config.encoder import EncoderConfig
from charlm.config.fields import Config, UnknownSettingError, check, fits, setting
from charlm.config.model import ModelConfig
from charlm.config.sampling import CONTEXT, SamplingConfig
from charlm.config.train import TextTrainConfig, TrainConfig

__all__ = [
    "CONTEXT",
    "Config",
    "DataConfig",
    "EncoderConfig",
    "ModelConfig",
    "SamplingConfig",
    "TextConfig",
    "TextTrainConfig",
    "TrainConfig",
    "UnknownSettingError",
    "check",
    "fits",
    "setting",
]
