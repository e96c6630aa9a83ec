"""What is drawn of a comparison: every run, its interval, the unit."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from charlm.plots.comparison import draw, draw_differences, draw_scores, height_of
from charlm.plots.style import render, styled
from charlm.scoring.comparison import ComparedRun, Comparison, Difference
from charlm.scoring.intervals import Estimate, Interval
from charlm.scoring.score import Figure as ScoreFigure

BITS = ScoreFigure("bits_per_character", "bits/char", "bpc")


def run(name: str, low: float, value: float, high: float, **differs: object) -> ComparedRun:
    told = Estimate(value, Interval(low, high, 10, 100))
    columns = {"corpus": "book", "split": "val"}
    unit = "bits per character"
    return ComparedRun(name, told, unit, BITS, (BITS,), differs, columns, "character", 10, 5.0, 1.0)


COMPARED = Comparison(
    (
        run("one", 1.5, 1.6, 1.7, cell="gru"),
        run("two", 1.6, 1.75, 1.8, cell="lstm", pretrained_vectors="a/very/long/path" * 5),
        replace(run("three", 0, 0, 0), estimate=None),
        replace(run("سه", 0, 0, 0), estimate=Estimate(1.9)),
    ),
    (Difference("two", "one", BITS, Estimate(0.15, Interval(0.1, 0.2, 3, 90))),),
    (),
)


def test_every_run_has_a_row_with_its_dot_and_interval() -> None:
    with styled():
        axes = Figure().subplots()
        assert draw_scores(axes, COMPARED) is axes
    labels = [each.get_text() for each in axes.get_yticklabels()]
    assert labels[:3] == ["one\ncell=gru", "two\ncell=lstm", "three"]
    assert len(labels) == 4
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert ([1.5, 1.7], [0, 0]) in lines
    assert ([1.6], [0]) in lines
    assert ([1.6, 1.8], [1, 1]) in lines
    assert ([1.9], [3]) in lines
    assert not any(2 in ys for _, ys in lines)
    assert axes.get_xlabel() == "bits per character (lower is better)"
    assert axes.yaxis_inverted()
    assert "book (val)" in axes.get_title(loc="left")


def test_differences_stand_beside_zero() -> None:
    with styled():
        axes = Figure().subplots()
        assert draw_differences(axes, COMPARED) is axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert ([0.1, 0.2], [1, 1]) in lines
    assert any(xs == [0, 0] for xs, _ in lines)
    assert axes.get_xlabel() == "bits/char more than the first run"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_picture_is_made_in_every_form(theme: str, form: str) -> None:
    inches = (9.0, height_of(COMPARED))
    assert len(render(lambda figure: draw(figure, COMPARED), form, theme, inches)) > 1000
    alone = replace(COMPARED, differences=())
    figure = Figure()
    draw(figure, alone)
    assert len(figure.axes) == 1
