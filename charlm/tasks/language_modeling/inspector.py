"""What the model of a run does, as numbers: `charlm.Run.inspect`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np

from charlm.errors import UsageError
from charlm.keywords import ReadingKeywords, SamplingKeywords
from charlm.progress import ProgressCallback, ignore_progress
from charlm.tasks.language_modeling.copying import inspect_copying
from charlm.tasks.language_modeling.evaluation_text import EvaluationText, find_evaluation_text
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import Source, sha256_of
from charlm.text.documents import with_line_ends
from charlm.text.tokens import WORDS
from charlm.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from charlm.config import TextTrainConfig
    from charlm.inspection.copying import Copying
    from charlm.inspection.memory import Memory
    from charlm.inspection.saturation import Saturation
    from charlm.inspection.search_results import NeuronSearch
    from charlm.inspection.sensitivity import Dependence
    from charlm.inspection.surprise import TextSurprise
    from charlm.inspection.unit_activity import UnitActivity
    from charlm.language_model import LanguageModel


class Inspector:
    """Looks at a language model. Its methods return arrays and dataclasses.

    What they read is named as in `charlm.Run.evaluate`, by `source` and the fields of
    ReadingKeywords: split, unknown, encoding, device and backend. They raise a CharlmError if that
    text is missing, is too short or has changed.

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
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "TextSurprise":
        """How surprising each character of a text is, and what was expected instead.

        The score is that of `charlm.Run.evaluate` to the last bit.
        """
        from charlm.inspection.surprise import text_surprise

        found, entries = self.text(source, reading), (UNKNOWN, *self.run.vocabulary.entries)
        result = text_surprise(self.model(reading), found.text, found.ids, entries, report=report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def neurons(
        self,
        source: Source = None,
        *,
        patterns: Mapping[str, str] | None = None,
        gate: str | None = None,
        characters: int = 20_000,
        units: int = 1,
        seed: int = 0,
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "NeuronSearch":
        """Which units follow which properties of a text, beside the same of an untrained net.

        Args:
            patterns: regular expressions by name; their matches are properties too.
            gate: search only this activity: a gate's name, "h" or "C"; by default the state (of
                cells with a memory C, tanh(C)) and all gates.
            characters: how many to read at most, from the text's beginning; more text shows weaker
                ties, in more time and memory.
            units: how many to report of each property.
            seed: of the untrained net, and of the random excerpts.
            report: called now and then with the number of steps done and the total.

        Raises:
            CharlmError: there is no such gate, or a pattern is no regular expression.
        """
        from charlm.inspection.neurons import search_neurons

        found = self.text(source, reading)
        result = search_neurons(
            self.model(reading),
            self.initialized_model(seed, reading),
            found.text,
            found.ids,
            patterns=patterns,
            what=gate,
            characters=characters,
            units=units,
            seed=seed,
            report=report,
        )
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def activity(
        self,
        source: Source = None,
        *,
        layer: int,
        unit: int,
        gate: str | None = None,
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "UnitActivity":
        """What one unit does while the model reads a text; of a long one, its beginning.

        Args:
            layer, unit: numbered from 0.
            gate: its gate of this name, "h" or "C"; by default h, and of cells with a memory C
                tanh(C).

        Raises:
            CharlmError: there is no such unit or gate.
        """
        from charlm.inspection.unit_activity import unit_activity

        found, model = self.text(source, reading), self.model(reading)
        result = unit_activity(model, found.text, found.ids, layer, unit, gate, report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def saturation(
        self,
        source: Source = None,
        *,
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "Saturation":
        """How often each unit's gates are closed or open while the model reads a text.

        Of a long text the beginning is read.
        """
        from charlm.inspection.saturation import gate_saturation

        found = self.text(source, reading)
        result = gate_saturation(self.model(reading), found.ids, report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def memory(
        self,
        source: Source = None,
        *,
        targets: int = 500,
        lags: int = 100,
        seed: int = 0,
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "Memory":
        """How far back the model remembers: its loss by context, and its sensitivity by lag.

        Args:
            targets, lags, seed: as in `charlm.inspection.memory.memory`.
            report: called now and then with the hundredths done, and 100.
        """
        from charlm.inspection.memory import memory

        found, train = self.running_text(source, reading), self.run.settings.train
        result = memory(
            self.model(reading),
            self.initialized_model(train.seed, reading),
            found.ids,
            targets=targets,
            lags=lags,
            window=cast("TextTrainConfig", train).seq_length,
            seed=seed,
            report=report,
        )
        return replace(
            result,
            corpus=found.corpus.name,
            split=found.split,
            text_sha256=sha256_of(found.text),
            notes=(*found.notes, *result.notes),
        )

    def dependence(
        self,
        source: Source = None,
        *,
        lags: int = 60,
        characters: int | None = None,
        report: ProgressCallback = ignore_progress,
        **reading: Unpack[ReadingKeywords],
    ) -> "Dependence":
        """On which earlier characters each prediction of a text hangs.

        Args:
            lags: how many characters before each.
            characters: look at so many from the text's beginning; None: at all of them.
        """
        from charlm.inspection.sensitivity import Dependence, dependence

        found = self.running_text(source, reading)
        text, ids = found.text[:characters], found.ids[:characters]
        positions = np.arange(1, len(ids))
        return Dependence(text, dependence(self.model(reading), ids, positions, lags, report))

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
            CharlmError: the text is empty, or a setting is invalid.
        """
        return inspect_copying(self.run, source, encoding, report, dict(sampling))

    # What is read, and who reads it

    def text(self, source: Source, reading: ReadingKeywords) -> EvaluationText:
        """The text that is meant, as for a score; marks of documents are shown as line ends.

        Raises:
            UsageError: the run reads words, and what is looked at are characters.
        """
        if self.run.vocabulary.units == WORDS:
            raise UsageError(
                f"The run '{self.run.name}' reads words, and what is looked at are characters.",
                "Name a run over characters or bytes.",
            )
        unknown = reading.get("unknown", "replace")
        split, encoding = reading.get("split"), reading.get("encoding")
        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        return replace(found, spelled=with_line_ends(found.text))

    def running_text(self, source: Source, reading: ReadingKeywords) -> EvaluationText:
        """The same, where a text that is made of documents makes no sense.

        Raises:
            UsageError: the run reads documents.
        """
        if self.run.vocabulary.document_id:
            raise UsageError(
                f"The run '{self.run.name}' reads documents, each from a fresh state: how far back "
                "it remembers is looked at in running text.",
                "Name a run over that.",
            )
        return self.text(source, reading)

    def model(self, reading: ReadingKeywords) -> "LanguageModel":
        """The trained model."""
        return self.make_model(reading.get("device", "cpu"), reading.get("backend", "auto"))

    def initialized_model(self, seed: int, reading: ReadingKeywords) -> "LanguageModel":
        """The net with weights as they are before training, by the run's own scheme.

        It is the same where training began with the weights of another run. Of a large alphabet the
        output's biases began at its frequencies; here they are zero, which changes no gradient.
        """
        model = self.model(reading)
        place = model.output.weight.device
        # Initial weights are drawn on the CPU, so that they are the same everywhere.
        model.cpu().initialize(self.run.settings.train.initialization, seed)
        return model.to(place)
