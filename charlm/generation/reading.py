"""Reading what texts begin with, of one text or of many side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charlm.config import CONTEXT
from charlm.errors import UsageError
from charlm.generation.engine import Array, Engine, EngineState
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids

# Characters that are read between two reports of progress.
REPORTED = 4096


@dataclass(frozen=True)
class Beginning:
    """What a model has read of N texts, after which writing begins.

    Args:
        contexts: the last ids that were read of each, at most CONTEXT.
        logits: of the ids that come next, (N, V).
        state: the engine's, of N texts.
    """

    contexts: tuple[Ids, ...]
    logits: Array
    state: EngineState

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.contexts)

    def select(self, engine: Engine, texts: Array) -> "Beginning":
        """Some of the texts, by their numbers; one may come several times."""
        contexts = tuple(self.contexts[each] for each in texts)
        return Beginning(contexts, self.logits[texts], engine.select(self.state, texts))


def read(
    engine: Engine,
    prefixes: Sequence[Ids],
    after: Beginning | None = None,
    report: ProgressCallback = ignore_progress,
) -> Beginning:
    """Read prefixes side by side.

    They end together: the longest begins, and shorter ones join in later, so that no more is
    computed than if each were read alone.

    Args:
        prefixes: ids of each, at least one.
        after: what was read before all of them, of one text; None: nothing.
        report: called now and then with the characters that were read, and with all.

    Raises:
        UsageError: a prefix is empty.
    """
    lengths = np.array([len(each) for each in prefixes])
    if not lengths.all():
        raise UsageError("The prefix is empty.", "Give at least one character with --prefix.")
    start = engine.initial_state(1) if after is None else after.state
    order = np.argsort(-lengths, kind="stable")
    done, total = 0, int(lengths.sum())
    state: EngineState = None
    for texts, left in enumerate(lengths[order], 1):
        state = start if state is None else engine.join([state, start])
        # All of these have as many ids left, until the next one joins them.
        until = lengths[order[texts]] if texts < len(order) else 0
        some = [prefixes[each] for each in order[:texts]]
        for ids in zip(*(each[len(each) - left : len(each) - until] for each in some), strict=True):
            logits, state = engine.step(np.array(ids), state)
            done += texts
            if done % REPORTED < texts:
                report(done, total)
    before = () if after is None else after.contexts
    contexts = tuple(np.concatenate([*before, each])[-CONTEXT:] for each in prefixes)
    back = np.argsort(order, kind="stable")
    return Beginning(contexts, logits[back], engine.select(state, back))
