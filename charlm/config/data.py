"""How data become ids and splits."""

from dataclasses import dataclass

from charlm.config.fields import Config, setting
from charlm.errors import SettingError


@dataclass(frozen=True)
class DataConfig(Config):
    """How any data become examples and splits."""

    encoding: str = setting(
        "utf-8", "How the text's bytes spell characters, as Python names it; auto: as they seem to."
    )
    min_count: int = setting(
        1, "Characters rarer than this in the training split become <unk>.", minimum=1
    )
    val_fraction: float = setting(
        0.1, "Share of the text held out for scoring while training.", minimum=0, below=1
    )
    test_fraction: float = setting(
        0.0, "Share at the text's end that is scored once, after training.", minimum=0, below=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_fraction + self.test_fraction >= 1:
            raise SettingError(
                "val_fraction", "and test_fraction leave nothing to train on.", ["test_fraction"]
            )


@dataclass(frozen=True)
class TextConfig(DataConfig):
    """How a text becomes ids and splits."""

    units: str = setting(
        "characters",
        "What a text is read as: characters, words or bytes.",
        choices=("characters", "words", "bytes"),
    )
    documents: str | None = setting(
        None,
        "Read the text as independent documents: lines, blank-lines, files, or the separator that "
        "stands between them.",
    )
    max_vocabulary: int | None = setting(
        None, "Keep only so many entries of the vocabulary, the most frequent.", minimum=1
    )
    grow_vocabulary: bool = setting(
        False, "With --init-from: add what the other run's vocabulary lacks."
    )
    normalize: str | None = setting(
        None, "letters, letters-by-line, lower or none; by default what the corpus asks for."
    )
    val_characters: int = setting(
        1_000_000,
        "Hold out no more than this many characters (or words, or bytes) for validation.",
        minimum=2,
    )
    train_characters: int | None = setting(
        None,
        "Train on no more than this many characters (or words, or bytes), the first ones.",
        minimum=2,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units == "bytes":
            for name in ("normalize", "encoding", "max_vocabulary", "min_count"):
                if getattr(self, name) not in (getattr(type(self), name), "none"):
                    problem = "does not go with units bytes, which reads every file as it is."
                    raise SettingError(name, problem, ["units"])
