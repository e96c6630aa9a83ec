"""The settings of a language model, and which of them have no effect beside others."""

from dataclasses import dataclass

from charlm.config import TextConfig, TextTrainConfig
from charlm.presets import SEQUENTIAL, Settings
from charlm.tasks.relevance import Rule


@dataclass(frozen=True)
class TextSettings(Settings):
    """Settings of which data and training are those of texts."""

    data: TextConfig
    train: TextTrainConfig


RULES = (
    Rule(
        SEQUENTIAL,
        lambda settings: settings.train.sampling == "random",
        "is for --sampling sequential only.",
    ),
    Rule(
        ("sampling", "random_lengths", "reset_probability"),
        lambda settings: settings.data.documents is not None,
        "is of running text, and --documents has each begin from a zero state.",
    ),
    Rule(
        ("temporal_penalty", "random_lengths"),
        lambda settings: settings.train.seq_length == 1,
        "does nothing where a window is a single step: give a --seq-length.",
    ),
    Rule(
        ("eval_characters", "val_characters"),
        lambda settings: not settings.data.val_fraction,
        "needs held-out text: give a --val-fraction.",
    ),
)
