"""A trained model, as a Python object."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import SettingError, UsageError
from charlm.generation.engines import Engine, TorchEngine, cpu_engine
from charlm.generation.sampler import sample_texts, stream_text
from charlm.keywords import SamplingKeywords
from charlm.runs import RunDirectory
from charlm.scoring import Evaluation
from charlm.text.corpus import Corpus, open_corpus
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.vocabulary import Ids, Vocabulary

if TYPE_CHECKING:
    from charlm.model import LanguageModel

Source = str | Path | Corpus | Iterable[str | Path] | None


class Run:
    """A trained model, with its vocabulary, its settings and its history.

    Args:
        directory: where it is kept.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"<charlm.Run {self.name}: {self.config.cell} of {self.config.hidden_size}>"

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def vocabulary(self) -> Vocabulary:
        return self.directory.vocabulary

    @property
    def config(self) -> ModelConfig:
        return self.directory.record.settings.model

    @property
    def result(self) -> dict[str, Any]:
        """How training ended: split, score, baselines, seconds, steps, train_perplexity."""
        return self.directory.record.result

    def metrics(self) -> list[dict[str, Any]]:
        """A row for each evaluation during training."""
        return self.directory.metrics()

    def model(self, device: str = "cpu", backend: str = "auto") -> "LanguageModel":
        """The best weights as a torch module, in evaluation mode."""
        from charlm.device import choose_device
        from charlm.model import LanguageModel
        from charlm.rnn.stack import choose_backend

        where = choose_device(device)
        model = LanguageModel(self.config, choose_backend(self.config, backend, where.type))
        model.load_weights(self.directory.load_weights())
        return model.to(where).eval()

    def normalize(self, text: str) -> str:
        """The text as this run's model gets to see texts."""
        return NORMALIZATIONS[self.directory.record.corpus["normalization"]](text)

    # Writing

    def engine(self, device: str = "cpu", sampling: SamplingConfig | None = None) -> Engine:
        """What computes the next character: NumPy on the CPU, torch elsewhere.

        Args:
            sampling: what is to be written; long texts may be worth compiled arithmetic.
        """
        if device == "cpu":
            return cpu_engine(self.config, self.directory.load_weights(), sampling)
        return TorchEngine(self.model(device))

    def encode_prefix(self, prefix: str | None, unknown: str = "error") -> Ids:
        """Ids of a prefix after normalization; None is a likely beginning.

        Raises:
            UsageError: nothing of it is left.
            UnknownCharacterError: it has unknown characters and `unknown` is "error".
        """
        if prefix is None:
            return self.vocabulary.encode(self.vocabulary.likely_beginning)
        ids = self.vocabulary.encode(self.normalize(prefix), unknown)
        if not len(ids):
            raise UsageError(
                "The prefix is empty" + (" after normalization." if prefix else "."),
                "Give at least one character that the model knows.",
            )
        return ids

    def generate(
        self,
        prefix: str | None = None,
        *,
        unknown: str = "error",
        device: str = "cpu",
        **sampling: Unpack[SamplingKeywords],
    ) -> str:
        """The prefix and what the model writes after it.

        Args:
            prefix: read first; None leaves the beginning to the model.
            unknown: what to do about characters of the prefix that the vocabulary lacks: "error",
                "replace" or "skip".
            sampling: fields of SamplingConfig: temperature, top_k, top_p, min_p, length, stop and
                seed.

        Raises:
            CharlmError: a setting, a device or a prefix that cannot be; a damaged run.
        """
        return "".join(self.stream(prefix, unknown=unknown, device=device, **sampling))

    def stream(
        self,
        prefix: str | None = None,
        *,
        unknown: str = "error",
        device: str = "cpu",
        **sampling: Unpack[SamplingKeywords],
    ) -> Iterator[str]:
        """`generate`, piece by piece as it is drawn."""
        config = sampling_config(**sampling)
        if config.num_samples > 1:
            raise UsageError("One text at a time is streamed.", "Use samples for several.")
        ids = self.encode_prefix(prefix, unknown)
        if prefix is not None:
            yield self.vocabulary.decode(ids)
        yield from stream_text(self.engine(device, config), self.vocabulary, ids, config)

    def samples(
        self,
        prefix: str | None = None,
        *,
        unknown: str = "error",
        device: str = "cpu",
        **sampling: Unpack[SamplingKeywords],
    ) -> list[str]:
        """As many texts as `num_samples` says, drawn side by side."""
        config = sampling_config(**sampling)
        ids = self.encode_prefix(prefix, unknown)
        start = "" if prefix is None else self.vocabulary.decode(ids)
        texts = sample_texts(self.engine(device, config), self.vocabulary, ids, config)
        return [start + text for text in texts]

    # Scoring

    def evaluate(
        self,
        source: Source = None,
        *,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str = "utf-8",
        device: str = "cpu",
        backend: str = "auto",
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> Evaluation:
        """The exact score of a text: every character after the first, with the state carried.

        Args:
            source: a text as in `train`; None is the run's own.
            split: train, val, test or all of the run's own text; by default what was held out. Any
                other text is scored as a whole.
            unknown: what to do about characters that the vocabulary lacks: "error", "replace"
                (score them as `<unk>`) or "skip".
            report: told now and then how many characters are scored, of how many.

        Raises:
            CharlmError: a text that is missing, too short or not what it was.
        """
        from charlm.evaluation import surprise
        from charlm.session import corpus_of

        record = self.directory.record
        if source is None:
            corpus = corpus_of(self.directory)
        elif isinstance(source, Corpus):
            corpus = source.normalized(record.corpus["normalization"])
        else:
            corpus = open_corpus(
                source, normalization=record.corpus["normalization"], encoding=encoding
            )
        own = corpus.sha256 == record.corpus["sha256"]
        if split not in (None, "all") and not own:
            raise SettingError("split", "is for the text that the run was trained on only.")
        split = split or (record.spans.held_out if own else "all")
        text = corpus.text if split == "all" else record.spans.of_text(corpus.text, split)
        ids = self.vocabulary.encode(text, unknown)
        missing = len(text) - int(np.count_nonzero(ids))
        if unknown == "skip" and missing:
            text = "".join(each for each in text if each in self.vocabulary)
        if len(ids) < 2:
            raise UsageError(
                f"There are {len(ids)} characters to score in {corpus.name} ({split}).",
                "At least two are needed: one to read and one to predict.",
            )
        nats = surprise(self.model(device, backend), ids, report=report)
        assert nats is not None
        return Evaluation(corpus.name, split, text, nats, missing, corpus.lossless)


def sampling_config(**sampling: Unpack[SamplingKeywords]) -> SamplingConfig:
    for name in sampling:
        if name not in SamplingConfig.names():
            raise SettingError(name, f"is no setting of: {', '.join(SamplingConfig.names())}.")
    return SamplingConfig(**sampling)
