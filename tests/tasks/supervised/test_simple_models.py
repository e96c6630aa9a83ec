"""Simple models beside a net: least squares by numpy, kept with the run, and told by eval."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from tables import write_table

import charlm
from charlm.errors import RunError
from charlm.files.reading import load_arrays
from charlm.files.whole import Arrays, save_arrays
from charlm.tasks.regression import baselines
from charlm.tasks.regression.baselines import Baselines, inputs_of
from charlm.tasks.regression.dataset import reread_dataset
from charlm.tasks.supervised.examples import Sequences

NUMBERS: dict[str, Any] = {
    "task": "regression",
    "hidden_size": 4,
    "batch_size": 16,
    "epochs": 1,
    "learning_rate": 0.02,
}
LABELS: dict[str, Any] = {**NUMBERS, "task": "classification", "embedding_size": 3}


def numbers(number: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    a, b, noise = random.normal(size=(3, number)).round(4)
    return [
        {"a": float(x), "b": float(z), "y": float(3 * x - z + e)}
        for x, z, e in zip(a, b, noise, strict=True)
    ]


def texts(number: int = 60, labels: int = 2) -> list[dict[str, str]]:
    return [{"text": "abc"[i % labels] * 3, "label": "xyz"[i % labels]} for i in range(number)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def windows(number: int, length: int, inputs: int, seed: int = 0) -> Sequences:
    """Overlapping windows of one series."""
    steps = np.random.default_rng(seed).normal(size=(number + length - 1, inputs))
    starts = np.arange(number)
    return Sequences(steps.astype(np.float32), starts, np.full(number, length))


def stacked(sequences: Sequences, steps: int) -> np.ndarray[Any, Any]:
    """The last steps of each sequence side by side, and a 1, by a loop."""
    rows = [
        np.append(sequences.sequence(row)[-steps:].astype(np.float64).ravel(), 1.0)
        for row in range(len(sequences))
    ]
    return np.array(rows)


@pytest.mark.parametrize("chunk", [1, 7, 20, 40, 8192])
@pytest.mark.parametrize(("length", "inputs"), [(1, 3), (4, 2), (3, 1)])
def test_least_squares_are_those_of_numpy(
    monkeypatch: pytest.MonkeyPatch, chunk: int, length: int, inputs: int
) -> None:
    monkeypatch.setattr(baselines, "CHUNK", chunk)
    train, values = windows(40, length, inputs), np.random.default_rng(1).normal(5, 2, 40)
    pieces = list(inputs_of(train, length))
    assert [len(each) for each in pieces][:-1] == [chunk] * (len(pieces) - 1)
    X = stacked(train, length)
    np.testing.assert_array_equal(np.concatenate(pieces), X)
    expected = np.linalg.lstsq(X, values, rcond=None)[0]
    model = Baselines.fit(train, values, None)
    np.testing.assert_allclose(model.weights, expected, rtol=1e-9, atol=1e-9)
    others = windows(13, length, inputs, seed=2)
    last = np.where(np.arange(13) % 5 == 0, np.nan, np.arange(13.0))
    said = model.predictions(others, last, None)
    np.testing.assert_allclose(said["least squares"], stacked(others, length) @ expected, rtol=1e-9)
    np.testing.assert_array_equal(said["mean"], np.full(13, values.mean()))
    filled = [values.mean() if i % 5 == 0 else i for i in range(13)]
    np.testing.assert_array_equal(said["last value"], filled)


def test_columns_that_follow_from_others_have_no_large_weights() -> None:
    """Of all weights that fit best the shortest, as numpy has it."""
    x = np.random.default_rng(0).normal(size=(30, 1)).astype(np.float32)
    twice = Sequences.of_single_steps(np.hstack([x, x]))
    values = x[:, 0].astype(np.float64) * 3 + 1
    weights = Baselines.fit(twice, values, None).weights
    np.testing.assert_allclose(weights, [1.5, 1.5, 1], rtol=1e-9)


def test_long_windows_are_read_from_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_INPUTS", 5)
    train, values = windows(40, 6, 2), np.random.default_rng(1).normal(size=40)
    model = Baselines.fit(train, values, None)
    assert (model.steps, len(model.weights)) == (2, 5)
    expected = np.linalg.lstsq(stacked(train, 2), values, rcond=None)[0]
    np.testing.assert_allclose(model.weights, expected, rtol=1e-9, atol=1e-9)
    # More inputs than that even in one step: the mean is left.
    wide = Sequences.of_single_steps(np.ones((9, 6), dtype=np.float32))
    model = Baselines.fit(wide, np.arange(9.0), None)
    assert list(model.predictions(wide, None, None)) == ["mean"]
    again = Baselines.from_arrays(model.arrays(), 6, 1)
    assert list(again.predictions(wide, None, None)) == ["mean"]


def test_kept_as_arrays_they_say_the_same() -> None:
    train, values = windows(40, 4, 2), np.random.default_rng(1).normal(size=40)
    model = Baselines.fit(train, values, None)
    again = Baselines.from_arrays(model.arrays(), 2, 4)
    assert (again.mean, again.steps) == (model.mean, 4)
    for name, each in model.predictions(train, None, None).items():
        np.testing.assert_array_equal(again.predictions(train, None, None)[name], each)


def trained(kind: str, run: str = "one") -> Any:
    """A run of each kind that keeps simple models."""
    if kind == "labels":
        return charlm.train(write_table(Path("t.csv"), texts()), run=run, **LABELS)
    table = write_table(Path("n.csv"), numbers())
    about = {"window": 3} if kind == "series" else {}
    return charlm.train(table, run=run, **{**NUMBERS, **about, "test_fraction": 0.2})


KINDS = ("numbers", "series", "labels")


def change(name: str, make: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: make(arrays[name])}


def ngrams_of(labels: int, **odd: Any) -> Callable[[Arrays], Arrays]:
    """Arrays of a model of two n-grams, some of them odd."""
    whole = {
        "ngrams": np.frombuffer(b"aa\nbb", dtype=np.uint8),
        "idf": np.ones(2),
        "coefficients": np.ones((2, labels)),
        "intercept": np.zeros(labels),
    }
    kept = {name: each for name, each in {**whole, **odd}.items() if each is not None}
    named = {f"words 1-2.{name}": each for name, each in kept.items()}
    return lambda arrays: {k: v for k, v in arrays.items() if "words" not in k} | named


OF_NGRAMS: list[dict[str, Any]] = [
    {"idf": None},
    {"intercept": None},
    {"idf": np.ones(3)},
    {"idf": np.array(1.0)},
    {"coefficients": np.ones((3, 2))},
    {"coefficients": np.ones(2)},
    {"intercept": np.array(0.0)},
    {"intercept": np.zeros(3)},
    {"intercept": np.zeros((2, 2))},
    {"ngrams": np.frombuffer(b"aa\naa", dtype=np.uint8)},
    {"ngrams": np.frombuffer(b"aa\n\xff", dtype=np.uint8)},
]
DAMAGES: list[tuple[str, Callable[[Arrays], Arrays]]] = [
    ("numbers", lambda arrays: {}),
    ("numbers", lambda arrays: {"mean": arrays["mean"]}),
    ("numbers", lambda arrays: {"least squares": arrays["least squares"]}),
    ("numbers", change("mean", lambda each: each[:0])),
    ("numbers", change("mean", lambda each: each.reshape(()))),
    ("numbers", change("mean", lambda each: np.stack([each, each]))),
    ("numbers", change("least squares", lambda each: each[:-1])),
    ("numbers", change("least squares", lambda each: each[:1])),
    ("numbers", change("least squares", lambda each: each[None])),
    ("numbers", change("least squares", lambda each: each[0].reshape(()))),
    # As many as a window of two steps would have.
    ("numbers", change("least squares", lambda each: np.append(each, [1.0, 2.0]))),
    ("series", change("least squares", lambda each: np.append(each, [1.0, 2.0, 3.0]))),
    *(("labels", ngrams_of(2, **odd)) for odd in OF_NGRAMS),
    ("labels", ngrams_of(3)),
    ("texts", ngrams_of(0)),
    ("texts", ngrams_of(2)),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGES)
def test_what_is_damaged_is_a_sentence(kind: str, damage: Callable[[Arrays], Arrays]) -> None:
    if kind == "texts":
        rows = [{"text": "ab" * (1 + i % 5), "y": i % 5} for i in range(40)]
        charlm.train(rows, run="one", text_column="text", embedding_size=3, **NUMBERS)
    else:
        trained(kind)
    file = Path("runs/one/baselines")
    save_arrays(file, damage(load_arrays(file)))
    with pytest.raises(RunError, match=r"baselines\.safetensors' is damaged"):
        charlm.load("one").evaluate()
    # Who asks for no comparison needs none.
    assert command("runs", "show", "one").code == 0


def test_a_file_that_is_none_is_a_sentence() -> None:
    trained("labels")
    Path("runs/one/baselines.safetensors").write_bytes(b"{}")
    result = command("eval", "--run", "one")
    assert result.code == 1
    assert "baselines.safetensors' is damaged" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_eval_tells_what_training_told(kind: str) -> None:
    run = trained(kind)
    told = command("eval", "--run", "one", "--json").json
    result = run.result
    assert told["split"] == result["split"]
    assert told["baselines"].keys() == result["baselines"].keys()
    for name, score in result["baselines"].items():
        for key, value in score.items():
            if key not in ("scale", "squared_error"):  # which eval has in the target's units
                assert told["baselines"][name][key] == pytest.approx(value, rel=1e-9), name
    assert told["comparison"]["baseline"] == result["comparison"]["baseline"]
    assert told["comparison"]["interval"] == pytest.approx(
        result["comparison"]["interval"], rel=1e-3, abs=1e-6
    )
    shown = command("eval", "--run", "one").out
    assert all(f"\n{name}\t" in shown for name in (*result["baselines"], "one"))
    assert f"'{result['comparison']['baseline']}'" in shown.splitlines()[-1]


def test_another_table_is_compared_too() -> None:
    trained("numbers")
    other = numbers(30, seed=7)
    write_table(Path("other.csv"), other)
    told = command("eval", "other.csv", "--run", "one", "--json").json
    data = reread_dataset(charlm.load("one").directory, None)  # type: ignore[arg-type]
    known = data.part("train").values.tolist()
    train = [row for row in numbers() if row["y"] in known]
    assert len(train) == len(known)
    X, Z = (np.array([[row["a"], row["b"], 1.0] for row in each]) for each in (train, other))
    y, true = (np.array([row["y"] for row in each]) for each in (train, other))
    said = {
        "mean": np.full(30, y.mean()),
        "least squares": Z @ np.linalg.lstsq(X, y, rcond=None)[0],
    }
    assert told["baselines"].keys() == said.keys()
    for name, each in said.items():
        rmse = np.sqrt(np.mean((each - true) ** 2))
        # Inputs are scaled in float32.
        assert told["baselines"][name]["rmse"] == pytest.approx(rmse, rel=1e-5)
    shown = command("eval", "other.csv", "--run", "one").out
    assert shown.splitlines()[-1].startswith("Worse than 'least squares' on these rows: ")


def test_another_table_of_labels_is_compared_too() -> None:
    trained("labels")
    counts = json.loads(Path("runs/one/labels.json").read_text())
    shares = dict(zip(counts["labels"], np.array(counts["counts"]) / 54, strict=True))
    other = [*texts(9), {"text": "so", "label": "new"}]
    write_table(Path("other.csv"), other)
    found = command("eval", "other.csv", "--run", "one", "--json").json
    told, best = found["baselines"]["majority"], found["comparison"]["baseline"]
    true = Counter(row["label"] for row in other)
    most = max(counts["labels"], key=lambda label: shares[label])
    assert (told["right"], told["texts"]) == (true[most], 10)
    nats = -sum(true[label] * np.log(p) for label, p in shares.items())
    assert told["nats"] == pytest.approx(nats - np.log(np.finfo(float).tiny))
    assert f"'{best}'" in command("eval", "other.csv", "--run", "one").out.splitlines()[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_older_runs_without_the_file_are_scored_alone(kind: str) -> None:
    run = trained(kind)
    score = run.evaluate().score
    Path("runs/one/baselines.safetensors").unlink()
    again = charlm.load("one").evaluate()
    assert again.score == score
    assert (again.baseline_scores, again.comparison, again.verdict) == ({}, None, None)
    told = command("eval", "--run", "one", "--json").json
    assert not {"baselines", "comparison"} & told.keys()
    assert "resamples" not in command("eval", "--run", "one").out
