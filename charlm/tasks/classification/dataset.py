"""Labelled texts as the data of a run."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charlm.config import EncoderConfig, TrainConfig
from charlm.errors import SettingError, UsageError
from charlm.presets import Settings
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.encoder import Encoder
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.intervals import ItemValues
from charlm.scoring.score import Score
from charlm.seeds import Stream, generator
from charlm.tables.parts import spans_of
from charlm.tables.table import Digest
from charlm.tasks.classification.baselines import Baselines
from charlm.tasks.classification.labels import labels_of, numbers_of
from charlm.tasks.classification.parent import check_parent, check_unseen, load_encoder, tell_of
from charlm.tasks.classification.reading import LabelledTexts, notices_of, read_labelled
from charlm.tasks.classification.run import BASELINES, LABELS, ClassificationRun, Labels
from charlm.tasks.classification.scores import (
    best_threshold,
    compare,
    fit_temperature,
    given_labels,
    probabilities,
    score_of,
)
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.classification.vectors import complete, count_found, read_vectors
from charlm.tasks.dataset import Dataset, Tell
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.ngrams import INSTALL, decoded, is_possible
from charlm.tasks.supervised.run import DATA, VOCABULARY, as_lines, reread
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.tasks.supervised.training import (
    EncoderTraining,
    HeadTraining,
    all_outputs,
    score_by_batches,
)
from charlm.text.vocabulary import Vocabulary

# A guess that knows nothing costs ln C; at several times that nothing is being learned.
WORST_SHARE = 5.0


class LabelledDataset(Dataset):
    """Labelled texts as ids, the parts one behind the other.

    Args:
        vocabulary, labels: a run's; None makes them of the training part.
        files: make those that a new run keeps.
        parent: a language model that a new run starts from.
    """

    def __init__(
        self,
        read: LabelledTexts,
        vocabulary: Vocabulary | None = None,
        labels: Labels | None = None,
        files: bool = False,
        parent: LanguageModelRun | None = None,
    ) -> None:
        config = cast("ClassificationConfig", read.collected.config)
        self.name = read.name
        order, self.splits = spans_of(read.parts)
        self.rows, self.groups = order, read.groups
        self.split = next((n for n in ("test", "val") if self.size(n)), "train")
        numbered = read.collected.ordered(order)
        train = numbered[slice(*self.splits["train"])]
        self.vocabulary = vocabulary or read.collected.build_vocabulary(train)
        self.sequences = read.collected.encode(numbered, self.vocabulary)
        written = [read.labels[row] for row in order]
        self.labels = labels or labels_of(written[: self.size("train")], read.name)
        self.targets = numbers_of(written, self.labels, self.splits)
        self.corpus = {
            "name": read.name,
            "source": read.source,
            "columns": list(read.columns),
            "sha256": read.sha256,
            "texts": len(order),
        }
        self.vectors: npt.NDArray[np.float32] | None = None
        self.config = config
        self.balanced = config.class_weights == "balanced"
        self.check_threshold()
        self.notices = list(notices_of(read, self.labels, config.drop_duplicates))
        if self.split != "train" and not is_possible():
            self.notices.append(f"For logistic regressions to compare with: {INSTALL}")
        if parent is not None:
            held_out = self.sequences[slice(self.splits["val"][0], None)]
            unchecked = check_unseen(parent, decoded(held_out, self.vocabulary))
            self.notices += [unchecked] if unchecked else []
        if files:
            self.files = {
                VOCABULARY: self.vocabulary.to_json(),
                LABELS: self.labels.to_json(),
                **({} if read.source else {DATA: as_lines(read.copied_rows())}),
            }

    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: torch.device,
        backend: str,
        tell: Tell,
    ) -> Settings:
        """Set the sizes of the vocabulary and of the output."""
        model = replace(
            cast("EncoderConfig", settings.model),
            vocabulary_size=len(self.vocabulary),
            output_size=len(self.labels.names),
        )
        file = cast("ClassificationConfig", settings.data).pretrained_vectors
        if file is not None:
            size = settings.model.embedding_size
            self.vectors = read_vectors(file, self.vocabulary, size)
            words = len(self.vocabulary) - 1
            tell(f"Vectors for {count_found(self.vectors):,} of {words:,} words found in '{file}'.")
        if parent is not None:
            tell_of(cast("LanguageModelRun", parent), settings, tell)
        elif cast("EncoderTrainConfig", settings.train).freeze:
            raise SettingError("freeze", "is of a run that starts from another: give --init-from.")
        data = replace(settings.data, encoding=self.config.encoding)
        return replace(settings, model=model, data=data)

    def initialize(
        self, model: RecurrentModel, settings: Settings, parent: RunDirectory | None
    ) -> None:
        """By the scheme; vectors or layers that were trained elsewhere in place of drawn ones."""
        super().initialize(model, settings, None)
        file = cast("ClassificationConfig", settings.data).pretrained_vectors
        if self.vectors is None and file is not None:  # a run that begins again
            self.vectors = read_vectors(file, self.vocabulary, settings.model.embedding_size)
        if parent is not None:
            load_encoder(cast("Encoder", model), cast("LanguageModelRun", parent))
        if self.vectors is not None:
            random = generator(settings.train.seed, Stream.INITIALIZATION, 1)
            vectors = torch.from_numpy(complete(self.vectors, random))
            embedding = cast("Encoder", model).embedding
            assert embedding is not None
            embedding.weight.data.copy_(vectors)

    def part(self, name: str) -> tuple[Sequences, npt.NDArray[np.int64]]:
        """The texts of a part and their labels."""
        start, stop = self.splits[name]
        return self.sequences[slice(start, stop)], self.targets[start:stop]

    def training_task(self, model: RecurrentModel, config: TrainConfig) -> EncoderTraining:
        """Cross-entropy, of which rare labels' texts may have a larger share."""
        weight = None
        if self.balanced:
            counts = torch.tensor(self.labels.counts, dtype=torch.float32)
            weight = (counts.sum() / (len(counts) * counts)).to(next(model.parameters()).device)

        def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(outputs, targets, weight)

        def weigh(targets: npt.NDArray[Any]) -> float:
            return len(targets) if weight is None else float(weight[targets].sum())

        data = cast("Encoder", model), *self.part("train"), *self.part("val")
        worst = WORST_SHARE * math.log(len(self.labels.names))
        own = cast("EncoderTrainConfig", config)
        kind = HeadTraining if own.freeze else EncoderTraining
        return kind(*data, own, loss, score_of, worst, weigh, self.world)

    def score(self, model: RecurrentModel, split: str) -> Score:
        """Accuracy and log loss."""
        data = self.part(split)
        found = score_by_batches(cast("Encoder", model), *data, score_of, world=self.world)
        assert found is not None
        return found

    def item_values(
        self,
        model: RecurrentModel,
        split: str,
        run: RunDirectory,
        report: ProgressCallback = ignore_progress,
    ) -> ItemValues:
        """1 for each text that is given its label, 0 for the others."""
        own, rows = cast("ClassificationRun", run), self.rows[slice(*self.splits[split])]
        if self.groups is None and own.classification.group_column is not None:
            raise UsageError("the run keeps its texts, but not which of them belong together")
        sequences, targets = self.part(split)
        outputs = all_outputs(cast("Encoder", model), sequences)
        right = given_labels(probabilities(outputs, own.temperature), own.threshold) == targets
        scored = Digest()
        scored.add(self.corpus["sha256"], str(rows.tolist()))
        groups = None if self.groups is None else self.groups[rows]
        return ItemValues(right.astype(np.float64), "text", scored.hexdigest(), groups=groups)

    def baselines(self, split: str) -> Mapping[str, Score]:
        """The majority's label, and logistic regressions where scikit-learn is there."""
        train, labels = self.part("train")
        held_out, targets = self.part(split)
        self.fitted = Baselines.fit(train, labels, self.labels.counts, self.vocabulary)
        self.said = self.fitted.logs(held_out, self.vocabulary)
        return {name: score_of(logs, targets) for name, logs in self.said.items()}

    def finish(self, model: RecurrentModel, split: str, run: RunDirectory) -> dict[str, Any]:
        """Keep the baselines; a temperature and a threshold chosen on val, and how sure the
        difference to the best baseline is.
        """
        run.write_arrays(BASELINES, self.fitted.arrays())
        encoder, result = cast("Encoder", model), dict[str, Any]()
        sequences, targets = self.part(split)
        outputs = all_outputs(encoder, sequences)
        known, labels = outputs, targets
        if self.size("val"):
            held_out, labels = self.part("val")
            known = outputs if split == "val" else all_outputs(encoder, held_out)
            result["temperature"] = fit_temperature(known, labels)
        temperature, threshold = result.get("temperature", 1.0), self.config.threshold
        if self.config.choose_threshold:
            threshold = best_threshold(probabilities(known, temperature)[:, 1], labels)
        right = given_labels(probabilities(outputs, temperature), threshold) == targets
        if threshold is not None:
            score = replace(score_of(outputs, targets), right=int(right.sum()))
            result |= {"threshold": threshold, "score": score.to_json()}
        others = {name: logs.argmax(1) == targets for name, logs in self.said.items()}
        result["comparison"] = compare(right, others)
        return result

    def check_threshold(self) -> None:
        """Raise SettingError for a threshold of other than two labels, or that cannot be chosen."""
        config, labels = self.config, len(self.labels.names)
        name = "choose_threshold" if config.choose_threshold else "threshold"
        if (config.threshold is not None or config.choose_threshold) and labels != 2:
            raise SettingError(name, f"is for two labels, and {self.name} has {labels}.")
        if config.choose_threshold and not self.size("val"):
            raise SettingError(name, "needs a validation part, and there is none.")


def read_dataset(
    source: Any, settings: Settings, parent: RunDirectory | None = None
) -> LabelledDataset:
    """The data of a new run.

    Args:
        parent: the run that it starts from.
    """
    config = cast("ClassificationConfig", settings.data)
    theirs = None if parent is None else check_parent(parent, settings)
    read = read_labelled(source, config, settings.train.seed)
    vocabulary = None if theirs is None else theirs.vocabulary
    return LabelledDataset(read, vocabulary, files=True, parent=theirs)


def reread_dataset(run: ClassificationRun, source: Any) -> LabelledDataset:
    """The data of a run that goes on.

    Raises:
        RunError: they are not what they were.
    """
    return LabelledDataset(reread(run, source, read_labelled), run.vocabulary, run.labels)
