"""Thresholds: the best one by trying all, and what they do to labels."""

import csv
import json
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from hypothesis import given
from hypothesis import strategies as st
from tables import write_table

import charlm
from charlm.errors import SettingError
from charlm.tasks.classification.scores import best_threshold, given_labels, probabilities

TINY: dict[str, Any] = {
    "task": "classification",
    "hidden_size": 4,
    "embedding_size": 3,
    "batch_size": 16,
    "epochs": 2,
    "learning_rate": 0.02,
}
WORDS = tuple(f"--{name.replace('_', '-')}={value}" for name, value in TINY.items())


def macro_f1(given_second: list[bool], second: list[bool]) -> float:
    """The mean F1 of both labels, counted one by one; of none that is there or given, 0."""
    total = 0.0
    for label in (False, True):
        hits = sum(g == t == label for g, t in zip(given_second, second, strict=True))
        either = given_second.count(label) + second.count(label)
        total += 2 * hits / either if either else 0.0
    return total / 2


SEVERAL = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=25)


@given(SEVERAL)
def test_the_best_threshold_is_the_best_of_all_cuts(pairs: list[tuple[int, bool]]) -> None:
    p, second = [k / 20 for k, _ in pairs], [label for _, label in pairs]
    found = best_threshold(np.array(p), np.array(second))
    assert 0 < found < 1
    ends = sorted({0.0, 1.0, *p})
    cuts = [(a + b) / 2 for a, b in pairwise(ends)]
    scores = {cut: macro_f1([each >= cut for each in p], second) for cut in cuts}
    best = max(scores.values())
    assert macro_f1([each >= found for each in p], second) == pytest.approx(best)
    # Of the equally good ones it is the one nearest to a half.
    nearest = min(abs(cut - 0.5) for cut, score in scores.items() if score > best - 1e-12)
    assert abs(found - 0.5) == pytest.approx(nearest)


@given(SEVERAL)
def test_the_best_threshold_does_not_depend_on_the_order(pairs: list[tuple[int, bool]]) -> None:
    p, second = (np.array(each) for each in zip(*pairs, strict=True))
    order = np.random.default_rng(0).permutation(len(p))
    one, other = best_threshold(p / 20, second), best_threshold(p[order] / 20, second[order])
    # Of two at the same distance from a half either may be chosen.
    assert abs(one - 0.5) == abs(other - 0.5)


def test_labels_by_a_threshold_and_without() -> None:
    p = np.array([[0.9, 0.1], [0.75, 0.25], [0.5, 0.5], [0.1, 0.9]])
    assert given_labels(p, None).tolist() == [0, 0, 0, 1]
    assert given_labels(p, 0.25).tolist() == [0, 1, 1, 1]
    assert given_labels(p, 0.95).tolist() == [0, 0, 0, 0]


def examples(number: int = 80, seed: int = 0, labels: str = "no yes") -> list[dict[str, str]]:
    """Texts of which the label is hard to tell, and the second one is rare."""
    rng = random.Random(seed)
    names = labels.split()
    weights = [3] + [1] * (len(names) - 1)
    rows = []
    for _ in range(number):
        label = rng.choices(names, weights)[0]
        letters = "ab" if label == "no" else "bc"
        rows.append({"text": "".join(rng.choices(letters, k=4)), "label": label})
    return rows


def between(p: list[float]) -> list[float]:
    """Three thresholds that divide some texts, as far from all probabilities as can be."""
    widest = sorted(pairwise(sorted(p)), key=lambda pair: pair[0] - pair[1])
    return [(a + b) / 2 for a, b in widest[:3]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(here: Path) -> Path:
    return write_table(here / "texts.csv", examples())


def test_best_is_chosen_on_val_and_kept(table: Path) -> None:
    run = charlm.train(
        table,
        run="one",
        choose_threshold=True,
        **{**TINY, "val_fraction": 0.3, "test_fraction": 0.2},
    )
    evaluation = run.evaluate(split="val")
    p = probabilities(evaluation.outputs, run.result["temperature"])
    kept = json.loads(Path("runs/one/run.json").read_text())["result"]["threshold"]
    assert kept == run.result["threshold"] == best_threshold(p[:, 1], evaluation.targets)
    # The result is of the labels that are given, as `eval` counts them.
    assert run.result["score"]["right"] == run.evaluate(split="test").score.right
    with pytest.raises(SettingError, match="chosen or given"):
        charlm.train(table, choose_threshold=True, threshold=0.5, **TINY)
    plain = run.evaluate(split="val", threshold=0.5)
    assert evaluation.macro_f1 >= plain.macro_f1
    said = command("train", str(table), *WORDS, "--choose-threshold", "--val-fraction=0.3")
    assert "The second label is given from a probability of " in said.out


def test_a_number_is_kept_and_labels_follow_it(table: Path) -> None:
    result = command("train", str(table), *WORDS, "--run", "one", "--threshold", "0.3", "--json")
    assert result.code == 0, result.err
    assert result.json["threshold"] == 0.3
    run = charlm.load("one")
    texts = [row["text"] for row in examples(30, seed=1)]
    said = run.predict(texts)
    p = [each.probabilities["yes"] for each in said]
    for threshold in (None, *between(p)):
        given = [each.label for each in run.predict(texts, threshold=threshold)]
        bound = 0.3 if threshold is None else threshold
        assert given == ["yes" if each >= bound else "no" for each in p]
        options = [] if threshold is None else ["--threshold", repr(threshold)]
        one = command("predict", texts[0], "--run", "one", "--json", *options).json
        assert one["label"] == given[0]
        assert one["probabilities"] == pytest.approx(said[0].probabilities, abs=1e-5)
    write_table(Path("new.csv"), examples(30, seed=1))
    middle = between(p)[0]
    for options, bound in (([], 0.3), (["--threshold", repr(middle)], middle)):
        out = command("predict", "new.csv", "--run", "one", *options).out
        rows = list(csv.DictReader(out.splitlines()))
        for row, second in zip(rows, p, strict=True):
            assert row["predicted label"] == ("yes" if second >= bound else "no")
            shown = second if second >= bound else 1 - second
            assert float(row["probability"]) == pytest.approx(shown, abs=1e-4)


def test_a_label_that_is_not_the_likeliest_is_told(table: Path) -> None:
    charlm.train(table, run="one", **TINY)
    likeliest = command("predict", "abab", "--run", "one", "--json").json["label"]
    other = {"no": ("yes", "0.000001"), "yes": ("no", "0.999999")}[likeliest]
    result = command("predict", "abab", "--run", "one", "--threshold", other[1])
    assert result.err.endswith(f"'{other[0]}' by the threshold.\n")
    assert result.out.splitlines()[1].startswith(likeliest)


def test_eval_counts_the_given_labels(table: Path) -> None:
    run = charlm.train(table, run="one", threshold=0.3, **TINY)
    rows = examples(50, seed=2)
    write_table(Path("new.csv"), rows)
    p = [each.probabilities["yes"] for each in run.predict([row["text"] for row in rows])]
    second = [row["label"] == "yes" for row in rows]
    middle = between(p)[0]
    for options, bound in (([], 0.3), (["--threshold", repr(middle)], middle)):
        told = command("eval", "new.csv", "--run", "one", "--json", *options).json
        given = [each >= bound for each in p]
        right = sum(g == t for g, t in zip(given, second, strict=True))
        assert (told["threshold"], told["right"]) == (bound, right)
        assert told["macro_f1"] == pytest.approx(macro_f1(given, second))
        shown = command("eval", "new.csv", "--run", "one", *options).out
        assert f"threshold of 'yes'\t{bound:.4f}" in shown
        found = run.evaluate("new.csv", threshold=None if not options else bound)
        assert found.score.right == right
        assert found.calibrated.score.right == right
    # Whatever labels are given, log loss is of the probabilities.
    losses = [run.evaluate("new.csv", threshold=each).score.loss for each in (None, middle)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 1.5, math.nan, math.inf])
def test_what_is_no_probability_is_refused(table: Path, threshold: float) -> None:
    with pytest.raises(SettingError, match="threshold"):
        charlm.train(table, threshold=threshold, **TINY)
    assert not Path("runs").exists()


def test_predict_and_eval_refuse_what_is_no_probability(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    for threshold in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(SettingError, match="lies between 0 and 1"):
            run.predict("abc", threshold=threshold)
        with pytest.raises(SettingError, match="lies between 0 and 1"):
            run.evaluate(threshold=threshold)
    for words in (("predict", "abc"), ("eval",)):
        result = command(*words, "--run", "one", "--threshold", "1.5")
        assert result.code == 2
        assert "--threshold lies between 0 and 1" in result.err


def test_best_needs_a_validation_part(table: Path) -> None:
    with pytest.raises(SettingError, match="there is none"):
        charlm.train(table, choose_threshold=True, val_fraction=0.0, test_fraction=0.2, **TINY)
    # A file of its own is one.
    val = write_table(Path("val.csv"), examples(20, seed=3))
    run = charlm.train(
        table, choose_threshold=True, **{**TINY, "val_fraction": 0.0, "val": str(val), "epochs": 1}
    )
    assert 0 < run.result["threshold"] < 1


def test_three_labels_have_no_threshold(here: Path) -> None:
    three = write_table(here / "three.csv", examples(labels="no yes perhaps"))
    for asked in ({"threshold": 0.5}, {"choose_threshold": True}):
        with pytest.raises(SettingError, match="is for two labels, and three has 3"):
            charlm.train(three, **asked, **TINY)
    run = charlm.train(three, run="one", **{**TINY, "epochs": 1})
    with pytest.raises(SettingError, match="is for two labels"):
        run.predict("abc", threshold=0.5)
    for words in (("predict", "abc"), ("eval",)):
        result = command(*words, "--run", "one", "--threshold", "0.5")
        assert (result.code, "is for two labels" in result.err) == (2, True)


def test_other_tasks_have_no_threshold(here: Path) -> None:
    numbers = [{"a": str(i), "y": str(i * i)} for i in range(20)]
    write_table(here / "numbers.csv", numbers)
    with pytest.raises(SettingError, match="is a setting of another task"):
        charlm.train("numbers.csv", task="regression", threshold=0.5)
    (here / "text.txt").write_text("so it was and so it is. " * 60)
    with pytest.raises(SettingError, match="is a setting of another task"):
        charlm.train("text.txt", threshold=0.5)
    small: dict[str, Any] = {"hidden_size": 4, "max_steps": 2}
    number = charlm.train("numbers.csv", run="number", task="regression", **small)
    letters = charlm.train("text.txt", run="letters", batch_size=2, seq_length=8, **small)
    for run in (number, letters):
        with pytest.raises(SettingError, match="is of labels"):
            run.evaluate(threshold=0.5)
        assert command("eval", "--run", run.name, "--threshold", "0.5").code == 2
    with pytest.raises(SettingError, match="is of labels"):
        number.predict({"a": 3}, threshold=0.5)
    Path("new.csv").write_text("a\n1\n")
    result = command("predict", "new.csv", "--run", "number", "--threshold", "0.5")
    assert (result.code, "is of labels" in result.err) == (2, True)
