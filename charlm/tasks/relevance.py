"""Settings that have no effect in combination with others: they are refused, not ignored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import SettingError
from charlm.keywords import SamplingKeywords
from charlm.presets import PRESETS, Presets, Settings, preset_values
from charlm.rnn.weights import NOT_RECURRENT

NOTHING_HELD_OUT = "needs held-out data: give a --val-fraction."


@dataclass(frozen=True)
class Rule:
    """A condition under which some settings have no effect.

    Args:
        names: names of the settings.
        useless: whether they have no effect, given all settings.
        why: the error message, without the setting's name that begins it.
    """

    names: tuple[str, ...]
    useless: Callable[[Any], bool]
    why: str


def holds_out(settings: Settings) -> bool:
    """Whether settings ask for a validation part; a split column may yet name none."""
    data = settings.data
    named = (getattr(data, name, None) for name in ("val", "split_column"))
    return bool(data.val_fraction) or any(named)


# Of every task.
RULES = (
    Rule(
        ("mogrifier_rounds", "mogrifier_rank"),
        lambda settings: settings.model.cell != "mogrifier",
        "is for --cell mogrifier only.",
    ),
    Rule(
        ("mogrifier_rank",),
        lambda settings: settings.model.mogrifier_rounds == 0,
        "does nothing in 0 rounds: give --mogrifier-rounds.",
    ),
    Rule(
        ("weight_drop",),
        lambda settings: settings.model.cell in NOT_RECURRENT,
        f"is on recurrent matrices, which the cells {' and '.join(NOT_RECURRENT)} lack.",
    ),
    Rule(
        ("reset_after",), lambda settings: settings.model.cell != "gru", "is for --cell gru only."
    ),
    Rule(
        ("capped_gate",),
        lambda settings: settings.model.cell not in ("lstm", "mogrifier"),
        "is for --cell lstm and mogrifier only.",
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
        ("plateau_patience", "plateau_factor", "min_learning_rate"),
        lambda settings: settings.train.schedule != "plateau",
        "is for --schedule plateau only.",
    ),
    Rule(
        ("patience", "average_after"),
        lambda settings: not holds_out(settings),
        NOTHING_HELD_OUT,
    ),
    Rule(
        ("schedule",),
        lambda settings: settings.train.schedule == "plateau" and not holds_out(settings),
        f"plateau {NOTHING_HELD_OUT}",
    ),
)
# On by default or by a preset, so that giving False or 0 asks for something too.
ASK_ALWAYS = ("reset_after", "capped_gate", "mogrifier_rounds")
FILTERS = ("top_k", "top_p", "min_p")


def check_relevant(
    settings: Settings, rules: tuple[Rule, ...] = (), inherited: tuple[str, ...] = ()
) -> None:
    """Raise SettingError for the first setting that was given by name and has no effect.

    Values that ask for nothing, such as 0 or False, are accepted.

    Args:
        rules: the task's own.
        inherited: what is always taken from the run that this one starts from, if it does.
    """
    given = settings.given
    for rule in (*RULES, *rules):
        for name in rule.names:
            asks = bool(given.get(name)) or (name in ASK_ALWAYS and name in given)
            if asks and rule.useless(settings):
                raise SettingError(name, rule.why)
    for name in inherited:
        if name in given:
            raise SettingError(name, "is that of the run that this one starts from: leave it out.")


def check_held_out(settings: Settings, splits: Mapping[str, Sequence[int]]) -> None:
    """Raise SettingError for a setting given by name that needs held-out data, if there are none.

    Whether a split column names a validation part is known once the data are read.

    Args:
        splits: start and stop of each, by name.
    """
    start, stop = splits.get("val", (0, 0))
    needing = {name: settings.given.get(name) for name in ("patience", "average_after")}
    needing["schedule"] = settings.train.schedule == "plateau"
    for name in (name for name, asked in needing.items() if asked and start == stop):
        problem = f"plateau {NOTHING_HELD_OUT}" if name == "schedule" else NOTHING_HELD_OUT
        raise SettingError(name, problem)


def check_on_device(settings: Settings, device: str) -> None:
    """Raise SettingError for a setting given by name that has no effect on this device type."""
    given, config = settings.given, settings.train
    if given.get("precision") == "tf32" and device != "cuda":
        raise SettingError("precision", f"tf32 is of NVIDIA's GPUs, and the device is {device}.")
    if not given.get("cuda_graphs"):
        return
    if device != "cuda":
        raise SettingError("cuda_graphs", f"is for --device cuda only, and the device is {device}.")
    if getattr(config, "random_lengths", False) or config.precision == "fp16":
        raise SettingError(
            "cuda_graphs", "records neither windows of random lengths nor --precision fp16."
        )


def check_sampling(config: SamplingConfig) -> None:
    """Raise SettingError for the first setting that has no effect beside the others."""

    def is_set(name: str) -> bool:
        return bool(getattr(config, name) != getattr(SamplingConfig, name))

    for name in (*FILTERS, "seed", "best_of"):
        if config.temperature == 0 and is_set(name):
            raise SettingError(name, "does nothing at --temperature 0: nothing is drawn.")
    for name in ("temperature", *FILTERS, "seed", "best_of", "repetition_penalty", "unique"):
        if config.beams and is_set(name):
            raise SettingError(
                name, "does not go with --beams, which look for what the model finds most probable."
            )
    if is_set("repetition_window") and not is_set("repetition_penalty"):
        raise SettingError("repetition_window", "is that of --repetition-penalty: give one.")
    for name in ("novel", "unique"):
        if config.best_of and is_set(name):
            raise SettingError(name, "does not go with --best-of, which keeps the most probable.")
        if name == "unique" and config.temperature == 0 and is_set(name):
            raise SettingError(name, "does nothing at --temperature 0: all documents are the same.")
    for name in ("beams", "best_of"):
        if 0 < getattr(config, name) < config.num_samples:
            raise SettingError(name, f"must be at least --num-samples, {config.num_samples}.")


def sampling_config(**sampling: Unpack[SamplingKeywords]) -> SamplingConfig:
    """Sampling settings from keyword arguments; SettingError if one is invalid or useless."""
    for name in sampling:
        if name not in SamplingConfig.names():
            raise SettingError(name, f"is no setting of: {', '.join(SamplingConfig.names())}.")
    config = SamplingConfig(**sampling)
    check_sampling(config)
    return config


def applied_values(
    settings: Settings,
    inherited: Mapping[str, Any],
    rules: tuple[Rule, ...] = (),
    presets: Presets = PRESETS,
    inherits_model: bool = False,
) -> dict[str, Any]:
    """The values that the preset contributes to these settings and that have an effect.

    Args:
        rules: the task's own.
        inherited: settings taken from the run that this one starts from, if any.
        inherits_model: whether all settings of the model are that run's.
    """
    values = preset_values(settings.preset, {**inherited, **settings.given}, presets)
    left_out = {name for rule in (*RULES, *rules) if rule.useless(settings) for name in rule.names}
    left_out |= inherited.keys() | settings.given.keys()
    if inherits_model:
        left_out |= set(ModelConfig.names())
    return {name: value for name, value in values.items() if name not in left_out}
