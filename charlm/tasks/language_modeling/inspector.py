"""What the model of a run does, as numbers: `charlm.Run.inspect`."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np

from charlm.keywords import SamplingKeywords
from charlm.progress import ProgressCallback, ignore_progress
from charlm.tasks.language_modeling.copying import inspect_copying
from charlm.tasks.language_modeling.evaluation_text import find_evaluation_text
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import Source, sha256_of
from charlm.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from charlm.config import TextTrainConfig
    from charlm.inspection.copying import Copying
    from charlm.inspection.memory import Memory
    from charlm.inspection.sensitivity import Dependence
    from charlm.inspection.surprise import TextSurprise
    from charlm.language_model import LanguageModel


class Inspector:
    """Looks at a language model. Its methods return arrays and dataclasses.

    Args:
        run: the run of the model.
        make_model: loads the model, given the names of a device and a backend.
    """

    def __init__(
        self, run: LanguageModelRun, make_model: "Callable[[str, str], LanguageModel]"
    ) -> None:
        self.run = run
        self.make_model = make_model

    def surprise(
        self,
        source: Source = None,
        *,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "TextSurprise":
        """How surprising each character of a text is, and what was expected instead.

        The arguments are those of `charlm.Run.evaluate`, and the score is the same to the last bit.

        Raises:
            CharlmError: the text is missing, is too short or has changed.
        """
        from charlm.inspection.surprise import text_surprise

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        model, entries = self.make_model(device, backend), (UNKNOWN, *self.run.vocabulary.entries)
        result = text_surprise(model, found.text, found.ids, entries, report=report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def copying(
        self,
        source: Source = None,
        *,
        encoding: str | None = None,
        report: ProgressCallback = ignore_progress,
        **sampling: Unpack[SamplingKeywords],
    ) -> "Copying":
        """How much of a text is copied from the training text, and what of it from where.

        Beside it stands real text of at most the same length that was held out.

        Args:
            source: as in `charlm.Run.evaluate`; None: the run writes a text.
            sampling: how it writes, as in `charlm.Run.generate`; of 20,000 characters by default.
            report: called now and then with the characters written, then compared, and of all.

        Raises:
            CharlmError: a text is missing, is empty or has changed, or a setting is invalid.
        """
        return inspect_copying(self.run, source, encoding, report, dict(sampling))

    def memory(
        self,
        source: Source = None,
        *,
        targets: int = 500,
        lags: int = 100,
        seed: int = 0,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "Memory":
        """How far back the model remembers: its loss by context, and its sensitivity by lag.

        Args:
            targets, lags, seed: as in `charlm.inspection.memory.memory`.
            source, split, unknown, encoding: as in `charlm.Run.evaluate`.
            report: called now and then with the hundredths done, and 100.

        Raises:
            CharlmError: the text is missing, is too short or has changed.
        """
        from charlm.inspection.memory import memory

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        result = memory(
            self.make_model(device, backend),
            self.initialized_model(device, backend),
            found.ids,
            targets=targets,
            lags=lags,
            window=cast("TextTrainConfig", self.run.settings.train).seq_length,
            seed=seed,
            report=report,
        )
        notes = (*found.notes, *result.notes)
        return replace(
            result,
            corpus=found.corpus.name,
            split=found.split,
            text_sha256=sha256_of(found.text),
            notes=notes,
        )

    def dependence(
        self,
        source: Source = None,
        *,
        lags: int = 60,
        characters: int | None = None,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "Dependence":
        """On which earlier characters each prediction of a text hangs.

        Args:
            lags: how many characters before each.
            characters: look at so many from the text's beginning; None: at all of them.

        The other arguments are those of `memory`.
        """
        from charlm.inspection.sensitivity import Dependence, dependence

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        text, ids = found.text[:characters], found.ids[:characters]
        model, positions = self.make_model(device, backend), range(1, len(ids))
        return Dependence(text, dependence(model, ids, np.array(positions), lags, report))

    def initialized_model(self, device: str = "cpu", backend: str = "auto") -> "LanguageModel":
        """The run's net with weights as they are before training, by its own scheme and seed.

        It is the same where training began with the weights of another run. Of a large alphabet the
        output's biases began at its frequencies; here they are zero, which changes no gradient.
        """
        train, model = self.run.settings.train, self.make_model(device, backend)
        place = model.output.weight.device
        # Initial weights are drawn on the CPU, so that they are the same everywhere.
        model.cpu().initialize(train.initialization, train.seed)
        return model.to(place)
