"""Windows over a series: which there are, which part they belong to, and forecasts past the end."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tables import write_table

import charlm
from charlm.errors import CorpusError, SettingError
from charlm.tasks.regression.series import Clock, put_in_order, windows_of

TINY: dict[str, Any] = {
    "task": "regression",
    "hidden_size": 6,
    "batch_size": 16,
    "epochs": 3,
    "learning_rate": 0.02,
    "window": 5,
}


def series(days: int = 90, seed: int = 0, start: str = "2026-01-01") -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=days)
    y = 20 + 5 * np.sin(np.arange(days) / 3) + 2 * np.roll(x, 1) + random.normal(0, 0.3, days)
    first = date.fromisoformat(start)
    return [
        {"day": (first + timedelta(days=t)).isoformat(), "x": float(x[t]), "y": float(y[t])}
        for t in range(days)
    ]


def as_file(path: Path, rows: list[dict[str, Any]]) -> str:
    return str(write_table(path, rows))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(source: Any, **given: Any) -> charlm.Run:
    return charlm.train(source, **{**TINY, "time_column": "day", **given})


# Windows


@given(
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=31, max_size=31),
    st.lists(st.booleans(), min_size=31, max_size=31),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_windows_are_those_of_a_plain_search(
    breaks: list[bool], lacking: list[bool], unknown: list[bool], window: int, horizon: int
) -> None:
    n = len(breaks) + 1
    by_hand = [
        first
        for first in range(n - window - horizon + 1)
        if not any(breaks[first : first + window + horizon - 1])
        and not any(lacking[first : first + window])
        and not unknown[first + window - 1 + horizon]
    ]
    found = windows_of(
        np.array(breaks), np.array(lacking[:n]), np.array(unknown[:n]), window, horizon
    )
    assert found.tolist() == by_hand


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 4))
def test_a_whole_series_has_so_many(n: int, window: int, horizon: int) -> None:
    none = np.zeros(n, dtype=bool)
    assert len(windows_of(none[1:], none, none, window, horizon)) == max(
        0, n - window - horizon + 1
    )


def test_no_window_crosses_a_border() -> None:
    run = train(series(100), run="parts", val_fraction=0.2, test_fraction=0.1, horizon=2)
    # 70, 20 and 10 rows; a window and its target take 7 that follow one another.
    splits = run.directory.record.splits
    assert {name: b - a for name, (a, b) in splits.items()} == {"train": 64, "val": 14, "test": 4}


def test_gaps_are_named_and_not_crossed(here: Path) -> None:
    rows = series(90)
    file = as_file(here / "gaps.csv", rows[:40] + rows[43:])
    said = command(
        *("train", file, "--task", "regression", "--window", "5", "--time-column", "day"),
        *("--epochs", "1", "--val-fraction", "0"),
    )
    assert "1 gap in 'day', which no window crosses: 2026-02-09 to 2026-02-13." in said.err
    assert "Windows of 5 rows: train 77." in said.err  # (40 - 5) + (47 - 5)


def test_weekends_are_no_gaps_and_holidays_neither() -> None:
    days = [date(2026, 1, 5) + timedelta(days=t) for t in range(120)]
    work = [each for each in days if each.weekday() < 5 and each != date(2026, 3, 2)]
    cells = [each.isoformat() for each in work]
    order = put_in_order(np.zeros(len(cells), dtype=np.int64), cells, "day")
    assert not order.breaks.any()
    del cells[20:28]
    order = put_in_order(np.zeros(len(cells), dtype=np.int64), cells, "day")
    assert np.flatnonzero(order.breaks).tolist() == [19]
    assert order.gaps == ((cells[19], cells[20]),)


def test_rows_are_sorted_by_time(here: Path) -> None:
    rows = series(60)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(60)]
    said = command(
        *("train", as_file(here / "mixed.csv", shuffled), "--task", "regression", "--window", "4"),
        *("--time-column", "day", "--target-column", "y", "--epochs", "1", "--run", "mixed"),
    )
    assert "The rows were sorted by 'day'." in said.err
    train(as_file(here / "sorted.csv", rows), run="sorted", window=4, epochs=1)
    one = charlm.load("sorted").evaluate()
    assert len(one.true) == 2
    mixed = charlm.load("mixed").evaluate()
    np.testing.assert_array_equal(one.true, mixed.true)


def test_two_rows_of_one_time_are_an_error(here: Path) -> None:
    rows = series(30)
    with pytest.raises(CorpusError, match="'2026-01-04' in two rows"):
        train(as_file(here / "twice.csv", [*rows, rows[3]]))


def test_series_side_by_side_are_told_apart_by_their_group(here: Path) -> None:
    rows = [
        {"shop": shop, **row}
        for row_of in zip(series(40, 0), series(40, 1), series(40, 2), strict=True)
        for shop, row in zip("abc", row_of, strict=True)
    ]
    file = as_file(here / "shops.csv", rows)
    with pytest.raises(CorpusError, match="--group-column"):
        train(file, input_columns="x,y")
    run = train(file, run="shops", group_column="shop", val_fraction=0.3)
    splits = run.directory.record.splits
    # A whole shop is held out.
    assert {name: b - a for name, (a, b) in splits.items()} == {"train": 70, "val": 35, "test": 0}
    said = command("predict", file, "--run", "shops")
    lines = said.out.splitlines()
    assert len(lines) == 1 + 120 + 3
    assert [line.split(",")[:2] for line in lines[-3:]] == [[shop, "2026-02-10"] for shop in "abc"]


# Scaling


def test_what_is_held_out_changes_nothing_that_is_fitted(here: Path) -> None:
    rows = series(80)
    altered = [dict(row) for row in rows]
    for row in altered[72:]:
        row["x"], row["y"] = 1e6, -1e6
    train(as_file(here / "one.csv", rows), run="one")
    train(as_file(here / "other.csv", altered), run="other")
    scalers = [(here / "runs" / run / "scaler.json").read_text() for run in ("one", "other")]
    assert scalers[0] == scalers[1]
    last = [load_file(here / f"runs/{run}/last/model.safetensors") for run in ("one", "other")]
    for name in last[0]:
        np.testing.assert_array_equal(last[0][name], last[1][name])


# Forecasts


@pytest.mark.parametrize("horizon", [1, 3])
def test_forecasts_go_past_the_last_row(here: Path, horizon: int) -> None:
    rows = series(70)
    file = as_file(here / "rows.csv", rows)
    run = train(file, run="ahead", horizon=horizon, val_fraction=0.2)
    numbers = run.predict(rows)
    assert len(numbers) == 70 + horizon
    assert [i for i, each in enumerate(numbers) if each is None] == list(range(4 + horizon))
    # Nothing is said of a row from itself or what follows: the same with the rows before it alone.
    for stop in (20, 41):
        part = run.predict(rows[:stop])
        np.testing.assert_allclose(part[4 + horizon :], numbers[4 + horizon : stop + horizon])
    out = command("predict", file, "--run", "ahead").out.splitlines()
    assert out[0] == "day,x,y,predicted y"
    assert len(out) == 1 + 70 + horizon
    ahead = [line.split(",") for line in out[-horizon:]]
    last = date.fromisoformat(rows[-1]["day"])
    assert [each[0] for each in ahead] == [
        (last + timedelta(days=k)).isoformat() for k in range(1, horizon + 1)
    ]
    assert all(each[1:3] == ["", ""] for each in ahead)
    shown = [float(line.split(",")[-1]) for line in out[1 + 4 + horizon :]]
    np.testing.assert_allclose(shown, numbers[4 + horizon :], rtol=1e-5)


def test_held_out_rows_are_forecast_as_they_are_scored(here: Path) -> None:
    rows = series(80)
    run = train(as_file(here / "rows.csv", rows), run="scored")
    evaluation = run.evaluate()
    numbers = run.predict(rows)
    # 8 rows are held out; the first window within them ends before the sixth.
    np.testing.assert_allclose(evaluation.predicted, numbers[77:80], rtol=1e-5)
    np.testing.assert_allclose(evaluation.true, [row["y"] for row in rows[77:]])
    again = run.evaluate(as_file(here / "end.csv", rows[72:]))
    np.testing.assert_allclose(again.predicted, evaluation.predicted, rtol=1e-5)


def test_after_a_gap_a_forecast_waits_for_a_window(here: Path) -> None:
    rows = series(60)
    run = train(rows, run="gap")
    numbers = run.predict(rows[:20] + rows[25:40])
    missing = [i for i, each in enumerate(numbers) if each is None]
    assert missing == [*range(5), *range(20, 25)]
    with pytest.raises(CorpusError, match="Row 3 of the table is not later"):
        run.predict([rows[0], rows[5], rows[4]])


def test_what_is_missing_makes_no_window(here: Path) -> None:
    rows = series(60)
    rows[30]["x"] = None
    with pytest.raises(CorpusError, match="lacks values in row 31"):
        train(rows)
    dropped = train(rows, run="dropped", missing="drop", val_fraction=0)
    # Five windows have the row as an input.
    assert dropped.directory.record.splits["train"] == [0, 60 - 5 - 5]
    filled = train(rows, run="filled", missing="mean", val_fraction=0)
    assert filled.directory.record.splits["train"] == [0, 60 - 5]
    assert [i for i, n in enumerate(dropped.predict(rows)) if n is None] == [
        *range(5),
        *range(31, 36),
    ]


# Baselines


def test_the_last_value_is_what_stood_in_the_last_row_read(here: Path) -> None:
    rows = series(80)
    run = train(as_file(here / "rows.csv", rows), run="base", horizon=2)
    evaluation = run.evaluate()
    y = [row["y"] for row in rows]
    np.testing.assert_allclose(evaluation.true, y[78:])
    np.testing.assert_allclose(evaluation.baselines["last value"], y[76:78])
    known = np.array([[row["x"], row["y"]] for row in rows])
    mean, spread = known[:72].mean(0), known[:72].std(0)
    scaled = (known - mean) / spread
    windows = [np.append(scaled[i : i + 5].ravel(), 1) for i in range(72 - 6)]
    fitted = np.linalg.lstsq(np.array(windows), y[6:72], rcond=None)[0]
    asked = [np.append(scaled[i : i + 5].ravel(), 1) for i in (72, 73)]
    expected = np.array(asked) @ fitted
    np.testing.assert_allclose(evaluation.baselines["least squares"], expected, rtol=1e-4)


# Going on


@pytest.mark.parametrize("named", [True, False])
def test_an_interrupted_series_goes_on_bit_for_bit(here: Path, named: bool) -> None:
    """From a file, and from rows that the run has to keep."""
    source: Any = as_file(here / "rows.csv", series(70)) if named else series(70)
    train(source, run="whole", group_column=None)
    steps = iter(range(1000))
    train(source, run="parted", should_stop=lambda: next(steps) >= 5)
    charlm.resume("parted")
    for file in ("last/model", "last/training", "best/model"):
        one, other = (load_file(f"runs/{run}/{file}.safetensors") for run in ("whole", "parted"))
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    results = [json.loads(Path(f"runs/{r}/run.json").read_text()) for r in ("whole", "parted")]
    assert results[0]["result"]["score"] == results[1]["result"]["score"]


# Clocks


@pytest.mark.parametrize(
    ("cells", "kind", "following"),
    [
        (["1", "2", "3"], "number", "4"),
        (["0.5", "1.0", "1.5"], "number", "2"),
        (["2026-01-31", "2026-02-01", "2026-02-02"], "date", "2026-02-03"),
        (["2025-11-01", "2025-12-01", "2026-01-01"], "month", "2026-02-01"),
        (["2025-10-15", "2026-01-15", "2026-04-15"], "month", "2026-07-15"),
        (["2025-11", "2025-12", "2026-01"], "month", "2026-02"),
        (["2026-01-01T22:00", "2026-01-01T23:00", "2026-01-02T00:00"], "moment", None),
    ],
)
def test_a_clock_reads_and_goes_on(cells: list[str], kind: str, following: str | None) -> None:
    clock = put_in_order(np.zeros(3, dtype=np.int64), cells, "t").clock
    assert clock is not None
    assert clock.kind == kind
    following = "2026-01-02T01:00:00" if following is None else following
    assert clock.write(clock.read(cells[-1], "t") + clock.step) == following
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock


@given(st.lists(st.dates(date(1900, 1, 1), date(2200, 1, 1)), min_size=2, max_size=20, unique=True))
def test_dates_survive_a_clock(days: list[date]) -> None:
    cells = [each.isoformat() for each in days]
    clock = Clock.fit(cells, "t")
    assert [clock.write(clock.read(each, "t")) for each in cells] == cells
    assert (
        np.argsort([clock.read(each, "t") for each in cells]).tolist() == np.argsort(days).tolist()
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"time_column": "x y"}, "no column 'x y'"),
        ({"window": 60}, "has no window"),
        ({"window": 5, "folds": 3, "fold": 1}, "learn from what comes after"),
        ({"window": None}, "is of a series: give a --window"),
        ({"window": None, "time_column": None, "horizon": 2}, "is of a series: give a --window"),
        ({"window": 5, "text_column": "day"}, "is of numbers"),
        ({"window": 0}, "must be at least 1"),
    ],
)
def test_bad_settings_are_a_sentence(given: dict[str, Any], problem: str) -> None:
    with pytest.raises((CorpusError, SettingError), match=problem):
        train(series(30), **given)


@pytest.mark.parametrize("cell", ["soon", "", "2026-13-01"])
def test_times_that_are_none_are_named(cell: str) -> None:
    rows = series(20)
    rows[7]["day"] = cell
    with pytest.raises(CorpusError, match=f"'{cell}', which is neither a number nor a date"):
        train(rows)


def test_the_series_that_comes_with_charlm(here: Path) -> None:
    said = command(
        *("train", "--task", "regression", "--window", "7", "--time-column", "day"),
        *("--epochs", "1", "--hidden-size", "4"),
    )
    assert "Windows of 7 rows: train 650, val 66." in said.err
    assert "last value" in said.out
