"""What is drawn are exactly the measured points, and the same numbers are the same file."""

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from charlm.inspection.curves import RunCurves, Series, TrainingCurves
from charlm.plots.curves import draw_loss, draw_panel, draw_training, inches_for, look
from charlm.plots.style import COLOURS, render, save, styled

NAN = float("nan")
STEPS = [10, 20, 40, 50]


def a_run(name: str = "mine", shift: float = 0.0, **more: Series) -> RunCurves:
    curves = {
        "training": Series.of(STEPS, [3 + shift, 2.5, NAN, 1.5]),
        "held_out": Series.of(STEPS, [2 + shift, 1.9, 1.8, 1.7]),
        "learning_rate": Series.of(STEPS, [1e-2, 1e-3, 1e-4, 1e-5]),
        "gradient_norm": Series.of(STEPS, [0.5, 0.6, 0.4, 0.5]),
    }
    return RunCurves(name, **{**curves, **more})


def of(*runs: RunCurves, window: str = "") -> TrainingCurves:
    return TrainingCurves("some runs", "training steps", "nats per character", runs, window)


def a_figure(curves: TrainingCurves, theme: str = "light") -> Figure:
    with styled(theme):
        figure = Figure(figsize=inches_for(curves))
        draw_training(figure, curves)
        figure.draw_without_rendering()
    return figure


def test_the_lines_are_the_measured_points_and_nothing_else() -> None:
    runs = a_run(), a_run("other", 1.0)
    figure = a_figure(of(*runs))
    top, rate, norm = figure.axes
    drawn = [each for run in runs for each in (run.training, run.held_out)]
    panels = [[run.learning_rate for run in runs], [run.gradient_norm for run in runs]]
    for axes, expected in zip((top, rate, norm), (drawn, *panels), strict=True):
        assert len(axes.lines) == len(expected)
        for line, series in zip(axes.lines, expected, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), series.x)
            np.testing.assert_array_equal(line.get_ydata(), series.y)
        low, high = axes.get_ylim()
        for series in expected:
            shown = series.y[series.measured]
            assert low <= shown.min() <= shown.max() <= high
        assert axes.get_xlim()[0] == 0
        assert axes.get_xlim()[1] >= 50
        assert not axes.collections
        assert not axes.patches
    assert top.get_ylabel() == "nats per character"
    assert norm.get_xlabel() == "training steps"
    assert top.get_title("left") == "some runs"
    assert (rate.get_yscale(), norm.get_yscale()) == ("log", "linear")


def test_the_functions_give_back_the_axes() -> None:
    axes = Figure().subplots()
    assert draw_loss(axes, of(a_run())) is axes
    assert draw_panel(axes, [a_run().learning_rate], "learning rate") is axes


def test_each_run_has_a_colour_and_the_kinds_have_lines() -> None:
    top = a_figure(of(a_run(), a_run("other"))).axes[0]
    training, held_out, *others = top.lines
    assert training.get_color() == held_out.get_color() == COLOURS[0]
    assert {line.get_color() for line in others} == {COLOURS[1]}
    assert training.get_linestyle() == "--"
    assert held_out.get_linestyle() == "-"
    assert training.get_linewidth() < held_out.get_linewidth()
    alone = a_figure(of(a_run())).axes[0].lines
    assert [line.get_color() for line in alone] == [COLOURS[1], COLOURS[0]]
    looks = {(each["color"], each["marker"]) for each in (look(n, "held out") for n in range(42))}
    assert len(looks) == 42


def test_what_was_measured_stays_visible_below_what_is_smoothed() -> None:
    smoothed = Series.of(STEPS, [2.9, 2.5, NAN, 1.7])
    raw, mean, held_out = a_figure(of(a_run(smoothed=smoothed), window="mean over 9")).axes[0].lines
    np.testing.assert_array_equal(raw.get_ydata(), a_run().training.y)
    np.testing.assert_array_equal(mean.get_ydata(), smoothed.y)
    assert 0 < raw.get_alpha() < 1
    assert raw.get_linestyle() == "-"
    assert raw.get_zorder() < mean.get_zorder() < held_out.get_zorder()
    assert mean.get_marker() == ""


def visible_points(figure: Figure, line: int) -> set[float]:
    """Steps at which a line of the largest panel has a marker or an end of a stretch."""
    drawn = figure.axes[0].lines[line]
    y, every = drawn.get_ydata(), drawn.get_markevery()
    marked = range(len(y)) if every is None else every
    assert drawn.get_marker() not in ("", "None")
    return {float(drawn.get_xdata()[i]) for i in marked if not np.isnan(y[i])}


def test_a_single_evaluation_is_a_visible_point() -> None:
    one = a_run(training=Series.of([30], [2.0]), held_out=Series.of([30], [1.9]))
    figure = a_figure(of(one))
    assert visible_points(figure, 0) == visible_points(figure, 1) == {30}


def test_of_many_points_those_that_no_line_reaches_are_visible() -> None:
    y = np.ones(200)
    y[[99, 101]] = NAN
    figure = a_figure(of(a_run(training=Series.of(range(200), y))))
    assert visible_points(figure, 0) == {100}


def test_what_is_empty_is_not_drawn_nor_in_the_legend() -> None:
    figure = a_figure(of(a_run(held_out=Series.of([], []))))
    assert len(figure.axes[0].lines) == 1
    (legend,) = figure.legends
    assert [each.get_text() for each in legend.get_texts()] == ["training"]


def test_a_long_legend_covers_no_data_and_is_not_cut_off() -> None:
    runs = [a_run(f"run-{number} " + "hidden_size 128, " * 20, number) for number in range(12)]
    figure = a_figure(of(*runs))
    page = figure.bbox
    boxes = [legend.get_window_extent() for legend in figure.legends]
    for box in boxes:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
        for axes in figure.axes:
            assert not box.overlaps(axes.get_tightbbox())
    assert not boxes[0].overlaps(boxes[1])
    assert figure.axes[0].bbox.height > 150
    texts = [each.get_text() for each in figure.legends[1].get_texts()]
    assert [text.split()[0] for text in texts] == [f"run-{number}" for number in range(12)]
    assert all(text.endswith("…") for text in texts)


def test_names_that_the_font_lacks_are_written_as_code_points() -> None:
    figure = a_figure(of(a_run("日本"), a_run("$x$")))
    texts = [each.get_text() for each in figure.legends[1].get_texts()]
    assert texts == ["U+65E5U+672C", "$x$"]


@pytest.mark.parametrize(
    ("form", "theme"), [("png", "light"), ("svg", "dark"), ("pdf", "light")], ids=str
)
def test_files_are_valid_and_the_same_each_time(form: str, theme: str, tmp_path: Path) -> None:
    draw = partial(draw_training, curves=of(a_run(), a_run("other", 1.0)))
    first, again = (render(draw, form, theme) for _ in range(2))
    assert first == again
    assert first.startswith({"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}[form])
    if form == "svg":
        assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    if form == "pdf":
        assert first.rstrip().endswith(b"%%EOF")
    save(draw, tmp_path / f"picture.{form.upper()}", theme)
    assert (tmp_path / f"picture.{form.upper()}").read_bytes() == first
