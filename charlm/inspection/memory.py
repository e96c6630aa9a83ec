"""How far back a model remembers: its loss by context, and its sensitivity by lag."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from charlm.inspection.context import LENGTHS, ContextLoss, context_loss
from charlm.inspection.sensitivity import LagSensitivity, sensitivity
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids

# Progress is told in parts of this many. About how many of them each stage takes:
PARTS = 100
STAGES = {"context": (0, 70), "initialized": (70, 85), "trained": (85, PARTS)}


@dataclass(frozen=True)
class Memory:
    """How far back a trained model remembers, beside the same net before training.

    Args:
        context: the trained model's loss by context.
        trained: its sensitivity by lag.
        initialized: that of the net with newly initialized weights, for the same targets.
        corpus, split: where the text comes from.
        text_sha256: hash of the text that was read.
        notes: sentences to show along with it.
    """

    context: ContextLoss
    trained: LagSensitivity
    initialized: LagSensitivity
    corpus: str = ""
    split: str = "all"
    text_sha256: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Both results as objects."""
        return {
            "corpus": self.corpus,
            "split": self.split,
            "context": self.context.to_json(),
            "sensitivity": {
                "initialized": self.initialized.to_json(),
                "trained": self.trained.to_json(),
            },
        }


def memory(
    trained: LanguageModel,
    initialized: LanguageModel,
    ids: Ids,
    *,
    targets: int = 500,
    lags: int = 100,
    window: int = 0,
    seed: int = 0,
    report: ProgressCallback = ignore_progress,
) -> Memory:
    """Look at a model's memory in two ways; see `context_loss` and `sensitivity`.

    Args:
        trained, initialized: the model, and the same net before training.
        ids: of the text, (characters,).
        targets: how many characters to predict, in each of the two ways.
        report: called now and then with the hundredths done, and 100.

    Raises:
        UsageError: the text is too short.
    """

    def of(stage: str) -> ProgressCallback:
        start, stop = STAGES[stage]
        return lambda done, total: report(start + (stop - start) * done // max(total, 1), PARTS)

    by_context = context_loss(
        trained, ids, targets=targets, window=window, seed=seed, report=of("context")
    )
    before, after = (
        sensitivity(model, ids, targets=targets, lags=lags, seed=seed, report=of(stage))
        for stage, model in (("initialized", initialized), ("trained", trained))
    )
    notes = tuple(shortened(by_context, after, len(ids), lags))
    return Memory(by_context, after, before, notes=notes)


def shortened(
    by_context: ContextLoss, by_lag: LagSensitivity, characters: int, lags: int
) -> Iterator[str]:
    """Say so if a text was too short for the longest context, or for the largest lag."""
    longest, largest = int(by_context.lengths[-1]), by_lag.norms.shape[1] - 1
    of_text = f"The text has {characters:,} characters, so the"
    if longest < LENGTHS[-1]:
        yield f"{of_text} longest context is {longest:,} in place of {LENGTHS[-1]:,}."
    if largest < lags:
        yield f"{of_text} largest lag is {largest:,} in place of {lags:,}."
