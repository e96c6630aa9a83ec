"""What the model of a run does, as numbers: `charlm.Run.inspect`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from charlm.progress import ProgressCallback, ignore_progress
from charlm.tasks.language_modeling.evaluation_text import find_evaluation_text
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import Source
from charlm.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from charlm.inspection.saturation import Saturation
    from charlm.inspection.search_results import NeuronSearch
    from charlm.inspection.surprise import TextSurprise
    from charlm.inspection.unit_activity import UnitActivity
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

    def neurons(
        self,
        source: Source = None,
        *,
        split: str | None = None,
        patterns: Mapping[str, str] | None = None,
        gate: str | None = None,
        characters: int = 20_000,
        units: int = 1,
        seed: int = 0,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "NeuronSearch":
        """Which units follow which properties of a text, beside the same of an untrained net.

        Of a long text the beginning is read. Arguments not named here are those of
        `charlm.Run.evaluate`.

        Args:
            patterns: regular expressions by name; their matches are properties too.
            gate: search only this activity: a gate's name, "h" or "C"; by default the state (of
                cells with a memory C, tanh(C)) and all gates.
            characters: how many to read at most; more text shows weaker ties, in more time and
                memory.
            units: how many to report of each property.
            seed: of the untrained net, and of the random excerpts.
            report: called now and then with the number of steps done and the total.

        Raises:
            CharlmError: the text is missing, too short or has changed; there is no such gate; or a
                pattern is no regular expression.
        """
        from charlm.inspection.neurons import search_neurons

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        model = self.make_model(device, backend)
        result = search_neurons(
            model,
            self.untrained(model, seed),
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

    def untrained(self, model: "LanguageModel", seed: int) -> "LanguageModel":
        """A net of the same shape with weights drawn as before training, where the model is."""
        net = type(model)(model.config, model.rnn.backend)
        net.initialize(self.run.settings.train.initialization, seed)
        return net.to(next(model.parameters()).device).eval()

    def activity(
        self,
        source: Source = None,
        *,
        layer: int,
        unit: int,
        gate: str | None = None,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "UnitActivity":
        """What one unit does while the model reads a text; of a long one, its beginning.

        Arguments not named here are those of `charlm.Run.evaluate`.

        Args:
            layer, unit: numbered from 0.
            gate: its gate of this name, "h" or "C"; by default h, and of cells with a memory C
                tanh(C).

        Raises:
            CharlmError: the text is missing, too short or has changed, or there is no such unit or
                gate.
        """
        from charlm.inspection.unit_activity import unit_activity

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        model = self.make_model(device, backend)
        result = unit_activity(model, found.text, found.ids, layer, unit, gate, report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)

    def saturation(
        self,
        source: Source = None,
        *,
        split: str | None = None,
        unknown: str = "replace",
        encoding: str | None = None,
        device: str = "cpu",
        backend: str = "auto",
        report: ProgressCallback = ignore_progress,
    ) -> "Saturation":
        """How often each unit's gates are closed or open while the model reads a text.

        Of a long text the beginning is read. The arguments are those of `charlm.Run.evaluate`.

        Raises:
            CharlmError: the text is missing, is too short or has changed.
        """
        from charlm.inspection.saturation import gate_saturation

        found = find_evaluation_text(self.run, source, split, unknown, encoding)
        result = gate_saturation(self.make_model(device, backend), found.ids, report)
        return replace(result, corpus=found.corpus.name, split=found.split, notes=found.notes)
