"""Settings that do nothing beside others, which is said instead of ignored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import SettingError
from charlm.presets import Settings


@dataclass(frozen=True)
class Rule:
    """When some settings do nothing.

    Args:
        names: of the settings.
        useless: whether they do nothing among these settings.
        why: the rest of a sentence that begins with the setting's name.
    """

    names: tuple[str, ...]
    useless: Callable[[Settings], bool]
    why: str


RULES = (
    Rule(
        ("mogrifier_rounds", "mogrifier_rank"),
        lambda settings: settings.model.cell != "mogrifier",
        "is for --cell mogrifier only.",
    ),
    Rule(
        ("reset_after",), lambda settings: settings.model.cell != "gru", "is for --cell gru only."
    ),
    Rule(
        ("dropout",),
        lambda settings: settings.model.num_layers == 1,
        "is between layers, and there is only one: give --num-layers, or --output-dropout.",
    ),
    Rule(
        ("momentum",),
        lambda settings: settings.train.optimizer != "sgd",
        "is for --optimizer sgd only.",
    ),
    Rule(
        ("random_lengths", "reset_probability"),
        lambda settings: settings.train.sampling == "random",
        "is for --sampling sequential only.",
    ),
    Rule(
        ("patience", "average_after", "eval_characters", "val_characters"),
        lambda settings: not settings.data.val_fraction,
        "needs held-out text: give a --val-fraction.",
    ),
)
# What a run that starts from another takes over from it.
INHERITED = ("min_count", "initialization")
FILTERS = ("top_k", "top_p", "min_p")


def check_relevant(settings: Settings, given: Mapping[str, Any], inherits: bool) -> None:
    """Raise SettingError for the first setting that was given by name and does nothing.

    Args:
        given: by name; what asks for nothing (0, False) may do nothing.
        inherits: the run starts from another one.
    """
    for rule in RULES:
        for name in rule.names:
            asks = bool(given.get(name)) or (name == "reset_after" and name in given)
            if asks and rule.useless(settings):
                raise SettingError(name, rule.why)
    for name in INHERITED if inherits else ():
        if name in given:
            raise SettingError(name, "is that of the run that this one starts from: leave it out.")


def check_sampling(config: SamplingConfig) -> None:
    """Raise SettingError for a filter of what is drawn where nothing is drawn at random."""
    for name in FILTERS:
        if config.temperature == 0 and getattr(config, name) != getattr(SamplingConfig, name):
            raise SettingError(name, "does nothing at --temperature 0: nothing is drawn.")


def applying(values: Mapping[str, Any], given: Mapping[str, Any], inherits: bool) -> dict[str, Any]:
    """What of a preset's values really applies."""
    replaced = {*INHERITED, *ModelConfig.names()} if inherits else set()
    return {n: value for n, value in values.items() if n not in given and n not in replaced}
