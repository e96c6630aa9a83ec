"""Settings refuse every value outside their type and range, and say which setting it was."""

import json
import math
import re
from dataclasses import Field, FrozenInstanceError, fields
from typing import Any, get_args

import pytest

from charlm.config import Config, ModelConfig, SamplingConfig, TextConfig, TextTrainConfig
from charlm.errors import SettingError, UsageError

CONFIGS: tuple[type[Config], ...] = (TextConfig, ModelConfig, TextTrainConfig, SamplingConfig)
SETTINGS = [(config, each) for config in CONFIGS for each in fields(config)]


def kinds(setting: Field[Any]) -> set[type]:
    """The types that the setting's annotation allows."""
    return set(get_args(setting.type)) or {setting.type}


def build(config: type[Config], **values: Any) -> Config:
    """The config with what else it insists on."""
    required: dict[str, Any] = {"epochs": 1} if config is TextTrainConfig else {}
    if values.get("tie_weights"):
        required["embedding_size"] = 8
    if "test_fraction" in values:
        required["val_fraction"] = 0.0
    return config(**{**required, **values})


def named(settings: list[tuple[type[Config], Field[Any], Any]]) -> list[Any]:
    return [
        pytest.param(config, each.name, value, id=f"{config.__name__}-{each.name}-{value!r}")
        for config, each, value in settings
    ]


def outside(setting: Field[Any]) -> list[Any]:
    """The nearest values beyond each limit."""
    whole = int in kinds(setting)
    limits, values = setting.metadata, []
    if limits["minimum"] is not None:
        low = limits["minimum"]
        values.append(low - 1 if whole else math.nextafter(low, -math.inf))
    if limits["above"] is not None:
        values.append(limits["above"])
    if limits["maximum"] is not None:
        high = limits["maximum"]
        values.append(high + 1 if whole else math.nextafter(high, math.inf))
    if limits["below"] is not None:
        values.append(limits["below"])
    if float in kinds(setting):
        values += [math.nan, math.inf, -math.inf]
    return values


def inside(setting: Field[Any]) -> list[Any]:
    """The last values within each limit."""
    whole = int in kinds(setting)
    limits, values = setting.metadata, []
    values += [each for each in (limits["minimum"], limits["maximum"]) if each is not None]
    if limits["above"] is not None:
        low = limits["above"]
        values.append(low + 1 if whole else math.nextafter(low, math.inf))
    if limits["below"] is not None:
        high = limits["below"]
        values.append(high - 1 if whole else math.nextafter(high, -math.inf))
    return values + list(limits["choices"])


def of_wrong_type(setting: Field[Any]) -> list[Any]:
    wrong: dict[type, list[Any]] = {
        int: ["1", 1.5, math.nan, True, [1], 1j],
        float: ["0.5", True, [0.5], 1j],
        bool: [1, 0, "true"],
        str: [1, b"gru", ["gru"], True],
    }
    if setting.metadata["several"]:
        return [1, True, b"ab", [1], ["ab", None]]
    allowed = kinds(setting)
    (kind,) = allowed - {type(None)}
    return wrong[kind] + ([] if type(None) in allowed else [None])


OUTSIDE = [(config, each, value) for config, each in SETTINGS for value in outside(each)]
INSIDE = [(config, each, value) for config, each in SETTINGS for value in inside(each)]
WRONG_TYPE = [(config, each, value) for config, each in SETTINGS for value in of_wrong_type(each)]


@pytest.mark.parametrize(("config", "name", "value"), named(OUTSIDE))
def test_values_beyond_a_limit_are_refused_by_name(
    config: type[Config], name: str, value: float
) -> None:
    with pytest.raises(
        SettingError, match=rf"^{name} must be .*, not {re.escape(str(value))}\.$"
    ) as refusal:
        build(config, **{name: value})
    assert refusal.value.setting == name
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(("config", "name", "value"), named(INSIDE))
def test_values_at_a_limit_are_taken(config: type[Config], name: str, value: Any) -> None:
    assert getattr(build(config, **{name: value}), name) == value


@pytest.mark.parametrize(("config", "name", "value"), named(WRONG_TYPE))
def test_values_of_another_type_are_refused_by_name(
    config: type[Config], name: str, value: Any
) -> None:
    with pytest.raises(SettingError, match=f"^{name} ") as refusal:
        build(config, **{name: value})
    assert refusal.value.setting == name


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (TextConfig, {"min_count": 0}),
        (TextConfig, {"val_fraction": 1.0}),
        (TextConfig, {"test_fraction": -0.1}),
        (TextConfig, {"train_characters": 1}),
        (ModelConfig, {"vocabulary_size": 1}),
        (ModelConfig, {"hidden_size": 0}),
        (ModelConfig, {"num_layers": 0}),
        (ModelConfig, {"embedding_size": -1}),
        (ModelConfig, {"dropout": 1.0}),
        (ModelConfig, {"output_dropout": 1}),
        (ModelConfig, {"weight_drop": -0.5}),
        (ModelConfig, {"input_dropout": 1.0}),
        (TextTrainConfig, {"batch_size": 0}),
        (TextTrainConfig, {"seq_length": 0}),
        (TextTrainConfig, {"sampling": "shuffled"}),
        (TextTrainConfig, {"optimizer": "lbfgs"}),
        (TextTrainConfig, {"learning_rate": 0.0}),
        (TextTrainConfig, {"schedule": "linear"}),
        (TextTrainConfig, {"warmup_steps": -1}),
        (TextTrainConfig, {"weight_decay": -1e-9}),
        (TextTrainConfig, {"momentum": 1.0}),
        (TextTrainConfig, {"reset_probability": 1.01}),
        (TextTrainConfig, {"activation_penalty": -1.0}),
        (TextTrainConfig, {"temporal_penalty": -1.0}),
        (TextTrainConfig, {"ema_decay": 1.0}),
        (TextTrainConfig, {"average_after": 0}),
        (TextTrainConfig, {"clip_norm": -1}),
        (TextTrainConfig, {"initialization": "zeros"}),
        (TextTrainConfig, {"epochs": 0}),
        (TextTrainConfig, {"max_steps": 0}),
        (TextTrainConfig, {"max_minutes": 0}),
        (TextTrainConfig, {"eval_every": 0}),
        (TextTrainConfig, {"patience": 0}),
        (TextTrainConfig, {"precision": "fp8"}),
        (TextTrainConfig, {"seed": -1}),
        (SamplingConfig, {"temperature": -0.1}),
        (SamplingConfig, {"top_k": -1}),
        (SamplingConfig, {"top_p": 0}),
        (SamplingConfig, {"top_p": 1.01}),
        (SamplingConfig, {"min_p": 1.01}),
        (SamplingConfig, {"length": -1}),
        (SamplingConfig, {"num_samples": 0}),
        (SamplingConfig, {"seed": -1}),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    config: type[Config], values: dict[str, Any]
) -> None:
    (name,) = values
    with pytest.raises(SettingError, match=f"^{name} must be "):
        build(config, **values)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        pytest.param(config, each.name, id=f"{config.__name__}-{each.name}")
        for config, each in SETTINGS
        if each.metadata["choices"]
    ],
)
def test_a_wrong_choice_is_answered_with_the_right_ones(config: type[Config], name: str) -> None:
    choices = next(each for each in fields(config) if each.name == name).metadata["choices"]
    with pytest.raises(SettingError) as refusal:
        build(config, **{name: choices[0].upper()})
    assert all(each in str(refusal.value) for each in choices)


@pytest.mark.parametrize(
    ("config", "setting"),
    [pytest.param(config, each, id=f"{config.__name__}-{each.name}") for config, each in SETTINGS],
)
def test_every_setting_explains_itself_and_every_number_has_a_floor(
    config: type[Config], setting: Field[Any]
) -> None:
    assert setting.metadata["help"].endswith(".")
    if kinds(setting) & {int, float}:
        assert setting.metadata["minimum"] is not None or setting.metadata["above"] is not None


def test_whole_numbers_serve_where_fractions_are_meant() -> None:
    assert ModelConfig(dropout=0).dropout == 0
    assert SamplingConfig(temperature=2).temperature == 2


def test_an_enormous_whole_number_is_judged_by_its_range() -> None:
    assert SamplingConfig(seed=10**400).seed == 10**400
    with pytest.raises(SettingError, match=r"^length must be at least 0"):
        SamplingConfig(length=-(10**400))


def test_held_out_shares_must_leave_something_to_train_on() -> None:
    assert TextConfig(val_fraction=0.5, test_fraction=0.49).test_fraction == 0.49
    with pytest.raises(SettingError, match=r"^val_fraction and test_fraction leave nothing"):
        TextConfig(val_fraction=0.5, test_fraction=0.5)


def test_tied_weights_need_character_vectors() -> None:
    assert ModelConfig(tie_weights=True, embedding_size=1).tie_weights
    with pytest.raises(SettingError, match=r"^tie_weights .*embedding_size"):
        ModelConfig(tie_weights=True)


@pytest.mark.parametrize("values", [{"random_lengths": True}, {"reset_probability": 0.1}], ids=str)
def test_random_windows_know_neither_lengths_nor_resets(values: dict[str, Any]) -> None:
    assert TextTrainConfig(max_steps=1, **values).sampling == "sequential"
    (name,) = values
    with pytest.raises(SettingError, match=f"^{name} is for sequential windows"):
        TextTrainConfig(max_steps=1, sampling="random", **values)


def test_training_needs_an_end() -> None:
    with pytest.raises(SettingError, match="epochs, max_steps or max_minutes"):
        TextTrainConfig()
    assert TextTrainConfig(max_steps=1).epochs is None
    assert TextTrainConfig(max_minutes=0.5).max_minutes == 0.5


@pytest.mark.parametrize(
    "config",
    [
        TextConfig("latin-1", 3, 0.25, 0.125, normalize="letters", val_characters=1000),
        ModelConfig(66, "lstm", 17, 3, 5, capped_gate=True, layer_norm=True, weight_drop=0.3),
        TextTrainConfig(optimizer="sgd", momentum=0.9, max_minutes=1.5, patience=3, seed=2**40),
        SamplingConfig(0.7, 5, 0.9, 0.05, 10, 2, "\n\N{GRINNING FACE}", 7),
    ],
    ids=lambda config: type(config).__name__,
)
def test_configs_survive_a_file(config: Config) -> None:
    written = json.loads(json.dumps(config.to_json()))
    assert tuple(written) == config.names()
    assert type(config).from_json(written) == config


def test_a_file_cannot_bring_in_unknown_or_impossible_settings() -> None:
    with pytest.raises(SettingError, match=r"^hidden_units .*does not know"):
        ModelConfig.from_json({"hidden_units": 3})
    with pytest.raises(SettingError, match=r"^hidden_size must be at least 1, not 0"):
        ModelConfig.from_json({"hidden_size": 0})


def test_configs_cannot_be_changed() -> None:
    config = ModelConfig()
    with pytest.raises(FrozenInstanceError):
        config.hidden_size = 3  # type: ignore[misc]


def test_a_setting_error_is_a_wrong_usage() -> None:
    error = SettingError("top_k", "must be at least 0, not -1.")
    assert isinstance(error, UsageError)
    assert str(error) == "top_k must be at least 0, not -1."
    assert (error.setting, error.problem) == ("top_k", "must be at least 0, not -1.")
