"""What the run of a classifier keeps besides: labels, and simple models to compare with."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, cast

from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.reading import COPY_AGAIN
from charlm.files.schema import Count, check
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.supervised.run import EncoderRun
from charlm.tasks.supervised.settings import EncoderTrainConfig

if TYPE_CHECKING:
    from charlm.tasks.classification.baselines import Baselines


LABELS, BASELINES = "labels.json", "baselines"


class LabelsFile(TypedDict):
    """What labels.json holds."""

    labels: list[str]
    counts: list[Count]


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
            values = strict_json.loads(content)
            check(values, LabelsFile, "the file")
        except ValueError as error:
            raise ValueError(f"no labels: {error}") from None
        names, counts = tuple(values["labels"]), tuple(values["counts"])
        if len(set(names)) < len(names):
            raise ValueError("labels are distinct texts")
        if len(counts) != len(names) or not sum(counts):
            raise ValueError("labels need a count each")
        return cls(names, counts)


class ClassificationRun(EncoderRun):
    """The run of a classifier.

    labels.json
    baselines.safetensors   once it is trained
    """

    data_config = ClassificationConfig
    train_config = EncoderTrainConfig

    @property
    def named_columns(self) -> dict[str, Any]:
        return {"text_column": "text", "label_column": "label", "group_column": None}

    @property
    def classification(self) -> ClassificationConfig:
        """How the run reads texts."""
        return cast("ClassificationConfig", self.settings.data)

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

    @property
    def threshold(self) -> float | None:
        """Probability from which on the second of two labels is given; None for the likeliest."""
        chosen = self.record.result.get("threshold")
        fits = isinstance(chosen, float) and 0 < chosen < 1 and len(self.labels.names) == 2
        return chosen if fits else None

    @cached_property
    def baselines(self) -> "Baselines | None":
        """Simple models of the training part; None before training has ended.

        Raises:
            RunError: their file is damaged.
        """
        from charlm.tasks.classification.baselines import Baselines

        counts = self.labels.counts
        return self.parse_arrays(BASELINES, lambda arrays: Baselines.from_arrays(arrays, counts))

    def check_contents(self) -> None:
        """Settings, vocabulary and labels."""
        super().check_contents()
        _ = self.vocabulary, self.labels
