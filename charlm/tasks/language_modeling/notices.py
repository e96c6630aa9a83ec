"""Notices for the user before training begins; each function yields sentences."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from charlm.config import TextTrainConfig
from charlm.runs.directory import RunDirectory
from charlm.text.encoded import EncodedText
from charlm.text.splits import count
from charlm.text.tokens import ITEMS
from charlm.text.vocabulary import UNKNOWN, describe

# With a smaller training split, or a larger vocabulary, the user is warned, and training goes on.
LEAST, MOST_ENTRIES = 2_000, 50_000


def smaller_windows(
    asked: TextTrainConfig, got: TextTrainConfig, size: int, item: str
) -> Iterator[str]:
    """Say so if the text is too short for the windows that were asked for.

    Args:
        size: of the training split, in items.
    """
    if (got.batch_size, got.seq_length) != (asked.batch_size, asked.seq_length):
        yield (
            f"The training split has {count(size, item)}: batch size "
            f"{got.batch_size} and windows of {got.seq_length} in place of {asked.batch_size} and "
            f"{asked.seq_length}."
        )


def too_small(size: int, item: str) -> Iterator[str]:
    """Say so if the training split is too small to learn from."""
    if size < LEAST:
        yield (
            f"The training split has {count(size, item)}: too few to learn to write from. Some ten "
            "thousand are a beginning."
        )


def too_many_entries(entries: int, units: str) -> Iterator[str]:
    """Say so if the vocabulary is so large that it takes most of the time and memory."""
    if entries > MOST_ENTRIES:
        yield (
            f"The vocabulary has {entries:,} {units}, and every step computes a probability for "
            "each, which takes long and much memory. It is smaller with --max-vocabulary 10000, "
            "--min-count 2 or --units bytes."
        )


def before_training(
    notes: Iterable[str],
    text: EncodedText,
    parent: RunDirectory | None,
    added: Sequence[str] = (),
) -> Iterator[str]:
    """All notices about a text that a run is about to be trained on.

    Args:
        notes: remarks from reading the text.
        parent: the run whose vocabulary is used, if any.
        added: what is added to it.
    """
    yield from notes
    if added:
        yield (
            f"{count(len(added), 'entry', 'entries')} added to the vocabulary of "
            f"'{parent.name if parent else ''}': {describe(dict.fromkeys(added, 1))}."
        )
    if parent is None:
        yield from too_small(text.splits.size("train"), ITEMS[text.vocabulary.units])
        yield from too_many_entries(len(text.vocabulary), text.vocabulary.units)
    yield from documents(text)
    yield from unknown_tokens(text, parent)


def documents(text: EncodedText) -> Iterator[str]:
    """Say how many documents there are, where the text is made of them."""
    mark = text.vocabulary.document_id
    if not mark:
        return
    held_out = text.splits.held_out
    sizes = {
        name: int((np.asarray(text.split(name)) == mark).sum()) - 1
        for name in dict.fromkeys(("train", held_out))
    }
    total = text.splits.size("train") / sizes["train"]
    yield (
        f"{count(sizes['train'], 'document')} to train on, of "
        f"{total - 1:.1f} {text.vocabulary.units} on average"
        + (f"; {sizes[held_out]:,} held out ({held_out})." if held_out != "train" else ".")
    )


def packing(real_share: float, units: str) -> Iterator[str]:
    """Say how much of the batches of documents is padding."""
    yield f"Of the positions in a batch {real_share:.1%} hold {units}; the others are padding."


def unknown_tokens(text: EncodedText, parent: RunDirectory | None) -> Iterator[str]:
    """Name the tokens that the vocabulary lacks, except those the user chose to leave out."""
    # Without a parent, the training split lacks only what --min-count took out.
    item = ITEMS[text.vocabulary.units]
    splits = dict.fromkeys(("train", text.splits.held_out))
    for split in (each for each in splits if parent or each != "train"):
        unknown = text.unknown[split]
        if unknown:
            where = "training split" if split == "train" else f"held-out split ({split})"
            whose = f"the vocabulary of '{parent.name}'" if parent else "the training split"
            lacking = count(sum(unknown.values()), item)
            yield (
                f"{lacking} of the {where} not in {whose}, read as {UNKNOWN}: {describe(unknown)}."
            )
