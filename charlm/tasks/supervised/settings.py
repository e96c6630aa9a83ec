"""Settings of tasks whose examples are the rows of a table."""

from dataclasses import dataclass
from typing import Any

from charlm.config import DataConfig, TrainConfig, setting
from charlm.errors import SettingError
from charlm.text.normalize import NORMALIZATIONS


@dataclass(frozen=True)
class TableConfig(DataConfig):
    """How the rows of a table become examples and parts."""

    text_column: str | None = setting(
        None, "Column of the texts; by default 'text', or the only one that it can be."
    )
    units: str = setting(
        "characters",
        "What a text is read as: characters or words.",
        choices=("characters", "words"),
    )
    normalize: str | None = setting(None, "letters, lower or none, before anything else.")
    lower: bool = setting(False, "Read capitals as small letters.")
    max_vocabulary: int | None = setting(
        None, "Keep only so many entries of the vocabulary, the most frequent.", minimum=1
    )
    max_length: int | None = setting(
        None, "Read no more than so many units of a text, the first ones.", minimum=1
    )
    test: str | None = setting(None, "A file whose rows are the test part.", path=True)
    val: str | None = setting(None, "A file whose rows are the validation part.", path=True)
    split_column: str | None = setting(
        None, "Column that says of each row whether it is for train, val or test."
    )
    group_column: str | None = setting(
        None, "Column such as an author's name: all rows of a group are in the same part."
    )
    folds: int | None = setting(
        None,
        "Train so many models, each with another fold of the rows as its test part, and score all "
        "rows.",
        minimum=2,
    )
    fold: int = setting(1, "Which of the folds is the test part.", minimum=1)
    drop_duplicates: bool = setting(
        False, "Leave out of training what also stands in a held-out part."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize is not None and self.normalize not in NORMALIZATIONS:
            raise SettingError("normalize", f"must be {' or '.join(NORMALIZATIONS)}.")
        if self.split_column and (self.test or self.val):
            raise SettingError("split_column", "does not go with --test or --val.", ["test", "val"])
        if self.folds is not None:
            given = {"test": self.test, "split_column": self.split_column}
            given["test_fraction"] = str(self.test_fraction or "")
            for name in (name for name, value in given.items() if value):
                raise SettingError("folds", "make the test part: leave out the other.", [name])
            if self.fold > self.folds:
                raise SettingError("fold", f"is one of {self.folds}: 1 to {self.folds}.")


@dataclass(frozen=True)
class EncoderTrainConfig(TrainConfig):
    """How an encoder is trained."""

    adversarial: float = setting(
        0.0,
        "Of texts: learn also from vectors that are moved where the loss grows fastest, by so many "
        "lengths of a usual vector over the whole text.",
        minimum=0,
    )
    freeze: bool = setting(
        False,
        "Train the output layer alone, on what the run of --init-from says of each text, computed "
        "once.",
    )


# A preset for short texts of words. What each part of it brings stands in docs/labels.md.
WORDS: dict[str, Any] = {
    "units": "words",
    "lower": True,
    "min_count": 2,
    "cell": "gru",
    "bidirectional": True,
    "encoder_pooling": "mean-max",
    "embedding_size": 100,
    "hidden_size": 64,
    "input_dropout": 0.5,
    "output_dropout": 0.5,
    "adversarial": 0.5,
    "batch_size": 128,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup_steps": 20,
    "weight_decay": 0.0,
    "clip_norm": 0.0,
    "ema_decay": 0.99,
    "initialization": "orthogonal",
    "epochs": 10,
}
