"""The results of scoring a text with a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.html.notebook import HasSections
from charlm.scoring.adjusted import Calibrated, Dynamic, Mixed
from charlm.scoring.cross_entropy import SCORES, TokenCrossEntropy
from charlm.scoring.intervals import LEVEL, Estimate, ItemValues, estimate
from charlm.scoring.totals import Totals, total
from charlm.sections import Facts, Grid, Section
from charlm.text.splits import count
from charlm.text.tokens import BYTES, CHARACTERS, ITEMS, WORDS, written_words


@dataclass(frozen=True)
class LineScore:
    """The score of one line, its line end included, or document; `number` counts from 1."""

    number: int
    text: str
    score: TokenCrossEntropy


def interval_of(nats: Totals, units: str) -> Estimate:
    """Bits per token of running text, with the interval."""
    items = ItemValues(nats.series, ITEMS[units], "", series=True, each=nats.each)
    found = estimate(items, lambda means: means / np.log(2))
    # The series may lack the last tokens.
    return replace(found, value=SCORES[units](nats.total, nats.count).bits)


@dataclass(frozen=True)
class Evaluation(HasSections):
    """The result of scoring a text.

    A token is a character, a word or a byte, whatever the run reads.

    Args:
        corpus: name of the text.
        split: "train", "val" or "test" of the run's own corpus, else "all".
        text: what was scored, after normalization and the policy for unknown characters; of one
            that is made of documents, with a line end in the place of each mark.
        surprise: -ln p of each token of `text` after the first, in nats, (tokens - 1,).
        unknown_characters: number of tokens that the vocabulary lacks.
        bytes_read: size of the characters after the first, as they were read; None if unknown or
            changed by normalization.
        dynamic, mixed, mixed_dynamic, calibrated: other scores of the same tokens, if they were
            asked for.
        notes: sentences to show along with the score.
        units: what a token is: "characters", "words" or "bytes".
        marks: of a text made of documents, the positions of the marks that begin and end each of
            them, (documents + 1,), counted in tokens.
        spelling: nats that it takes to spell the unknown words.
    """

    corpus: str
    split: str
    text: str
    surprise: npt.NDArray[np.float64]
    unknown_characters: int
    bytes_read: int | None
    dynamic: Dynamic | None = None
    mixed: Mixed | None = None
    mixed_dynamic: Mixed | None = None
    calibrated: Calibrated | None = None
    notes: tuple[str, ...] = ()
    units: str = CHARACTERS
    marks: npt.NDArray[np.int64] | None = None
    spelling: float = 0.0

    @cached_property
    def tokens(self) -> Sequence[str]:
        """What was scored, token by token."""
        return written_words(self.text) if self.units == WORDS else self.text

    @property
    def score(self) -> TokenCrossEntropy:
        """The static cross-entropy of all tokens."""
        return self.score_of(total(self.surprise))

    def score_of(self, nats: float) -> TokenCrossEntropy:
        """The cross-entropy of the same tokens, given other nats."""
        return SCORES[self.units](nats, len(self.surprise))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte that was read; None if `bytes_read` or a character is unknown."""
        return self.bits_per_byte_of(self.score)

    def bits_per_byte_of(self, score: TokenCrossEntropy) -> float | None:
        """`bits_per_byte` for another score of the same tokens."""
        nats = self.nats_of_all(score)
        return nats.bits_per(self.bytes_read) if nats and self.bytes_read else None

    def nats_of_all(self, score: TokenCrossEntropy) -> TokenCrossEntropy | None:
        """A score with unknown words spelled; None if there are unknown characters."""
        if self.units == WORDS:
            return self.score_of(score.nats + self.spelling)
        return None if self.unknown_characters else score

    @property
    def characters(self) -> int:
        """Number of characters that the tokens after the first take up; of bytes, as UTF-8."""
        if self.units == BYTES:
            # The bytes that go on with a character are 10xxxxxx.
            return sum(not "\x80" <= each < "\xc0" for each in self.text[1:])
        return len(self.text) - len(self.tokens[0])

    @property
    def words(self) -> int:
        """Number of words after the first token, as white space separates them."""
        scored = self.text[len(self.tokens[0]) :]
        return len((scored.encode("latin-1") if self.units == BYTES else scored).split())

    @property
    def documents(self) -> int | None:
        """Number of documents, if the text is made of them."""
        return None if self.marks is None else len(self.marks) - 1

    @cached_property
    def interval(self) -> Estimate:
        """Bits per token, and how far they would vary on text that goes on just like this one.

        Of documents whole ones are drawn, else stretches of the text.
        """
        if self.marks is not None:
            groups = np.searchsorted(self.marks, np.arange(1, len(self.surprise) + 1))
            items = ItemValues(
                self.surprise, ITEMS[self.units], "", groups=groups, group="document"
            )
            return estimate(items, lambda means: means / np.log(2))
        return interval_of(Totals.of([self.surprise]), self.units)

    @property
    def scores(self) -> dict[str, TokenCrossEntropy]:
        """The static score and any others that were asked for, by name."""
        scores = {"static": self.score}
        if self.dynamic:
            scores["dynamic"] = self.score_of(total(self.dynamic.surprise))
        for name, made in self.mixtures:
            scores[name] = self.score_of(total(made.surprise))
        if self.calibrated:
            scores["calibrated"] = self.score_of(self.calibrated.nats)
        return scores

    @property
    def mixtures(self) -> Iterator[tuple[str, Mixed]]:
        """Those that were asked for, by name: of the static predictions, of the dynamic ones."""
        for name, made in (("mixed", self.mixed), ("dynamic, mixed", self.mixed_dynamic)):
            if made:
                yield name, made

    @property
    def lines(self) -> list[LineScore]:
        """The score of each line, or document; the very first token, not predicted, is in none."""
        tokens, nats = self.tokens, np.concatenate([[0.0], self.surprise])
        if self.marks is not None:
            ends = [int(mark) + 1 for mark in self.marks]
        else:
            ends = [i for i, each in enumerate(tokens, 1) if each.endswith("\n")]
            ends = [0, *ends, *([len(tokens)] if ends[-1:] != [len(tokens)] else [])]
        return [
            LineScore(
                number,
                "".join(tokens[start:stop]).removesuffix("\n"),
                SCORES[self.units](float(nats[start:stop].sum()), stop - max(start, 1)),
            )
            for number, (start, stop) in enumerate(pairwise(ends), 1)
        ]

    @property
    def remarks(self) -> Iterator[str]:
        """Sentences on how the other scores were made."""
        if self.dynamic:
            config = self.dynamic.config
            yield (
                f"dynamic: after every {count(config.window)} the weights take a step; rate "
                f"{config.rate:g}, decay {config.decay:g}. The run stays as it is."
            )
        for name, mixed in self.mixtures:
            network, training, so_far, match = (f"{each:.2f}" for each in mixed.weights)
            yield (
                f"{name}: the network with an n-gram model of the training text, one of the text "
                f"so far, and the longest match. Their weights came to {network}, {training}, "
                f"{so_far} and {match}."
            )
        if self.calibrated:
            made = self.calibrated
            halves = [
                f"temperature {each.temperature:g} and {each.ngram_weight:.1%} of the "
                f"{made.order}-gram model"
                for each in made.halves or (made.choice,)
            ]
            if made.halves:
                yield (
                    f"calibrated: the first half with {halves[0]}, the second with {halves[1]}, "
                    "each chosen on the other half."
                )
            else:
                yield f"calibrated: {halves[0]}, chosen on the validation split."

    def facts(self) -> Iterator[tuple[str, Any]]:
        """What there is to say of the static score, by name."""
        score, item = self.score, ITEMS[self.units]
        yield f"{item}s scored", score.tokens
        if self.units != BYTES:
            yield f"unknown {item}s", self.unknown_characters
        yield f"nats per {item}", score.loss
        yield "perplexity", score.perplexity
        yield f"bits per {item}", score.bits
        found = self.interval.interval
        between = "-" if found is None else f"{found.low:.4f} to {found.high:.4f}"
        yield f"{LEVEL:.0%} interval of it", between
        yield from self.per_other_unit()

    def per_other_unit(self) -> Iterator[tuple[str, float | None]]:
        """The static score by what else the text is made of; None where that cannot be said."""
        whole = self.nats_of_all(self.score)
        if self.units != CHARACTERS:
            yield "bits per character", whole.bits_per(self.characters) if whole else None
        if self.units != BYTES:
            yield "bits per byte", self.bits_per_byte
        if self.documents:
            yield "bits per document", self.score.bits_per(self.documents)
        yield "word perplexity", whole.perplexity_per(self.words) if whole else None
        size = self.bytes_read
        yield "byte perplexity", whole.perplexity_per(size) if whole and size else None

    def sections(self, run: str | None = None) -> Iterator[Section]:
        """What there is to say of a run on this text."""
        named = [("run", run)] if run else []
        yield Facts([*named, ("text", f"{self.corpus} ({self.split})"), *self.facts()])
        if len(self.scores) > 1:
            yield Grid(*self.table())
        yield from self.remarks
        if self.interval.note:
            yield self.interval.note

    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """All scores: the columns, and a row for each."""
        short = self.score.short
        columns = ("score", f"nats/{short}", "perplexity", f"bits/{short}")
        if self.units == BYTES:
            return columns, [
                (name, each.loss, each.perplexity, each.bits) for name, each in self.scores.items()
            ]
        return (*columns, "bits/byte"), [
            (name, each.loss, each.perplexity, each.bits, self.bits_per_byte_of(each))
            for name, each in self.scores.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """The static score, and one object for each of the others."""
        item = ITEMS[self.units]
        content: dict[str, Any] = {
            "corpus": self.corpus,
            "split": self.split,
            **self.score.to_json(),
            **{name.replace(" ", "_"): value for name, value in self.per_other_unit()},
            f"unknown_{item}s": self.unknown_characters,
            "interval": self.interval.to_json(),
        }
        for name, score in list(self.scores.items())[1:]:
            name = name.replace(", ", "_")
            content[name] = {"bits_per_byte": self.bits_per_byte_of(score), **score.to_json()}
        if self.dynamic:
            content["dynamic"] |= self.dynamic.config.to_json()
        for name, mixed in self.mixtures:
            content[name.replace(", ", "_")] |= mixed.to_json()
        if self.calibrated:
            made = self.calibrated
            content["calibrated"] |= {
                "order": made.order,
                "chosen_on": "val",
                **vars(made.choice),
                "two_fold": bool(made.halves),
                "halves": [dict(vars(half)) for half in made.halves],
            }
        return content
