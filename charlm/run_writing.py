"""What a run writes: texts, and states to go on from."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack, cast

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import UsageError
from charlm.generation.engine import Engine
from charlm.generation.sizes import check_samples
from charlm.keywords import WritingKeywords
from charlm.tasks.language_modeling.engines import engine_of, mixed_engine
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.writing import Writer, streamed
from charlm.tasks.relevance import sampling_config
from charlm.text.fragments import Notify

if TYPE_CHECKING:
    from charlm.language_model import LanguageModel
    from charlm.rnn.model import RecurrentModel

# What is said of a writer, and not of how it draws.
WRITERS = ("from_state", "unknown", "device", "notify")


class WritesTexts(ABC):
    """The part of `charlm.Run` that writes."""

    @property
    @abstractmethod
    def language(self) -> LanguageModelRun:
        """The run directory, as that of a language model; UsageError if it is another's."""

    @property
    @abstractmethod
    def config(self) -> ModelConfig:
        """The settings of the model."""

    @abstractmethod
    def model(self, device: str = "cpu", backend: str = "auto") -> "RecurrentModel":
        """Load the best weights into a torch module, in evaluation mode."""

    def engine(self, device: str = "cpu", sampling: SamplingConfig | None = None) -> Engine:
        """What computes the logits of the next character: NumPy on the CPU, torch elsewhere.

        Args:
            sampling: what is to be generated; for long texts, compiled code may be chosen.
        """
        if device == "cpu":
            return engine_of(self.language, sampling)
        from charlm.generation.torch_engine import TorchEngine

        engine = TorchEngine(cast("LanguageModel", self.model(device)))
        return mixed_engine(self.language, engine) if sampling and sampling.mix else engine

    def writer(
        self,
        *,
        from_state: str | None = None,
        unknown: str | None = None,
        device: str = "cpu",
        notify: Notify = warnings.warn,
        sampling: SamplingConfig | None = None,
    ) -> Writer:
        """The model, loaded once to read and write as often as wanted, its state carried on.

        The arguments are those of `generate` and `engine`.
        """
        engine = self.engine(device, sampling)
        given: dict[str, Any] = {"from_state": from_state, "unknown": unknown, "notify": notify}
        return Writer(self.language, engine, **given)

    def generate(self, prefix: str | None = None, **how: Unpack[WritingKeywords]) -> str:
        """Generate a text: the prefix and what the model writes after it.

        Args:
            prefix: text to continue; None leaves the beginning to the model.
            from_state: name of a state that was kept by `save_state`, which the prefix follows.
            unknown: what to do about characters of the prefix that the vocabulary lacks: "error"
                (the default), "replace" or "skip".
            device: cpu, cuda or mps.
            notify: called with a sentence if normalizing the prefix, a stop string or a banned one
                like the run's text removes more than case and white space.
            how: all these, and fields of SamplingConfig such as temperature, length and stop.

        Raises:
            CharlmError: a setting, the device, the prefix or a string is invalid, or the run is
                damaged.
        """
        return "".join(self.stream(prefix, **how))

    def stream(self, prefix: str | None = None, **how: Unpack[WritingKeywords]) -> Iterator[str]:
        """Like `generate`, but yield the text piece by piece as it is drawn."""
        if self._writer(how)[1].num_samples > 1:
            raise UsageError("One text at a time is streamed.", "Use stream_samples for several.")
        yield from next(self.stream_samples(prefix, **how))

    def samples(self, prefix: str | None = None, **how: Unpack[WritingKeywords]) -> list[str]:
        """Generate `num_samples` texts side by side; the arguments are those of `generate`."""
        check_samples(self.config, self._writer(how)[1])
        return ["".join(text) for text in self.stream_samples(prefix, **how)]

    def stream_samples(
        self, prefix: str | None = None, **how: Unpack[WritingKeywords]
    ) -> Iterator[Iterator[str]]:
        """Like `samples`, but yield an iterator over the pieces of each text as they are drawn.

        The texts are drawn together; pieces not yet read are kept in memory.
        """
        make, sampling = self._writer(how)
        yield from streamed(make(), sampling, prefix)

    def generate_each(
        self, prefixes: Iterable[str], **how: Unpack[WritingKeywords]
    ) -> Iterator[list[str]]:
        """Yield the texts of `samples` for each of many prefixes, which are continued side by side.

        Each text is as if it were alone. The arguments are those of `generate`.
        """
        make, sampling = self._writer(how)
        writer = make()
        yield from writer.each(list(prefixes), writer.config(sampling))

    def save_state(self, name: str, prefix: str, **how: Unpack[WritingKeywords]) -> None:
        """Read a prefix, and keep the model's state after it with the run, for `from_state`.

        Args:
            name: a state that has it already is replaced.
            prefix, how: as in `generate`, without fields of SamplingConfig.
        """
        writer = self.writer(**cast("Any", how))
        writer.read(prefix)
        writer.save_state(name)

    def _writer(self, how: Mapping[str, Any]) -> tuple[Callable[[], Writer], SamplingConfig]:
        """What makes the writer, and how it is to write."""
        about = {name: how[name] for name in WRITERS if name in how}
        sampling = sampling_config(**{k: v for k, v in how.items() if k not in WRITERS})
        return partial(self.writer, sampling=sampling, **about), sampling
