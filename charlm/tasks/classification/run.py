"""What the run of a classifier keeps besides: a vocabulary, labels, and data that have no file."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.whole import COPY_AGAIN
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.supervised.run import EncoderRun
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.text.splits import count
from charlm.text.vocabulary import Vocabulary

VOCABULARY, LABELS = "vocabulary.json", "labels.json"


@dataclass(frozen=True)
class Labels:
    """The labels in the order of a model's outputs, and how often each stands in training."""

    names: tuple[str, ...]
    counts: tuple[int, ...]

    def to_json(self) -> str:
        content = {"labels": self.names, "counts": self.counts}
        return strict_json.dumps(content, ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, content: str) -> "Labels":
        """The inverse of `to_json`.

        Raises:
            ValueError: the content is not what `to_json` writes.
        """
        try:
            values = json.loads(content)
            names, counts = tuple(values["labels"]), tuple(values["counts"])
        except (TypeError, KeyError) as error:
            raise ValueError(f"no labels ({error})") from None
        if not all(isinstance(each, str) for each in names) or len(set(names)) < len(names):
            raise ValueError("labels are distinct texts")
        if len(counts) != len(names) or not all(isinstance(each, int) for each in counts):
            raise ValueError("labels need a count each")
        return cls(names, counts)


class ClassificationRun(EncoderRun):
    """The run of a classifier.

    vocabulary.json
    labels.json
    """

    data_config = ClassificationConfig
    train_config = EncoderTrainConfig

    @property
    def classification(self) -> ClassificationConfig:
        """How the run reads texts."""
        return cast("ClassificationConfig", self.settings.data)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of the training part.

        Raises:
            RunError: it is missing or damaged, or not the model's.
        """
        file = self.path / VOCABULARY
        vocabulary = self.parse_file(VOCABULARY, Vocabulary.from_json)
        size = self.record.model["vocabulary_size"]
        if len(vocabulary) != size or vocabulary.units != self.classification.units:
            raise RunError(
                f"'{file}' has {count(len(vocabulary), 'entry', 'entries')} where the model has "
                f"{size}: it belongs to another run.",
                COPY_AGAIN,
            )
        return vocabulary

    @cached_property
    def labels(self) -> Labels:
        """Of the training part.

        Raises:
            RunError: they are missing or damaged, or not the model's.
        """
        labels = self.parse_file(LABELS, Labels.from_json)
        if len(labels.names) != self.record.model["output_size"]:
            raise RunError(f"'{self.path / LABELS}' belongs to another run.", COPY_AGAIN)
        return labels

    @property
    def temperature(self) -> float:
        """By which logits are divided for calibrated probabilities; 1 before one was fitted."""
        fitted = self.record.result.get("temperature", 1.0)
        return float(fitted) if isinstance(fitted, float | int) and fitted > 0 else 1.0

    def check_contents(self) -> None:
        """Settings, vocabulary and labels."""
        super().check_contents()
        _ = self.vocabulary, self.labels
