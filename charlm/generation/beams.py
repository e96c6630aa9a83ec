"""Beam search: looking for the most probable text instead of drawing one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charlm.config import SamplingConfig
from charlm.generation.endings import Ending, endings_of, first_end, most_characters
from charlm.generation.engine import Array, Engine
from charlm.generation.filters import log_probabilities
from charlm.generation.reading import Beginning
from charlm.generation.steering import begin_all, change_all, follow_all, steering_of
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import UNKNOWN_ID, Vocabulary


@dataclass(frozen=True)
class Beam:
    """A text that may become the most probable one.

    Args:
        text: what is written.
        log_probability: ln p of all that was drawn for it, what ended it included.
        settled: how many of its characters are no part of an end.
        ended: whether it goes on no longer.
    """

    text: str = ""
    log_probability: float = 0.0
    settled: int = 0
    ended: bool = False

    def and_then(self, entry: str, log_probability: float, endings: Sequence[Ending]) -> "Beam":
        """The text with one more entry."""
        text = self.text + entry
        tail = text[self.settled :]
        end = first_end(tail, self.settled, endings)
        if end is not None:
            return Beam(text[: self.settled + end.at], log_probability, ended=True)
        waiting = max((each.waiting(tail) for each in endings), default=0)
        return Beam(text, log_probability, len(text) - waiting)


def beam_search(
    engine: Engine,
    vocabulary: Vocabulary,
    beginning: Beginning,
    config: SamplingConfig,
    report: ProgressCallback = ignore_progress,
) -> list[Beam]:
    """The most probable texts that were found, `config.num_samples` of them, the best first.

    After each character the `config.beams` most probable texts are kept, by the total
    log-probability that the model gives them; on ties those that came first. A text that has ended
    keeps its place among them until better ones take it. Since no text becomes more probable as it
    goes on, the search is over once the best have ended.

    Args:
        beginning: what was read before, of one text.
        report: called with the characters of each text that were looked at, and the most there are.
    """
    steering, endings = steering_of(config, vocabulary), endings_of(config, vocabulary)
    memories = begin_all(steering, beginning.contexts)
    logits, state, beams = beginning.logits, beginning.state, [Beam()]
    most = most_characters(config)
    for written in range(most):
        scores = log_probabilities(logits)
        scores[:, UNKNOWN_ID] = -np.inf
        scores = change_all(steering, scores, memories)
        beams, texts, ids = best(beams, scores, config.beams, vocabulary, endings)
        report(written + 1, most)
        if all(each.ended for each in beams[: config.num_samples]):
            break
        memories = follow_all(steering, [memory[texts] for memory in memories], ids)
        logits, state = engine.step(ids, engine.select(state, texts))
    return beams[: config.num_samples]


def best(
    beams: Sequence[Beam],
    scores: Array,
    most: int,
    vocabulary: Vocabulary,
    endings: Sequence[Ending],
) -> tuple[list[Beam], Array, Array]:
    """The most probable texts of those that have ended and those with one more entry.

    Args:
        scores: ln p of the next entries of the texts that go on, (N, V).

    Returns:
        The texts, the best first; and of those that go on, from which of the N each comes, and the
        id of its last entry.
    """
    live = [each for each in beams if not each.ended]
    ended = [each for each in beams if each.ended]
    scores = scores + np.array([[each.log_probability] for each in live])
    # Those that have ended stand first, and win on ties.
    totals = np.concatenate([[each.log_probability for each in ended], scores.ravel()])
    kept, places, ends = list[Beam](), list[int](), set[str]()
    for place in np.argsort(-totals, kind="stable"):
        if len(kept) == most or np.isneginf(totals[place]):
            break
        place -= len(ended)
        if place < 0:
            beam = ended[place]
        else:
            text, entry = divmod(place, len(vocabulary))
            beam = live[text].and_then(vocabulary.decode([entry]), scores[text, entry], endings)
        if beam.ended and beam.text in ends:
            continue  # The same text, ended in a less probable way.
        if beam.ended:
            ends.add(beam.text)
        else:
            places.append(place)
        kept.append(beam)
    return kept, *np.divmod(np.array(places, dtype=np.int64), len(vocabulary))
