"""A number for a text: trained, asked, scored and gone on with."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file

import charlm
from charlm.errors import CorpusError, SettingError, UsageError

TINY: dict[str, Any] = {
    "task": "regression",
    "text_column": "review",
    "target_column": "stars",
    "hidden_size": 8,
    "embedding_size": 6,
    "batch_size": 8,
    "epochs": 6,
    "learning_rate": 0.02,
    "input_dropout": 0.0,
    "output_dropout": 0.0,
    "adversarial": 0.0,
    "ema_decay": 0.0,
}
WORDS = {"dreadful": 1.0, "dull": 2.0, "fine": 4.0, "lovely": 5.0}


def reviews(number: int = 96, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    drawn = [list(WORDS)[i] for i in random.integers(0, 4, number)]
    return [
        {"stars": WORDS[word], "review": f"a {word} film, {i % 7} of them"}
        for i, word in enumerate(drawn)
    ]


def as_csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text(as_csv(reviews()), encoding="utf-8")
    return tmp_path


def test_a_text_gives_the_same_number_from_everywhere(here: Path) -> None:
    run = charlm.train("reviews.csv", run="stars", **TINY)
    assert run.result["score"]["rmse"] < run.result["baselines"]["mean"]["rmse"] / 2
    text = "a lovely film, 3 of them"
    number = run.predict(text)
    assert number == pytest.approx(5, abs=1)
    (here / "one.txt").write_text(text + "\n")
    (here / "table.csv").write_text(as_csv([{"review": text}, {"review": ""}]))
    shown = f"{number:.6g}"
    assert command("predict", text).out == f"{shown}\n"
    assert command("predict", "one.txt").out == f"{shown}\n"
    assert command("predict", "-", stdin=text).out == f"{shown}\n"
    table = command("predict", "table.csv")
    assert table.out.splitlines()[0] == "review,predicted stars"
    assert table.out.splitlines()[1].endswith(f",{shown}")
    assert table.out.splitlines()[2] == ","
    assert "1 row without" in table.err
    piped = command("predict", "-", "--text-column", "review", stdin=as_csv([{"review": text}]))
    assert piped.out.splitlines()[1].endswith(f",{shown}")
    *several, nothing = run.predict([{"review": text}, text, ""])
    assert several == pytest.approx([number, number], rel=1e-5)
    assert nothing is None
    refused = command("predict", text, "--top", "2")
    assert refused.code == 2
    assert "--top is of labels" in refused.err


def test_what_is_scored_is_what_is_predicted() -> None:
    run = charlm.train("reviews.csv", run="stars", **TINY)
    evaluation = run.evaluate("reviews.csv")
    rows = reviews()
    np.testing.assert_allclose(evaluation.true, [row["stars"] for row in rows])
    predicted = run.predict([row["review"] for row in rows])
    np.testing.assert_allclose(evaluation.predicted, predicted, rtol=1e-4)
    assert "mean" in evaluation.baselines


@pytest.mark.parametrize("named", [True, False])
def test_an_interrupted_run_goes_on_bit_for_bit(named: bool) -> None:
    source: Any = "reviews.csv" if named else reviews()
    charlm.train(source, run="whole", **TINY)
    steps = iter(range(1000))
    charlm.train(source, run="parted", should_stop=lambda: next(steps) >= 7, **TINY)
    charlm.resume("parted")
    for file in ("last/model", "best/model"):
        one, other = (load_file(f"runs/{run}/{file}.safetensors") for run in ("whole", "parted"))
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_the_preset_of_texts_is_the_usual_one() -> None:
    said = command(
        *("train", "reviews.csv", "--task", "regression", "--text-column", "review"),
        *("--target-column", "stars", "--epochs", "1", "--hidden-size", "4"),
    )
    assert "Preset ratings: --units words" in said.err


def test_empty_texts_are_left_out_and_counted() -> None:
    rows = [*reviews(), {"stars": 3.0, "review": ""}]
    run = charlm.train(rows, run="empty", **{**TINY, "epochs": 1})
    assert run.directory.record.corpus["rows"] == 96


@pytest.mark.parametrize(
    ("given", "kind", "problem"),
    [
        ({"target_column": "review"}, CorpusError, "predicted from itself"),
        ({"text_column": "reviw"}, CorpusError, "no column 'reviw'"),
        ({"input_columns": "stars"}, SettingError, "are of numbers"),
        ({"standardize": "inputs"}, SettingError, "give none or both"),
        ({"window": 3}, SettingError, "is of numbers"),
        ({"freeze": True}, SettingError, "starts from another"),
    ],
)
def test_bad_settings_are_a_sentence(
    given: dict[str, Any], kind: type[Exception], problem: str
) -> None:
    with pytest.raises(kind, match=problem):
        charlm.train("reviews.csv", **{**TINY, **given})


def test_a_regression_from_numbers_takes_no_text(here: Path) -> None:
    (here / "rows.csv").write_text(as_csv([{"a": i, "b": 2 * i} for i in range(40)]))
    run = charlm.train("rows.csv", task="regression", epochs=1, run="rows")
    with pytest.raises(UsageError, match="not from a text"):
        run.predict("a lovely film")
    refused = command("predict", "rows.csv", "--run", "rows", "--text-column", "a")
    assert refused.code == 2
    assert "predicts from columns of numbers" in refused.err
    piped = command("predict", "-", "--run", "rows", stdin="a\n3\n4\n")
    assert piped.out.splitlines()[0] == "a,predicted b"
    assert len(piped.out.splitlines()) == 3
