"""Sizes for the time that is given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import charlm
from charlm.config import ModelConfig, TextTrainConfig
from charlm.distributed.world import World
from charlm.language_model import LanguageModel
from charlm.presets import ON_GPU, PRESETS, Settings, as_options, overridden, resolve
from charlm.rnn.backends.choice import fused
from charlm.rnn.cells import CAPPED
from charlm.sessions.session import Chosen, Notice
from charlm.tasks.language_modeling import fitting
from charlm.tasks.language_modeling.planning import (
    CHARACTERS_PER_PARAMETER,
    DROPOUT,
    PARAMETERS_PER_CHARACTER,
    VECTORS_IF_WIDE,
    WIDE,
    WIDTHS,
    Speed,
    measured,
    of_width,
    plan,
)
from charlm.tasks.language_modeling.small_texts import SMALL_TEXTS
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training.learner import Learner

MEGABYTE = 1_000_000


def settings(minutes: float = 3.0, **values: object) -> Settings:
    chosen = resolve("quick", max_minutes=minutes, **values)
    return replace(chosen, model=replace(chosen.model, vocabulary_size=65))


def machine(multiplications: float) -> Speed:
    """A speed that goes by the products of a step, as on a machine without overheads."""
    return lambda model, train: multiplications / (model.hidden_size**2 * 3)


def test_more_time_or_a_faster_machine_makes_wider_models() -> None:
    by_time = [plan(settings(m), MEGABYTE, machine(1e10))[0] for m in (0.1, 1, 3, 20)]
    widths = [each.model.hidden_size for each in by_time]
    assert widths == sorted(set(widths))
    by_machine = [plan(settings(), MEGABYTE, machine(s))[0] for s in (1e8, 1e9, 1e10, 1e11)]
    widths = [each.model.hidden_size for each in by_machine]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("minutes", [0.1, 3, 60])
@pytest.mark.parametrize("characters", [3_000, 170_000, MEGABYTE])
def test_the_weights_are_not_too_many_and_the_next_width_would_be(
    minutes: float, characters: int
) -> None:
    speed = machine(1e10)

    def fits(width: int) -> bool:
        model = of_width(settings(minutes), width)
        weights = LanguageModel(model).parameter_count
        seen = speed(model, settings().train) * minutes * 60
        return (
            weights <= PARAMETERS_PER_CHARACTER * characters
            and seen >= CHARACTERS_PER_PARAMETER * weights
        )

    width = plan(settings(minutes), characters, speed)[0].model.hidden_size
    number = WIDTHS.index(width)
    assert fits(width) or number == 0
    assert number == len(WIDTHS) - 1 or not fits(WIDTHS[number + 1])


def test_a_text_that_is_read_often_is_regularized_more() -> None:
    drops = [
        plan(settings(), characters, machine(1e10))[0].model
        for characters in (10 * MEGABYTE, MEGABYTE, 100_000, 10_000)
    ]
    assert [each.output_dropout for each in drops] == sorted(each.output_dropout for each in drops)
    assert drops[0].weight_drop < drops[-1].weight_drop
    assert {(each.output_dropout, each.weight_drop) for each in drops} <= {d[1:] for d in DROPOUT}


def test_what_was_asked_for_stays_and_the_words_say_what_was_chosen() -> None:
    given = {"output_dropout": 0.33}
    chosen, words = plan(settings(**given), MEGABYTE, machine(1e10))
    assert chosen.model.output_dropout == 0.33
    assert f"--hidden-size {chosen.model.hidden_size}" in words
    assert "--output-dropout" not in words
    assert "3 minutes" in words
    assert chosen.train == replace(settings().train, batch_size=chosen.train.batch_size)
    assert f"--batch-size {chosen.train.batch_size}" in words
    same, _ = plan(settings(batch_size=32), MEGABYTE, machine(1e10))
    assert same.train.batch_size == 32


def test_a_plan_leaves_the_batch_as_it_is_on_a_gpu() -> None:
    """A small batch leaves most of a GPU idle; on a CPU its steps are as much shorter."""
    on_cpu, told = plan(settings(), 10 * MEGABYTE, machine(1e10))
    on_gpu, told_there = plan(settings(), 10 * MEGABYTE, machine(1e10), on_gpu=True)
    assert (on_cpu.train.batch_size, on_gpu.train.batch_size) == (16, settings().train.batch_size)
    assert "--batch-size 16" in told and "--batch-size" not in told_there
    assert on_gpu.model == on_cpu.model


def test_for_the_presets_own_time_the_noise_follows_the_machine_and_the_width_stays() -> None:
    usual, told = replace(resolve("quick"), model=settings().model), list[str]()
    found = [
        fitting.planned_for_time(
            usual, 170_000, torch.device("cpu"), lambda *_, s=speed: s, told.append
        )
        for speed in (1e4, 1e5, 3e5)
    ]
    assert {each.model.hidden_size for each in found} == {usual.model.hidden_size}
    drops = [(each.model.output_dropout, each.model.weight_drop) for each in found]
    assert drops == [(0.1, 0.0), (0.4, 0.3), (0.4, 0.4)]
    assert all(each.startswith("Planned for 1.6 minutes: ") for each in told)
    rnn = replace(usual, model=replace(usual.model, cell="rnn", weight_drop=0.05))
    assert plan(rnn, 170_000, lambda *_: 3e5, widths=[384])[0].model.weight_drop == 0.05


def test_a_plan_is_told_where_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def remember(
        given: Settings, characters: int, speed: Speed, on_gpu: bool, widths: object
    ) -> object:
        asked.append(on_gpu)
        return given, "as before"

    monkeypatch.setattr(fitting, "plan", remember)
    monkeypatch.setattr(fitting, "check_training", lambda *_: None)
    for device in ("cpu", "cuda:1", "mps"):
        where = torch.device(device)
        fitting.planned_for_time(settings(), MEGABYTE, where, "auto", lambda sentence: None)
    assert asked == [False, True, True]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_train_more_streams_on_a_gpu(preset: str) -> None:
    chosen, told = resolve(preset), list[str]()
    for device, larger in [("cpu", {}), ("cuda:1", ON_GPU.get(preset, {})), ("mps", None)]:
        told.clear()
        where = torch.device(device)
        there = fitting.adapted_to_device(chosen, MEGABYTE, where, told.append)
        wanted = ON_GPU.get(preset, {}) if larger is None else larger
        assert there == overridden(chosen, **wanted)
        assert told == ([f"On a GPU instead: {as_options(wanted)}"] if wanted else [])
    assert all(
        ON_GPU[each]["batch_size"] > PRESETS[each]["batch_size"] for each in ("quick", "small")
    )


def test_a_batch_given_by_name_and_that_of_a_small_text_stay_on_a_gpu() -> None:
    where, told = torch.device("cuda", 0), list[str]()
    given = resolve("small", batch_size=8)
    assert fitting.adapted_to_device(given, MEGABYTE, where, told.append) == given
    small = resolve("quick")
    assert fitting.adapted_to_device(small, min(SMALL_TEXTS), where, told.append) == small
    assert not told


def test_wide_models_have_larger_vectors_unless_their_size_was_given() -> None:
    narrow, wide, given = (
        plan(settings(minutes, **more), MEGABYTE, machine(1e10))[0].model
        for minutes, more in ((0.2, {}), (20, {}), (20, {"embedding_size": 24}))
    )
    assert (narrow.hidden_size < WIDE, wide.hidden_size >= WIDE) == (True, True)
    assert narrow.embedding_size == resolve("quick").model.embedding_size
    assert (wide.embedding_size, given.embedding_size) == (VECTORS_IF_WIDE, 24)


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_a_capped_gate_is_left_out_where_only_scratch_has_one(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(backend: str = "auto", device: str = "cpu", **given: Any) -> tuple[Any, ...]:
        told: list[str] = []
        settings = resolve(preset, **given)
        after = fitting.with_gate_at_hand(settings, torch.device(device), backend, told.append)
        assert (after == settings) is not bool(told)
        assert (
            after.train.learning_rate == resolve(preset, cell=after.model.cell).train.learning_rate
        )
        return after.model.cell, after.model.capped_gate

    uncapped = "lstm", False
    if fused is not None:
        monkeypatch.setattr(fused, "supports", lambda cell: cell.variant in ("", CAPPED))
        assert fitted() == fitted("fused") == ("lstm", True)
    assert fitted("scratch") == ("lstm", True)
    assert fitted("builtin") == fitted(device="cuda") == fitted(device="mps") == uncapped
    # A cell that is named is the plain one.
    assert fitted(cell="lstm") == fitted("builtin", cell="lstm") == ("lstm", False)
    # What was asked for by name stays, and so does what would be on scratch without it.
    assert fitted("builtin", capped_gate=True) == fitted(device="cuda", layer_norm=True)
    assert fitted(cell="gru") == ("gru", False)
    if fused is not None:
        monkeypatch.setattr(fused, "supports", lambda cell: False)
        assert fitted() == uncapped


def test_a_run_that_starts_from_another_takes_a_gentle_rate_unless_it_is_given(
    tmp_path: Path,
) -> None:
    heard: list[object] = []
    source = charlm.Corpus.from_text("it was the best of times, it was the worst of times. " * 80)
    more = {"max_steps": 2, "runs_dir": tmp_path, "listener": heard.append}
    parent = charlm.train(source, cell="gru", hidden_size=8, run="parent", **more)
    assert parent.directory.settings.train.learning_rate == 9e-3

    def rate(**given: Any) -> tuple[float, bool]:
        heard.clear()
        run = charlm.train(source, init_from=parent.directory.path, **more, **given)
        words = [each.text for each in heard if isinstance(each, Chosen)]
        told = any("--learning-rate" in each for each in words)
        return run.directory.settings.train.learning_rate, told

    assert rate() == (fitting.FINE_TUNING_RATE, True)
    assert rate(learning_rate=0.125) == (0.125, False)
    assert rate(optimizer="sgd") == (TextTrainConfig.learning_rate, False)
    assert rate(preset="none") == (TextTrainConfig.learning_rate, False)


def test_sizes_follow_the_time_where_nothing_else_decides() -> None:
    assert resolve("quick", max_minutes=3, cell="lstm").can_plan_sizes
    assert not resolve("small", max_minutes=3).can_plan_sizes
    for other in ("hidden_size", "epochs", "max_steps"):
        assert not resolve("quick", max_minutes=3, **{other: 7}).can_plan_sizes


def test_a_small_text_gets_its_own_sizes_and_says_so(tmp_path: Path) -> None:
    heard: list[object] = []
    source = charlm.Corpus.from_text("it was the best of times, it was the worst of times. " * 80)
    run = charlm.train(source, max_minutes=0.01, runs_dir=tmp_path, listener=heard.append)
    words = [each.text for each in heard if isinstance(each, Chosen)]
    assert any(each.startswith("For 3,816 characters instead: --") for each in words)
    assert run.config.hidden_size == next(iter(SMALL_TEXTS.values()))["hidden_size"]
    given = charlm.train(source, hidden_size=8, max_steps=20, runs_dir=tmp_path)
    settings = given.directory.settings
    assert settings.model.hidden_size == 8
    assert settings.train.ema_decay and settings.train.patience is None
    assert len(given.metrics()) == 10


def test_a_text_that_is_too_small_is_trained_on_and_called_so(tmp_path: Path) -> None:
    heard: list[object] = []
    source = charlm.Corpus.from_text("once upon a time. " * 20)
    charlm.train(source, max_minutes=0.01, runs_dir=tmp_path, listener=heard.append)
    assert any("too few to learn" in each.text for each in heard if isinstance(each, Notice))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_measurement_draws_from_no_stream_of_the_run(cell: str) -> None:
    before = torch.get_rng_state()
    speed = measured(torch.device("cpu"), "auto")
    config = TextTrainConfig(batch_size=2, seq_length=5, max_minutes=1)
    model = ModelConfig(vocabulary_size=7, cell=cell, hidden_size=8, output_dropout=0.5)
    assert speed(model, config) > 0
    assert torch.equal(before, torch.get_rng_state())


def test_training_for_some_minutes_says_what_it_chose(tmp_path: Path) -> None:
    heard: list[object] = []
    run = charlm.train(max_minutes=0.02, runs_dir=tmp_path, listener=heard.append)
    # A batch that was planned is no batch that did not fit.
    assert not [each for each in heard if isinstance(each, Notice)]
    notices = [each.text for each in heard if isinstance(each, Chosen)]
    assert any(f"--hidden-size {run.config.hidden_size}" in each for each in notices)
    assert run.config.hidden_size in WIDTHS


@pytest.mark.slow
@pytest.mark.parametrize(("width", "precision"), [(32, "fp32"), (512, "bf16")])
def test_the_planned_width_decides_on_the_precision(
    width: int, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    monkeypatch.setattr("charlm.tasks.language_modeling.planning.WIDTHS", (width,))
    measured_in = []

    class Listening(Learner):
        def __init__(self, task: LanguageModeling, config: TextTrainConfig, world: World) -> None:
            measured_in.append(config.precision)
            super().__init__(task, config, world)

    monkeypatch.setattr("charlm.tasks.language_modeling.planning.Learner", Listening)
    run = charlm.train(max_minutes=0.01, runs_dir=tmp_path)
    assert run.config.hidden_size == width
    assert run.directory.settings.train.precision == precision
    assert measured_in == [precision]
