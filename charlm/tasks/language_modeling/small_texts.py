"""Settings for texts so small that a model of the usual size would memorize them."""

from typing import Any

from charlm.presets import BY_CELL, DEFAULT_PRESET, EVALUATIONS, LIMITS, OF_OPTIMIZER
from charlm.tasks.language_modeling.settings import TextSettings

# A text that can be memorized within the preset's time needs a narrower model, more dropout and
# smaller batches. For the smallest ones the learning rate is constant, since training ends when the
# averaged weights stop improving.
SMALLEST: dict[str, Any] = {
    "embedding_size": 32,
    "input_dropout": 0.2,
    "output_dropout": 0.5,
    "weight_drop": 0.5,
    "weight_decay": 0.5,
    "schedule": "constant",
}
# Keys are the longest training split, in characters, that the values are for.
SMALL_TEXTS: dict[int, dict[str, Any]] = {
    7_000: {"hidden_size": 128, **SMALLEST},
    20_000: {"hidden_size": 192, **SMALLEST},
    60_000: {
        "hidden_size": 256,
        "embedding_size": 32,
        "input_dropout": 0.1,
        "output_dropout": 0.5,
        "weight_drop": 0.5,
        "weight_decay": 0.1,
        "schedule": "constant",
    },
    140_000: {
        "hidden_size": 384,
        "input_dropout": 0.05,
        "output_dropout": 0.4,
        "weight_drop": 0.3,
        "reset_probability": 0.02,
    },
}
ANY_SMALL_TEXT: dict[str, Any] = {"batch_size": 16, "ema_decay": 0.998, "patience": 15}
# In a large alphabet most characters are rare. Input and output then share their vectors, which
# learn from both uses. Evaluations are more frequent and the rate is lower, since the best score
# comes early. The output biases also start from the character frequencies, which did not help small
# alphabets.
LARGE_ALPHABET = 500
FOR_LARGE_ALPHABETS: dict[str, Any] = {
    "tie_weights": True,
    "embedding_size": 128,
    "learning_rate": 8e-3,
}
# A rate that falls at a plateau is to do so this often before training ends.
FALLS = 3
# Documents that are no longer than this on average, such as names, repeat less than running text
# does: less noise will do, and small batches with a falling rate are done in half a minute.
SHORT_DOCUMENTS = 64
FOR_SHORT_DOCUMENTS: dict[str, Any] = {
    "batch_size": 8,
    "seq_length": 32,
    "output_dropout": 0.3,
    "weight_drop": 0.3,
    "learning_rate": 6e-3,
    "schedule": "cosine",
    "max_minutes": 0.6,
}
# Evaluations are this many epochs apart, but at least this many steps, or fewer with a large
# alphabet.
EPOCHS_BETWEEN, STEPS_BETWEEN, FEWER_STEPS = 2, 50, 25


def for_small_text(
    settings: TextSettings, characters: int, document: float | None = None
) -> dict[str, Any]:
    """Settings that suit a training split of this length better; none if it is not small.

    Args:
        document: the mean length of its documents, if it is made of them.
    """
    given = settings.given
    sizes = [limit for limit in SMALL_TEXTS if characters <= limit]
    if not sizes:
        return {}
    values = ANY_SMALL_TEXT | SMALL_TEXTS[sizes[0]]
    if settings.train.schedule == "plateau":
        values["patience"] = max(values["patience"], FALLS * settings.train.plateau_patience)
    large_alphabet = settings.model.vocabulary_size > LARGE_ALPHABET
    if large_alphabet:
        values |= FOR_LARGE_ALPHABETS
    if document is not None and document <= SHORT_DOCUMENTS and sizes[0] < max(SMALL_TEXTS):
        values |= FOR_SHORT_DOCUMENTS
        if given.keys() & set(LIMITS):
            del values["max_minutes"]
    of_cell = BY_CELL.get((DEFAULT_PRESET, settings.model.cell), {})
    values |= {name: of_cell[name] for name in of_cell if name != "weight_decay"}
    batch_size, seq_length = (
        given.get(name, values.get(name, getattr(settings.train, name)))
        for name in ("batch_size", "seq_length")
    )
    epoch = max(1, characters // (batch_size * seq_length))
    least = FEWER_STEPS if large_alphabet else STEPS_BETWEEN
    values["eval_every"] = max(EPOCHS_BETWEEN * epoch, least)
    steps = [given.get("max_steps"), epoch * (given.get("epochs") or 0)]
    asked = min((each for each in steps if each), default=None)
    if asked is not None and asked < EVALUATIONS * values["eval_every"]:
        del values["eval_every"]  # The default interval is shorter.
    if asked is not None or not settings.data.val_fraction:
        del values["patience"]  # A length that was asked for is trained in full.
    if settings.train.optimizer != "adamw":
        values = {name: value for name, value in values.items() if name not in OF_OPTIMIZER}
    return {name: value for name, value in values.items() if name not in given}
