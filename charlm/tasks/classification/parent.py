"""A classifier that starts from a language model: from its alphabet, case and recurrent layers."""

from collections.abc import Iterable
from typing import Any, cast

import torch

from charlm.config import EncoderConfig, ModelConfig
from charlm.errors import CorpusError, RunError, SettingError, UsageError
from charlm.presets import Settings
from charlm.rnn.encoder import Encoder
from charlm.runs.directory import RunDirectory
from charlm.tasks.dataset import Tell
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_run_corpus
from charlm.text.splits import count
from charlm.text.tokens import CHARACTERS

# Characters of a text that nobody writes twice; and so many of them, at every STEP, lie within any
# such text wherever it stands.
SHORTEST = 30
STEP = 11
GRAM = SHORTEST - STEP + 1


def check_parent(parent: RunDirectory, settings: Settings) -> LanguageModelRun:
    """The run to start from.

    Raises:
        UsageError: it is no language model's.
        SettingError: something was asked for that its weights cannot be.
    """
    if not isinstance(parent, LanguageModelRun):
        raise UsageError(
            f"The run '{parent.name}' is of the task '{parent.record.task}'; a classifier starts "
            "from a language model.",
            "Name another run with --init-from.",
        )
    given, theirs = settings.given, parent.settings.model
    for name in ModelConfig.identity():
        if name != "tie_weights" and given.get(name, getattr(theirs, name)) != getattr(
            theirs, name
        ):
            raise SettingError(
                name,
                f"is {getattr(theirs, name)} in the run '{parent.name}' that this one starts "
                "from: leave it out.",
            )
    if given.get("units", CHARACTERS) != CHARACTERS:
        raise SettingError("units", f"are characters in the run '{parent.name}': leave it out.")
    encoder = cast("EncoderConfig", settings.model)
    if encoder.bidirectional and encoder.num_layers > 1:
        raise SettingError(
            "bidirectional",
            f"needs other upper layers than the run '{parent.name}' has: leave it out.",
        )
    return parent


def inherited_settings(parent: RunDirectory) -> dict[str, Any]:
    """What a classifier has from a language model, unless it is given by name."""
    model = parent.settings.model
    identity = [name for name in ModelConfig.identity() if name != "tie_weights"]
    normalization = parent.record.corpus.get("normalization")
    return {
        **{name: getattr(model, name) for name in identity},
        "normalize": None if normalization == "none" else normalization,
        "units": CHARACTERS,
        "bidirectional": False,
        "max_vocabulary": None,
        "lower": False,
    }


def load_encoder(model: Encoder, parent: LanguageModelRun) -> None:
    """Copy a language model's vectors and recurrent layers into an encoder.

    A second direction, which the language model has not, keeps what was drawn.
    """
    weights = parent.load_weights()
    with torch.no_grad():
        for name, weight in model.weights().items():
            if not name.startswith("output.") and name in weights:
                weight.copy_(torch.from_numpy(weights[name]))


def tell_of(parent: LanguageModelRun, settings: Settings, tell: Tell) -> None:
    """Say what begins afresh."""
    if cast("EncoderConfig", settings.model).bidirectional:
        tell(f"'{parent.name}' reads in one direction: the other one begins afresh.")


def check_unseen(parent: LanguageModelRun, held_out: Iterable[str]) -> str | None:
    """Refuse to score on texts that the parent has read; in a sentence, if that cannot be checked.

    Args:
        held_out: texts, as the parent's vocabulary spells them.

    Raises:
        CorpusError: the parent's text holds some of them.
    """
    try:
        text = find_run_corpus(parent).text
    except (CorpusError, RunError):
        return (
            f"The text of '{parent.name}' is gone: whether it holds some of what is held out here "
            "cannot be checked."
        )
    long = [each for each in held_out if len(each) >= SHORTEST]
    found = found_in(text, long)
    seen = sum(each in found for each in long)
    if seen:
        raise CorpusError(
            f"{count(seen, 'held-out text')} stand in the text of '{parent.name}', which has read "
            "them.",
            "Train that run on other texts, or hold out others.",
        )
    return None


def found_in(text: str, wanted: Iterable[str]) -> set[str]:
    """Those texts that stand in another, in one pass over it.

    Args:
        wanted: each of at least SHORTEST characters.
    """
    places: dict[str, list[tuple[str, int]]] = {}
    for each in set(wanted):
        for offset in range(STEP):
            places.setdefault(each[offset : offset + GRAM], []).append((each, offset))
    found: set[str] = set()
    for at in range(0, len(text) - GRAM + 1, STEP):
        for each, offset in places.get(text[at : at + GRAM], ()):
            if offset <= at and each not in found and text.startswith(each, at - offset):
                found.add(each)
    return found
