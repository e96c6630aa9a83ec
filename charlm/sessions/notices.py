"""What a user should know before training begins, in sentences."""

from collections.abc import Iterator

from charlm.config import TrainConfig
from charlm.language_model import LanguageModel
from charlm.runs.directory import RunDirectory
from charlm.text.corpus import Corpus
from charlm.text.splits import count
from charlm.text.vocabulary import UNKNOWN, describe

# A smaller training split is trained on all the same.
LEAST_CHARACTERS = 2_000


def smaller_windows(asked: TrainConfig, got: TrainConfig, characters: int) -> Iterator[str]:
    """That the text is too short for the windows that were asked for."""
    if (got.batch_size, got.seq_length) != (asked.batch_size, asked.seq_length):
        yield (
            f"The training split has {count(characters)}: batch size "
            f"{got.batch_size} and windows of {got.seq_length} in place of {asked.batch_size} and "
            f"{asked.seq_length}."
        )


def too_small(characters: int) -> Iterator[str]:
    """That a training split is too small to learn from."""
    if characters < LEAST_CHARACTERS:
        yield (
            f"The training split has {count(characters)}: too few to learn to write from. Some ten "
            "thousand are a beginning."
        )


def slow_cell(model: LanguageModel) -> Iterator[str]:
    """That only the readable backend has the model's cell in its variant."""
    if model.rnn.backend == "scratch":
        wanted = f"{model.rnn.cell.name} {model.rnn.cell.variant}".strip()
        yield f"No faster backend has the {wanted} here: it runs on scratch, which takes longer."


def unknown_characters(corpus: Corpus, run: RunDirectory) -> Iterator[str]:
    """Which characters the vocabulary lacks, where that is not by the user's own wish."""
    record = run.record
    # A vocabulary lacks of its own training split only what --min-count took out.
    splits = dict.fromkeys(("train", record.spans.held_out))
    for split in (each for each in splits if record.parent or each != "train"):
        unknown = run.vocabulary.unknown(record.spans.of_text(corpus.text, split))
        if unknown:
            where = "training split" if split == "train" else f"held-out split ({split})"
            whose = (
                f"the vocabulary of '{record.parent}'" if record.parent else "the training split"
            )
            yield (
                f"{count(sum(unknown.values()))} of the {where} not in {whose}, read as {UNKNOWN}: "
                f"{describe(unknown)}."
            )
