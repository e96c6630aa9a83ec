"""Presets resolve to whole settings, and what is given by name goes before them."""

from dataclasses import replace
from typing import Any

import pytest

from charlm.config import ModelConfig, TrainConfig
from charlm.errors import SettingError, UsageError
from charlm.presets import (
    BY_CELL,
    DECIDED_BY_DATA,
    DEFAULT_PRESET,
    LIMITS,
    OF_OPTIMIZER,
    PRESETS,
    SECTIONS,
    Settings,
    as_options,
    overridden,
    preset_values,
    resolve,
    setting_names,
)
from charlm.rnn.cells import CELLS
from charlm.tasks.language_modeling.small_texts import for_small_text
from charlm.text.normalize import NORMALIZATIONS

NAMES = setting_names()


def flat(settings: Settings) -> dict[str, Any]:
    values = [getattr(settings, section).to_json() for section in SECTIONS]
    return {name: value for each in values for name, value in each.items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_resolves_to_what_it_says(preset: str) -> None:
    settings = flat(resolve(preset))
    assert {name: settings[name] for name in PRESETS[preset]} == PRESETS[preset]
    assert any(settings[limit] is not None for limit in LIMITS)
    assert settings["cell"] in CELLS
    assert settings["normalize"] in {None, *NORMALIZATIONS}


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_leaves_out_keeps_its_default(preset: str) -> None:
    settings = resolve(preset)
    for section, config in SECTIONS.items():
        default = config(**({"epochs": 1} if section == "train" else {})).to_json()
        for name in set(default) - set(PRESETS[preset]) - set(LIMITS):
            assert getattr(getattr(settings, section), name) == default[name], name


def test_without_a_name_the_default_preset_is_meant() -> None:
    assert DEFAULT_PRESET in PRESETS
    assert resolve() == resolve(DEFAULT_PRESET)


def test_no_two_sections_share_a_name() -> None:
    """Else an override would silently reach only one of them."""
    fields = sum(len(config.names()) for config in SECTIONS.values())
    assert len(NAMES) + len(DECIDED_BY_DATA) == fields


def test_d2l_is_the_set_up_of_the_chapter() -> None:
    settings = flat(resolve("d2l"))
    chapter = {
        "normalize": "letters-by-line",
        "train_characters": 10_000,
        "batch_size": 32,
        "seq_length": 35,
        "sampling": "sequential",
        "hidden_size": 256,
        "num_layers": 1,
        "embedding_size": 0,
        "dropout": 0.0,
        "optimizer": "sgd",
        "learning_rate": 1.0,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup_steps": 0,
        "clip_norm": 1.0,
        "initialization": "d2l",
        "epochs": 500,
    }
    assert {name: settings[name] for name in chapter} == chapter


def test_overrides_reach_their_sections_and_nothing_else() -> None:
    before, after = resolve(), resolve(hidden_size=7, min_count=2, seed=5)
    changed = {name for name, value in flat(after).items() if flat(before)[name] != value}
    assert changed == {"hidden_size", "min_count", "seed"}
    assert (after.model.hidden_size, after.data.min_count, after.train.seed) == (7, 2, 5)


def test_presets_themselves_are_never_changed() -> None:
    before = {name: dict(values) for name, values in PRESETS.items()}
    resolve("quick", epochs=3, hidden_size=5)
    assert before == PRESETS


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("limit", "value"), [("epochs", 3), ("max_steps", 9), ("max_minutes", 2)])
def test_a_limit_by_name_replaces_all_of_the_presets(preset: str, limit: str, value: int) -> None:
    train = resolve(preset, **{limit: value}).train
    expected = dict.fromkeys(LIMITS) | {limit: value}
    assert {name: getattr(train, name) for name in LIMITS} == expected


def test_several_limits_by_name_all_hold() -> None:
    train = resolve("d2l", epochs=3, max_steps=9).train
    assert (train.epochs, train.max_steps, train.max_minutes) == (3, 9, None)


def test_a_limit_that_is_none_replaces_nothing_else() -> None:
    assert resolve("d2l", max_steps=None).train.epochs == 500
    with pytest.raises(SettingError, match="epochs, max_steps or max_minutes"):
        resolve("d2l", epochs=None)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("hiden_size", "hidden_size"), ("learning-rate", "learning_rate"), ("EPOCHS", "epochs")],
)
def test_an_unknown_setting_is_answered_with_the_nearest(typo: str, meant: str) -> None:
    with pytest.raises(SettingError, match=rf"^{typo} is no setting.*Did you mean '{meant}'\?"):
        resolve(**{typo: 3})


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no preset called 'quik'.*Did you mean 'quick'\?"):
        resolve("quik")
    with pytest.raises(
        UsageError, match=r"no preset called 'zzz'.*Known: quick, small, large, d2l"
    ):
        resolve("zzz")


def test_the_vocabulary_decides_its_own_size() -> None:
    assert "vocabulary_size" in ModelConfig.names()
    with pytest.raises(SettingError, match=r"^vocabulary_size is no setting"):
        resolve(vocabulary_size=30)


def test_overridden_settings_are_checked_and_the_rest_stays() -> None:
    before = resolve("d2l")
    after = overridden(before, epochs=600, hidden_size=9)
    assert (after.train.epochs, after.model.hidden_size) == (600, 9)
    assert flat(after) == flat(before) | {"epochs": 600, "hidden_size": 9}
    assert before == resolve("d2l")
    with pytest.raises(SettingError, match=r"^epochs must be at least 1"):
        overridden(before, epochs=0)


def test_overriding_an_unknown_setting_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^epocs is no setting"):
        overridden(resolve("d2l"), epocs=600)


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_a_cell_may_want_something_else_than_its_preset(preset: str) -> None:
    gru, rnn = resolve(preset, cell="gru"), resolve(preset, cell="rnn")
    assert rnn.model.weight_drop < gru.model.weight_drop
    assert rnn.train.learning_rate < gru.train.learning_rate
    assert resolve(preset, cell="rnn", weight_drop=0.35).model.weight_drop == 0.35


def test_what_a_cell_wants_are_settings_of_its_preset() -> None:
    for (preset, cell), values in BY_CELL.items():
        assert cell in CELLS
        assert set(values) <= set(PRESETS[preset])


@pytest.mark.parametrize(
    ("preset", "other"), [("quick", "adam"), ("small", "sgd"), ("d2l", "adamw")]
)
def test_a_rate_and_a_decay_are_for_the_optimizer_of_their_preset(preset: str, other: str) -> None:
    for cell in ("gru", "rnn"):
        usual, chosen = resolve(preset, cell=cell), resolve(preset, cell=cell, optimizer=other)
        of_config = {name: getattr(TrainConfig, name) for name in OF_OPTIMIZER}
        assert chosen.train == replace(usual.train, optimizer=other, **of_config)
        assert resolve(preset, cell=cell, optimizer=usual.train.optimizer) == usual
        given = resolve(preset, cell=cell, optimizer=other, learning_rate=0.125)
        assert given.train.learning_rate == 0.125


@pytest.mark.parametrize("preset", PRESETS)
def test_the_options_that_a_preset_stands_for_make_the_same_settings(preset: str) -> None:
    """Typed out on the command line after another preset, they are that preset."""
    other = next(name for name in PRESETS if name != preset)
    words = as_options(preset_values(preset, {})).split(" ")
    given: dict[str, Any] = {}
    for number, word in enumerate(words):
        name = word.removeprefix("--").removeprefix("no-").replace("-", "_")
        if name not in NAMES:
            continue
        kind = type(PRESETS[preset][name])
        given[name] = not word.startswith("--no-") if kind is bool else kind(words[number + 1])
    assert given == PRESETS[preset]
    rest = {name: value for name, value in flat(resolve(preset)).items() if name in NAMES}
    assert flat(resolve(other, **{**rest, **given})) == flat(resolve(preset))


def test_what_is_given_by_name_is_no_longer_the_presets() -> None:
    assert "max_minutes" not in preset_values("quick", {"epochs": 2})
    assert preset_values("quick", {"cell": "rnn"})["learning_rate"] == 2e-3
    assert as_options({"tie_weights": True, "reset_after": False, "epochs": 3}) == (
        "--tie-weights --no-reset-after --epochs 3"
    )


def small(characters: int, **given: Any) -> dict[str, Any]:
    return for_small_text(resolve("quick", **given), characters)


def test_a_small_text_gets_a_narrower_model_more_dropout_and_its_evaluations_in_time() -> None:
    sizes = [3_000, 10_000, 30_000, 100_000]
    made = [small(characters) for characters in sizes]
    widths = [each["hidden_size"] for each in made]
    assert widths == sorted(widths)
    for characters, each in zip(sizes, made, strict=True):
        settings = overridden(resolve("quick"), **each)
        steps = characters // (settings.train.batch_size * settings.train.seq_length)
        assert settings.model.weight_drop > PRESETS["quick"]["weight_drop"]
        assert settings.train.patience and settings.train.ema_decay
        assert settings.train.eval_every == max(50, 2 * steps)


def test_a_larger_text_gets_what_the_preset_says() -> None:
    assert small(140_001) == {}
    assert small(140_000) != {}


def test_of_a_small_text_what_was_given_by_name_stays() -> None:
    given = {"output_dropout": 0.1, "patience": 3}
    assert not small(10_000, **given).keys() & given.keys()
    every = small(10_000, batch_size=1)["eval_every"]
    assert every == 2 * (10_000 // 64)


def test_where_nothing_is_held_out_or_a_length_is_given_there_is_no_patience() -> None:
    assert "patience" not in small(10_000, val_fraction=0.0)
    for limit in ({"max_steps": 300}, {"epochs": 30}):
        assert "patience" not in small(10_000, **limit)
        # Tenths of the way are more often than what is better for a small text.
        assert "eval_every" not in small(10_000, **limit)
    assert small(10_000, max_steps=3000)["eval_every"] == 50


def test_the_strong_decay_of_a_small_text_is_for_adamw() -> None:
    assert "weight_decay" in small(10_000)
    assert not {*OF_OPTIMIZER} & small(10_000, cell="gru", optimizer="sgd").keys()


def with_alphabet(size: int, **given: Any) -> Any:
    settings = resolve("quick", **given)
    return replace(settings, model=replace(settings.model, vocabulary_size=size))


def test_the_vectors_of_a_large_alphabet_are_tied() -> None:
    assert for_small_text(with_alphabet(501), 10_000)["tie_weights"]
    assert "tie_weights" not in small(10_000)


@pytest.mark.parametrize("size", [65, 501])
@pytest.mark.parametrize("document", [None, 7.0])
def test_the_simple_network_bears_less_noise_and_smaller_steps_on_every_small_text(
    size: int, document: float | None
) -> None:
    of_lstm, of_rnn = (
        for_small_text(with_alphabet(size, cell=cell), 10_000, document) for cell in ("lstm", "rnn")
    )
    usual = resolve("quick", cell="rnn")
    assert of_rnn["weight_drop"] == usual.model.weight_drop < of_lstm["weight_drop"]
    assert of_rnn["learning_rate"] == usual.train.learning_rate
    # How fast weights decay is for the size of the text, of every cell.
    assert of_rnn["weight_decay"] == of_lstm["weight_decay"]
