"""Pictures of memories: what is drawn is what was measured."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from charlm.errors import UsageError
from charlm.inspection.context import ContextLoss
from charlm.inspection.memory import Memory
from charlm.inspection.sensitivity import LagSensitivity
from charlm.plots.memory import (
    LEAST_RELATIVE,
    draw_context_loss,
    draw_memory,
    draw_sensitivity,
    power_of_ten,
    short,
)
from charlm.plots.style import render, styled


def context(window: int = 64, targets: int = 30) -> ContextLoss:
    lengths = 2 ** np.arange(11)
    noise = np.random.default_rng(0).exponential(1.0, targets)
    return ContextLoss(lengths, noise + 8 / lengths[:, None], np.arange(targets) + 1024, window)


def decay(keep: float, targets: int = 30, lags: int = 50) -> LagSensitivity:
    noise = np.random.default_rng(1).uniform(0.5, 1.5, (targets, 1))
    noise = noise ** (np.arange(lags + 1) / lags)
    return LagSensitivity(keep ** np.arange(lags + 1) * noise, np.arange(targets), 100)


def memory_of(keep: float) -> Memory:
    return Memory(context(), decay(keep), decay(keep / 2))


def test_the_increase_its_band_and_the_marks_are_drawn() -> None:
    found = context(window=35)
    with styled():
        axes = draw_context_loss(Figure().subplots(), {"a $run$": found})
    (curve,) = [each for each in axes.lines if len(each.get_xdata()) == 11]  # type: ignore[arg-type]
    assert curve.get_ydata() == pytest.approx(found.increase)
    marks = [np.ravel(each.get_xdata()).tolist() for each in axes.lines]
    assert [found.effective] in marks
    assert [35, 35] in marks
    assert axes.get_xscale() == "log"
    assert [each.get_text() for each in axes.get_xticklabels()][-1] == "1,024"
    assert axes.get_title(loc="left") == "Loss by context, 30 targets: a $run$"
    legend = axes.get_legend()
    assert legend is not None
    assert "training window 35" in [each.get_text() for each in legend.get_texts()]


def test_medians_are_drawn_by_lag_dashed_before_training() -> None:
    before, after = decay(0.5), decay(0.9)
    with styled():
        axes = draw_sensitivity(Figure().subplots(), {"a": before}, initialized=True)
        draw_sensitivity(axes, {"a": after})
    dashed, solid = axes.lines
    assert (dashed.get_linestyle(), solid.get_linestyle()) == ("--", "-")
    assert solid.get_ydata() == pytest.approx(after.quartiles[1])
    assert axes.get_yscale() == "log"
    # 0.5^50 is 1e-15: the axis ends before.
    assert axes.get_ylim()[0] == LEAST_RELATIVE
    assert len(axes.collections) == 2


@pytest.mark.parametrize("norms", [np.zeros((4, 6)), np.eye(1, 6).repeat(4, 0)], ids=str)
def test_nothing_at_all_can_be_drawn_on_a_logarithmic_axis(norms: np.ndarray) -> None:
    found = LagSensitivity(norms, np.arange(4), 0)

    def draw(figure: Figure) -> None:
        axes = draw_sensitivity(figure.subplots(), {"nothing": found})
        assert LEAST_RELATIVE <= axes.get_ylim()[0] < 1 < axes.get_ylim()[1]

    assert render(draw).startswith(b"\x89PNG")


@pytest.mark.parametrize(("runs", "theme"), [(1, "light"), (6, "dark")])
def test_both_pictures_fit_on_one(runs: int, theme: str) -> None:
    memories = {f"{n}-{'name' * 2 * n}": memory_of(0.95 - n / 10) for n in range(runs)}
    figures: list[Figure] = []

    def draw(figure: Figure) -> None:
        figures.append(figure)
        draw_memory(figure, memories)

    assert render(draw, theme=theme).startswith(b"\x89PNG")
    legends = [text.get_text() for part in figures[0].subfigs for text in texts_of(part)]
    assert legends == [short(name) for name in memories] or runs == 1
    axes = [each for part in figures[0].subfigs for each in part.axes]
    assert len(axes) == (2 if runs == 1 else 3)
    if runs > 1:
        assert axes[1].get_ylim() == axes[2].get_ylim()
        assert len(axes[1].lines) == len(axes[2].lines) == runs


def texts_of(figure: Any) -> list[Any]:
    """What a figure's own legends say."""
    return [text for legend in figure.legends for text in legend.get_texts()]


def test_a_long_name_loses_its_middle() -> None:
    name = "a-run-with-a-name-as-long-as-this-one-lstm-768"
    with styled():
        axes = draw_sensitivity(Figure().subplots(), {name: decay(0.5)})
    assert axes.get_title(loc="left").endswith(": a-run-with-a-n…is-one-lstm-768")


def test_seven_runs_have_no_colours() -> None:
    with pytest.raises(UsageError, match="7 runs"):
        draw_context_loss(Figure().subplots(), {str(n): context() for n in range(7)})


def test_powers_of_ten_are_written_without_mathematics() -> None:
    assert [power_of_ten(each) for each in (1.0, 1e-10, 100.0)] == ["10⁰", "10⁻¹⁰", "10²"]
