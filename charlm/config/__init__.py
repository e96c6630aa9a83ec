"""Every setting, once: its name, default, range and the help that the command line shows.

The defaults here are neutral. What `charlm train` uses unless told otherwise is the preset `quick`
(`charlm.presets`).
"""

from charlm.config.data import DataConfig
from charlm.config.fields import Config, fits, setting
from charlm.config.model import ModelConfig
from charlm.config.sampling import SamplingConfig
from charlm.config.train import TrainConfig

__all__ = [
    "Config",
    "DataConfig",
    "ModelConfig",
    "SamplingConfig",
    "TrainConfig",
    "fits",
    "setting",
]
