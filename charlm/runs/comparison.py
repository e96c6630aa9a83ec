"""What the scores of several runs are of, and why two of them may not compare."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from charlm.runs.directory import RunDirectory
from charlm.text.splits import count


@dataclass(frozen=True)
class Scored:
    """A held-out score that a run has.

    Args:
        score: as in run.json: nats, perplexity, bits per character, and of how many characters.
        split: test or val.
        final: it was made at the end, of the whole split; otherwise it is the best one so far, of
            the split's beginning.
    """

    score: dict[str, Any]
    split: str
    final: bool


def scored(run: RunDirectory) -> Scored | None:
    """The score to report of a run; None where nothing was held out or scored yet."""
    result = run.record.result
    if result.get("score"):
        return Scored(result["score"], result.get("split", run.record.spans.held_out), True)
    rows = [row for row in run.metrics() if row.get("perplexity") is not None]
    if not rows:
        return None
    return Scored(min(rows, key=lambda row: row["nats_per_character"]), "val", False)


def differences(runs: Sequence[RunDirectory]) -> Iterator[str]:
    """In sentences, why the scores of some of these runs do not compare."""
    each = []
    for run in runs:
        if found := scored(run):
            each.append((run, found))
        else:
            yield f"{run.name} has no held-out score."
    texts = {run.record.corpus["text_sha256"] for run, _ in each}
    splits = list(dict.fromkeys(found.split for _, found in each))
    if len(texts) > 1 and len({run.record.corpus["sha256"] for run, _ in each}) > 1:
        yield "These runs were trained on different texts: their scores do not compare."
    elif len(texts) > 1:
        ways = dict.fromkeys(run.record.corpus["normalization"] for run, _ in each)
        yield f"The text was normalized differently ({listing(ways)}): the scores do not compare."
    if len(splits) > 1:
        yield f"The scores are of different splits ({listing(splits)}): they do not compare."
    if len(texts) == len(splits) == 1:
        spans = {
            (run.record.spans.span(found.split), found.score.get("characters"))
            for run, found in each
        }
        if len(spans) > 1:
            yield (
                f"The scores are of different characters of the text's split {splits[0]}: they do "
                "not quite compare."
            )
    if len({found.final for _, found in each}) > 1:
        early = [run.name for run, found in each if not found.final]
        yield (
            f"Not finished: {listing(early)}. What is shown is the best score so far, of the "
            "beginning of the split; of the others it is the last."
        )
    vocabularies = {frozenset(run.vocabulary.characters) for run, _ in each}
    if len(vocabularies) > 1:
        sizes = listing(count(len(run.vocabulary), "entry", "entries") for run, _ in each)
        yield (
            f"The vocabularies differ ({sizes}): what one lacks is scored as <unk>, which is "
            "easier to predict than the character itself."
        )


def listing(words: Iterable[str]) -> str:
    return ", ".join(words)
