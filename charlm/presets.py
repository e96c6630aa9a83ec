"""Presets, and how they combine with settings given by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from charlm.config import (
    Config,
    DataConfig,
    ModelConfig,
    TextConfig,
    TextTrainConfig,
    TrainConfig,
)
from charlm.errors import SettingError, look_up, suggestion
from charlm.keywords import SettingsKeywords

LIMITS = ("epochs", "max_steps", "max_minutes")
# Settings that apply to sequential windows only.
SEQUENTIAL = ("random_lengths", "reset_probability")
# Settings that suit one optimizer only.
OF_OPTIMIZER = ("learning_rate", "weight_decay")

Presets = Mapping[str, Mapping[str, Any]]

PRESETS: dict[str, dict[str, Any]] = {
    # The best held-out score in under two minutes on two cores, on a text of a few hundred kB.
    "quick": {
        "cell": "lstm",
        "capped_gate": True,
        "hidden_size": 384,
        "embedding_size": 64,
        "output_dropout": 0.25,
        "weight_drop": 0.2,
        "batch_size": 32,
        "seq_length": 64,
        "learning_rate": 2e-2,
        "schedule": "cosine",
        "warmup_steps": 50,
        "weight_decay": 0.2,
        "initialization": "orthogonal",
        "precision": "auto",
        "max_minutes": 1.6,
    },
    # A text of about a megabyte, ten minutes on two cores with bfloat16; 3 million parameters.
    "small": {
        "cell": "lstm",
        "capped_gate": True,
        "hidden_size": 768,
        "embedding_size": 192,
        "output_dropout": 0.35,
        "weight_drop": 0.3,
        "batch_size": 32,
        "seq_length": 64,
        "learning_rate": 1.4e-2,
        "schedule": "cosine",
        "warmup_steps": 50,
        "weight_decay": 0.2,
        "initialization": "orthogonal",
        "precision": "auto",
        "max_steps": 10_800,
    },
    # Ten megabytes or more on a GPU: the three layers and the regularizers of Merity et al. 2018.
    "large": {
        "cell": "lstm",
        "hidden_size": 1024,
        "num_layers": 3,
        "embedding_size": 256,
        "input_dropout": 0.1,
        "dropout": 0.2,
        "output_dropout": 0.2,
        "weight_drop": 0.3,
        "batch_size": 128,
        "seq_length": 128,
        "random_lengths": True,
        "reset_probability": 0.02,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "warmup_steps": 400,
        "weight_decay": 0.02,
        "activation_penalty": 0.1,
        "temporal_penalty": 0.1,
        "ema_decay": 0.999,
        "initialization": "orthogonal",
        "precision": "auto",
        "epochs": 30,
    },
    # Dive into Deep Learning's recurrent chapters: one-hot input, plain SGD, and the perplexity of
    # the last epoch on the text it was trained on. From scratch they draw weights from N(0, 0.01²);
    # their concise versions leave them to torch.
    "d2l": {
        "normalize": "letters-by-line",
        "train_characters": 10_000,
        "val_fraction": 0.0,
        "hidden_size": 256,
        "batch_size": 32,
        "seq_length": 35,
        "optimizer": "sgd",
        "learning_rate": 1.0,
        "clip_norm": 1.0,
        "initialization": "d2l",
        "epochs": 500,
    },
}
DEFAULT_PRESET = "quick"
# In place of a preset: each setting begins as `charlm.config` has it, and nothing is adapted.
NO_PRESET = "none"
# Presets whose sizes are adapted to the text, and to a time limit given by name.
ADAPTIVE = ("quick",)
# Exceptions for a cell, by preset and cell. The rate and the weight decay of "quick" and "small"
# suit an LSTM. The simple RNN has no gates to protect its state, so it also needs less noise in its
# weights.
FOR_CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"weight_drop": 0.05, "learning_rate": 2e-3, "weight_decay": 0.05},
    "gru": {"learning_rate": 9e-3},
    **{
        cell: {"learning_rate": 4e-3, "weight_decay": 0.05}
        for cell in ("mingru", "minlstm", "mogrifier")
    },
}
BY_CELL: dict[tuple[str, str], dict[str, Any]] = {
    (preset, cell): values for preset in ("quick", "small") for cell, values in FOR_CELLS.items()
}
# On a GPU, by preset. The steps of a window follow one another, and each occupies a part of a GPU:
# twice as many streams then take hardly more time. "large" is for GPUs anyway, and "d2l" is to the
# letter.
ON_GPU: dict[str, dict[str, Any]] = {"quick": {"batch_size": 64}, "small": {"batch_size": 64}}

# Least number of evaluations of a run, unless `eval_every` is given.
EVALUATIONS = 10


@dataclass(frozen=True)
class Settings:
    """All settings of a run, and where they came from.

    Args:
        preset: name of the preset they started from; "" if unknown.
        given: settings given by name, which are never changed automatically.
    """

    data: DataConfig
    model: ModelConfig
    train: TrainConfig
    preset: str = field(default="", compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def adapts_to_text(self) -> bool:
        """Whether sizes may be adapted to the text."""
        return self.preset in ADAPTIVE

    @property
    def can_plan_sizes(self) -> bool:
        """Whether sizes may be adapted to the time limit, as none of them was given by name."""
        return (
            self.adapts_to_text and not {"hidden_size", "epochs", "max_steps"} & self.given.keys()
        )


# Those of a language model.
AnySettings = TypeVar("AnySettings", bound=Settings)

SECTIONS: dict[str, type[Config]] = {
    "data": TextConfig,
    "model": ModelConfig,
    "train": TextTrainConfig,
}


def resolve(
    preset: str = DEFAULT_PRESET,
    inherited: Mapping[str, Any] | None = None,
    sections: Mapping[str, type[Config]] = SECTIONS,
    presets: Presets = PRESETS,
    /,
    **given: Any,
) -> Settings:
    """Combine a preset with settings given by name, which take precedence.

    A limit given by name (epochs, max_steps, max_minutes) replaces all of the preset's limits.

    Args:
        inherited: settings that override the preset's, but not those given by name.
        sections: the class of each group of settings; a task may have its own.

    Raises:
        UsageError: a preset or setting is unknown, or a value is out of range.
    """
    overrides = {**(inherited or {}), **given}
    values = preset_values(preset, overrides, presets) | overrides
    check_names(values, sections)
    configs: dict[str, Any] = {
        section: config(**{name: values[name] for name in config.names() if name in values})
        for section, config in sections.items()
    }
    return Settings(**configs, preset=preset, given=given)


def preset_values(
    preset: str, overrides: Mapping[str, Any], presets: Presets = PRESETS
) -> dict[str, Any]:
    """Settings of a preset, adapted to those that override it.

    Exceptions for the cell are included. Limits are left out if one is overridden, and so are
    settings for sequential windows if `sampling` is "random". A cell that is named is the plain
    one, without the capped gate of the preset's own. With another optimizer than the preset's, the
    learning rate and the weight decay are those of `charlm.config`.

    Raises:
        UsageError: the preset is unknown.
    """
    values = {} if preset == NO_PRESET else dict(look_up(presets, preset, "preset"))
    cell = overrides.get("cell", values.get("cell"))
    values |= BY_CELL.get((preset, str(cell)), {})
    unsuitable: set[str] = set()
    if any(overrides.get(limit) is not None for limit in LIMITS):
        unsuitable |= {*LIMITS}
    if overrides.get("sampling") == "random":
        unsuitable |= {*SEQUENTIAL}
    if "cell" in overrides:
        unsuitable.add("capped_gate")
    own = values.get("optimizer", TrainConfig.optimizer)
    if overrides.get("optimizer", own) != own:
        unsuitable |= {*OF_OPTIMIZER}
    return {name: value for name, value in values.items() if name not in unsuitable}


def as_options(values: Mapping[str, Any]) -> str:
    """Settings as command-line options, such as "--cell gru --no-tie-weights"."""
    words = []
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {value}")
    return " ".join(words)


# Fields of a model's configuration that are no settings.
DECIDED_BY_DATA = ("vocabulary_size", "document_id")


def setting_names(sections: Mapping[str, type[Config]] = SECTIONS) -> dict[str, str]:
    """The section of each setting that can be given by name."""
    names = {name: section for section, config in sections.items() for name in config.names()}
    return {name: section for name, section in names.items() if name not in DECIDED_BY_DATA}


def check_names(values: Iterable[str], sections: Mapping[str, type[Config]] = SECTIONS) -> None:
    """Raise SettingError for the first name that is not that of a setting."""
    known = setting_names(sections)
    for name in values:
        if name in known:
            continue
        if name in SettingsKeywords.__annotations__:
            raise SettingError(name, "is a setting of another task: leave it out.")
        raise SettingError(name, f"is no setting. {suggestion(known, name)}")


def overridden(settings: AnySettings, **overrides: Any) -> AnySettings:
    """Return a copy with some settings replaced; names as in `resolve`."""
    sections = {section: getattr(settings, section) for section in SECTIONS}
    check_names(overrides, {section: type(config) for section, config in sections.items()})
    changed: dict[str, Any] = {}
    for section, config in sections.items():
        values = {name: value for name, value in overrides.items() if name in config.names()}
        changed[section] = replace(config, **values)
    return replace(settings, **changed)
