"""Settings of classification, and its presets."""

from dataclasses import dataclass
from typing import Any

from charlm.config import setting
from charlm.errors import SettingError
from charlm.tasks.supervised.settings import WORDS, TableConfig


@dataclass(frozen=True)
class ClassificationConfig(TableConfig):
    """How the rows of a table become labelled texts."""

    label_column: str | None = setting(
        None, "Column of the labels; by default 'label', 'sentiment' or 'class'."
    )
    pretrained_vectors: str | None = setting(
        None,
        "A text file of word vectors, such as glove.6B.100d.txt, for the words that it has; the "
        "others' are drawn. For --units words.",
        path=True,
    )
    class_weights: str = setting(
        "none",
        "Weigh all texts alike (none), or rare labels' more, so that all labels weigh the same "
        "(balanced).",
        choices=("none", "balanced"),
    )
    threshold: float | None = setting(
        None, "Of two labels: give the second one from this probability on.", minimum=0, below=1
    )
    choose_threshold: bool = setting(
        False, "Choose that probability by the macro F1 on the validation part."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None:
            check_threshold(self.threshold)
            if self.choose_threshold:
                raise SettingError("threshold", "is chosen or given, not both.")


def check_threshold(given: float) -> None:
    """Raise SettingError unless a threshold is between 0 and 1."""
    if not 0 < given < 1:
        raise SettingError("threshold", f"lies between 0 and 1, and is not {given}.")


# From texts on sentiment analysis with recurrent nets: words, and batches of similar lengths. They
# read padding as if it were words; charlm does not. They begin with pretrained vectors, in whose
# place small ones are drawn.
SENTIMENT: dict[str, Any] = {
    "units": "words",
    "lower": True,
    "embedding_size": 100,
    "hidden_size": 256,
    "input_dropout": 0.5,
    "output_dropout": 0.5,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "clip_norm": 0.0,
    "weight_decay": 0.0,
    "initialization": "orthogonal",
}
PRESETS: dict[str, dict[str, Any]] = {
    # Short texts of any kind, a few thousand of them, in a minute or two on two cores.
    "labels": {
        "cell": "gru",
        "bidirectional": True,
        "encoder_pooling": "max",
        "embedding_size": 64,
        "hidden_size": 128,
        "input_dropout": 0.1,
        "output_dropout": 0.5,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "warmup_steps": 20,
        "weight_decay": 0.01,
        "initialization": "orthogonal",
        "epochs": 10,
    },
    # The best known here for some thousand sentences, in a minute or two on two cores.
    "words": WORDS,
    "sentiment-gru": {
        **SENTIMENT,
        "cell": "gru",
        "max_vocabulary": 25_000,
        "batch_size": 64,
        "epochs": 5,
    },
    "sentiment-lstm": {
        **SENTIMENT,
        "cell": "lstm",
        "num_layers": 2,
        "bidirectional": True,
        "dropout": 0.5,
        "max_vocabulary": 10_000,
        "batch_size": 30,
        "epochs": 10,
    },
    # Four sentences, learned by heart.
    "toy-rnn": {
        "units": "words",
        "lower": True,
        "val_fraction": 0.0,
        "cell": "rnn",
        "embedding_size": 8,
        "hidden_size": 8,
        "batch_size": 2,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "clip_norm": 0.0,
        "epochs": 20,
    },
}
DEFAULT_PRESET = "labels"
