"""Settings for texts that a model of the usual size would soon know by heart."""

from typing import Any

from charlm.presets import BY_CELL, DEFAULT_PRESET, EVALUATIONS, Settings

# A text that can be learned by heart within the preset's time wants a narrower model, more dropout
# and smaller batches. The rate stays, since training ends when the average of the weights has not
# become better for a while. Up to so many characters of the training split:
SMALLEST: dict[str, Any] = {
    "embedding_size": 32,
    "input_dropout": 0.2,
    "output_dropout": 0.5,
    "weight_drop": 0.5,
    "weight_decay": 0.5,
    "schedule": "constant",
}
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
        "weight_decay": 0.1,
        "reset_probability": 0.02,
    },
}
ANY_SMALL_TEXT: dict[str, Any] = {"batch_size": 16, "ema_decay": 0.998, "patience": 15}
# Where most characters are rare, their vectors are learned as input and as output, and soon by
# heart: the best moment comes early. Such a model also begins with the characters' frequencies,
# which for a small alphabet brought nothing.
LARGE_ALPHABET = 500
FOR_LARGE_ALPHABETS: dict[str, Any] = {"tie_weights": True, "embedding_size": 128}
# Evaluations of a small text: so many epochs apart, but at least so many steps, or fewer where
# the alphabet is large.
EPOCHS_BETWEEN, STEPS_BETWEEN, FEWER_STEPS = 2, 50, 25


def for_small_text(settings: Settings, characters: int) -> dict[str, Any]:
    """What is better for a training split of so many characters; nothing if it is not small."""
    given = settings.given
    sizes = [limit for limit in SMALL_TEXTS if characters <= limit]
    if not sizes:
        return {}
    values = ANY_SMALL_TEXT | SMALL_TEXTS[sizes[0]]
    values |= BY_CELL.get((DEFAULT_PRESET, settings.model.cell), {})
    large_alphabet = settings.model.vocabulary_size > LARGE_ALPHABET
    if large_alphabet:
        values |= FOR_LARGE_ALPHABETS
    batch_size = given.get("batch_size", values["batch_size"])
    epoch = max(1, characters // (batch_size * settings.train.seq_length))
    least = FEWER_STEPS if large_alphabet else STEPS_BETWEEN
    values["eval_every"] = max(EPOCHS_BETWEEN * epoch, least)
    steps = [given.get("max_steps"), epoch * (given.get("epochs") or 0)]
    asked = min((each for each in steps if each), default=None)
    if asked is not None and asked < EVALUATIONS * values["eval_every"]:
        del values["eval_every"]  # So many come by themselves.
    if asked is not None or not settings.data.val_fraction:
        del values["patience"]  # Who names a length wants it to be trained.
    if settings.train.optimizer != "adamw":
        del values["weight_decay"]  # It is multiplied by the rate: for decoupled decay only.
    return {name: value for name, value in values.items() if name not in given}
