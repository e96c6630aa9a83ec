"""A chart of characters fits, tells its lines apart without colour, and shows measured points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.cli.terminal_chart import DOTS_UP, Axis, chart, labels, said
from charlm.inspection.curves import RunCurves, Series, TrainingCurves

NAN = float("nan")


def a_chart(
    *runs: RunCurves, width: int = 60, height: int = 12, ascii_only: bool = True, y: str = "nats"
) -> list[str]:
    curves = TrainingCurves("some runs", "training steps", y, runs, "mean over 9 characters")
    lines = chart(curves, width, height, ascii_only)
    return ["".join(piece.text for piece in line) for line in lines]


def body(lines: list[str], height: int = 12) -> list[str]:
    """The rows of the curves, without what is left of the axis."""
    return [line[max(line.find(sign) for sign in "|+│┤") + 1 :] for line in lines[2 : 2 + height]]


def letters(lines: list[str], letter: str) -> list[tuple[int, int]]:
    """Columns and rows, from below, in which a letter stands."""
    rows = body(lines)[::-1]
    return sorted((at, n) for n, row in enumerate(rows) for at, c in enumerate(row) if c == letter)


def a_run(name: str = "mine", low: float = 1.0, **more: Series) -> RunCurves:
    training = Series.of([10, 20, 30, 40], [low + 3, low + 2, NAN, low + 1])
    held_out = Series.of([10, 20, 30, 40], [low + 2, low + 1, low + 0.5, low])
    return RunCurves(name, **{"training": training, "held_out": held_out, **more})


@pytest.mark.parametrize("width", [30, 60, 100])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_it_fits(width: int, ascii_only: bool) -> None:
    lines = a_chart(a_run(), width=width, ascii_only=ascii_only)
    assert max(map(len, lines)) <= width
    assert "".join(lines).isascii() == ascii_only
    assert lines[-1] == "a training   A held out"


def test_a_letter_stands_on_each_point_and_nowhere_else() -> None:
    lines = a_chart(a_run())
    columns = len(body(lines)[0])
    for letter, values in (("a", [4, 3, None, 2]), ("A", [3, 2, 1.5, 1])):
        expected = []
        for step, value in zip((10, 20, 30, 40), values, strict=True):
            if value is not None:
                # Of two dots for each column and four for each row, the nearest.
                column = round(step / 40 * (2 * columns - 1)) // 2
                expected.append((column, round((value - 1) / 3 * (4 * 12 - 1)) // 4))
        assert letters(lines, letter) == expected


def test_runs_have_letters_of_their_own() -> None:
    lines = a_chart(a_run("one"), a_run("two", 5.0))
    assert lines[-2:] == ["a training   A held out   one", "b training   B held out   two"]
    assert len(letters(lines, "b")) == 3
    assert len(letters(lines, "B")) == 4


def test_lines_join_measured_neighbours_only() -> None:
    nothing = Series.of([], [])
    training = Series.of([0, 100, 200, 300], [1, 1, NAN, 1])
    row = body(a_chart(a_run(training=training, held_out=nothing), ascii_only=False))
    (line,) = [each for each in row if "a" in each]
    first, second, last = (at for at, character in enumerate(line) if character == "a")
    assert " " not in line[first:second]
    assert set(line[second + 1 : last]) == {" "}


def test_a_smoothed_curve_lies_above_what_was_measured() -> None:
    smoothed = Series.of([10, 20, 40], [3.6, 2.6, 2.4])
    lines = a_chart(a_run(smoothed=smoothed))
    assert len(letters(lines, "~")) == 3
    assert letters(lines, "a") == letters(a_chart(a_run()), "a")
    assert lines[-1] == "a training   ~ mean over 9 characters   A held out"


def test_every_spike_of_a_long_curve_is_seen() -> None:
    y = np.random.default_rng(0).normal(1, 0.05, 100_000)
    y[[31_415, 70_000]] = 9.0
    run = RunCurves("long", training=Series.of(range(100_000), y).thinned())
    for ascii_only in (True, False):
        top = body(a_chart(run, ascii_only=ascii_only))[0]
        assert len(top.split()) == 2


def test_one_point_alone_is_seen() -> None:
    one = RunCurves("one", held_out=Series.of([5], [2.0]))
    for ascii_only in (True, False):
        assert len(letters(a_chart(one, ascii_only=ascii_only), "A")) == 1


def test_a_label_is_ascii_if_need_be() -> None:
    assert a_chart(a_run(), y="R²")[1] == "R2"
    assert a_chart(a_run(), y="R²", ascii_only=False)[1] == "R²"


def test_numbers_far_apart_have_a_logarithmic_axis() -> None:
    run = RunCurves("far", training=Series.of([1, 2, 3, 4, 5], [1, 10, 100, 1000, 10000]))
    lines = a_chart(run, height=13)
    assert [row for _, row in letters(lines, "a")] == sorted(row for _, row in letters(lines, "a"))
    rows = [n for n, line in enumerate(body(lines, 13)) if "a" in line]
    assert np.ptp(np.diff(rows)) <= 1


@given(
    st.floats(-1e7, 1e7, allow_subnormal=False),
    st.floats(1e-3, 1e7),
    st.integers(1, 9),
)
def test_ticks_are_round_few_and_within_the_range(low: float, span: float, most: int) -> None:
    axis = Axis(low, low + span)
    ticks = axis.ticks(most)
    assert len(ticks) <= most + 1
    assert ticks or most == 1
    for value, label in ticks:
        assert low - 1e-6 * span <= value <= low + span + 1e-6 * span
        assert 0 <= axis.cell(min(max(value, low), low + span), 20, DOTS_UP) < 20
        number = float(label.replace(",", "").rstrip("GM")) * {"M": 1e6, "G": 1e9}.get(label[-1], 1)
        assert math.isclose(number, value, rel_tol=1e-5, abs_tol=1e-9 * span)


@given(st.floats(1e-6, 1e3), st.floats(30, 1e12), st.integers(2, 6))
def test_logarithmic_ticks_are_within_the_range(low: float, factor: float, most: int) -> None:
    axis = Axis.around([low, low * factor], logarithmic=True)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most
    assert all(axis.low <= math.log10(value) <= axis.high for value, _ in ticks)


@pytest.mark.parametrize(
    ("value", "step", "shown"),
    [
        (0.05, 0.05, "0.05"),
        (1200, 200, "1,200"),
        (2.5e6, 5e5, "2.5M"),
        (3.0, 0.5, "3.0"),
        (0, 1, "0"),
    ],
)
def test_ticks_are_written_as_people_do(value: float, step: float, shown: str) -> None:
    assert said(value, step) == shown


def test_labels_that_would_touch_are_left_out() -> None:
    assert labels({0: "0", 3: "1,000", 20: "2,000"}, 2, 30) == "  0" + " " * 17 + "2,000"
