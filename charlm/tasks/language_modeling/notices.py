"""Notices for the user before training begins; each function yields sentences."""

from collections.abc import Iterable, Iterator

from charlm.config import TextTrainConfig
from charlm.runs.directory import RunDirectory
from charlm.text.encoded import EncodedText
from charlm.text.splits import count
from charlm.text.vocabulary import UNKNOWN, describe

# With a smaller training split the user is warned, but training goes ahead.
LEAST_CHARACTERS = 2_000


def smaller_windows(asked: TextTrainConfig, got: TextTrainConfig, characters: int) -> Iterator[str]:
    """Say so if the text is too short for the windows that were asked for."""
    if (got.batch_size, got.seq_length) != (asked.batch_size, asked.seq_length):
        yield (
            f"The training split has {count(characters)}: batch size "
            f"{got.batch_size} and windows of {got.seq_length} in place of {asked.batch_size} and "
            f"{asked.seq_length}."
        )


def too_small(characters: int) -> Iterator[str]:
    """Say so if the training split is too small to learn from."""
    if characters < LEAST_CHARACTERS:
        yield (
            f"The training split has {count(characters)}: too few to learn to write from. Some ten "
            "thousand are a beginning."
        )


def before_training(
    notes: Iterable[str], text: EncodedText, parent: RunDirectory | None
) -> Iterator[str]:
    """All notices about a text that a run is about to be trained on.

    Args:
        notes: remarks from reading the text.
        parent: the run whose vocabulary is used, if any.
    """
    yield from notes
    if parent is None:
        yield from too_small(text.splits.size("train"))
    yield from unknown_characters(text, parent)


def unknown_characters(text: EncodedText, parent: RunDirectory | None) -> Iterator[str]:
    """Name the characters that the vocabulary lacks, except those the user chose to leave out."""
    # Without a parent, the training split lacks only what --min-count took out.
    splits = dict.fromkeys(("train", text.splits.held_out))
    for split in (each for each in splits if parent or each != "train"):
        unknown = text.unknown[split]
        if unknown:
            where = "training split" if split == "train" else f"held-out split ({split})"
            whose = f"the vocabulary of '{parent.name}'" if parent else "the training split"
            yield (
                f"{count(sum(unknown.values()))} of the {where} not in {whose}, read as {UNKNOWN}: "
                f"{describe(unknown)}."
            )
