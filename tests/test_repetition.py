"""The same training with several seeds, gone on with where it was interrupted."""

import json
import math
import shutil
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file
from tables import write_table

import charlm
from charlm.errors import UsageError

NOVELLA = Path(__file__).resolve().parents[1] / "data" / "time-traveller.txt"
SMALL: dict[str, Any] = {"hidden_size": 6, "batch_size": 4, "seq_length": 16, "max_steps": 6}
WORDS = tuple(f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(NOVELLA.read_text()[:4000])
    return tmp_path


class Stop:
    """Asks to stop from so many questions on."""

    def __init__(self, after: float = math.inf) -> None:
        self.after, self.asked = after, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.after


def names() -> list[str]:
    return sorted(path.name for path in Path("runs").iterdir() if not path.name.startswith("."))


def same_weights(one: str, other: str) -> None:
    for file in ("last/model", "best/model"):
        mine, theirs = (load_file(f"runs/{run}/{file}.safetensors") for run in (one, other))
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=f"{file} {name}")


def test_each_seed_is_the_run_that_train_makes(here: Path) -> None:
    found = charlm.repeat("book.txt", times=3, run="r", seed=4, **SMALL)
    assert found.finished
    assert found.seeds == (4, 5, 6)
    assert [run.name for run in found.runs] == ["r-seed-4", "r-seed-5", "r-seed-6"]
    charlm.train("book.txt", run="alone", seed=5, **SMALL)
    same_weights("r-seed-5", "alone")
    bits = [run.result["score"]["bits_per_character"] for run in found.runs]
    assert len(set(bits)) == 3
    told = found.to_json()["figures"]["bits/char"]
    assert told["mean"] == pytest.approx(fmean(bits))
    assert told["standard_deviation"] == pytest.approx(stdev(bits))
    spread = math.sqrt(sum((each - fmean(bits)) ** 2 for each in bits) / 2)
    assert found.grid.rows[-1][-1] == pytest.approx(spread)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_interrupted_and_gone_on_with_it_is_the_same(share: float) -> None:
    stop = Stop()
    whole = charlm.repeat("book.txt", times=3, run="whole", should_stop=stop, **SMALL)
    stop = Stop(int(share * stop.asked))
    parted = charlm.repeat("book.txt", times=3, run="parted", should_stop=stop, **SMALL)
    assert not parted.finished
    assert len(parted.runs) == 1 + int(share * 3)
    parted = charlm.repeat("book.txt", times=3, run="parted", **SMALL)
    assert parted.finished
    assert parted.scores == whole.scores
    for seed in range(3):
        same_weights(f"parted-seed-{seed}", f"whole-seed-{seed}")


def test_without_a_name_the_interrupted_one_goes_on_and_a_finished_one_does_not() -> None:
    first = charlm.repeat("book.txt", times=2, should_stop=Stop(3), **SMALL)
    assert [run.name for run in first.runs] == ["book-lstm-1-seed-0"]
    other = charlm.repeat("book.txt", times=2, **{**SMALL, "hidden_size": 7})
    assert [run.name for run in other.runs] == ["book-lstm-2-seed-0", "book-lstm-2-seed-1"]
    again = charlm.repeat("book.txt", times=2, **SMALL)
    assert [run.name for run in again.runs] == ["book-lstm-1-seed-0", "book-lstm-1-seed-1"]
    more = charlm.repeat("book.txt", times=3, **SMALL)
    assert [run.name for run in more.runs] == [*(r.name for r in again.runs), "book-lstm-1-seed-2"]
    anew = charlm.repeat("book.txt", times=2, **SMALL)
    assert [run.name for run in anew.runs] == ["book-lstm-3-seed-0", "book-lstm-3-seed-1"]


def test_other_settings_or_another_text_under_the_same_name(here: Path) -> None:
    charlm.repeat("book.txt", times=2, run="r", **SMALL)
    before = names()
    (here / "other.txt").write_text(NOVELLA.read_text()[4000:8000])
    for source, more in (
        ("book.txt", {"hidden_size": 7}),
        ("book.txt", {"max_steps": 7}),
        ("book.txt", {"cell": "lstm"}),
        ("book.txt", {"cell": "gru"}),
        ("book.txt", {"normalize": "lower"}),
        ("book.txt", {"preset": "small"}),
        ("other.txt", {}),
    ):
        with pytest.raises(UsageError, match="has other settings or data than this repetition"):
            charlm.repeat(source, times=2, run="r", **{**SMALL, **more})
    assert names() == before


def test_sizes_that_were_planned_for_the_first_are_those_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is measured differs from one moment to the next; the settings must not."""
    from charlm.tasks.language_modeling import planning, small_texts

    widths = iter((64, 128, 192, 256))
    monkeypatch.setattr(small_texts, "SMALL_TEXTS", {})

    def plan(settings: Any, characters: int, *others: Any) -> Any:
        from charlm.presets import overridden

        planned = {"embedding_size": 12, "output_dropout": 0.125}
        return overridden(settings, hidden_size=next(widths), **planned), "Planned."

    monkeypatch.setattr("charlm.tasks.language_modeling.fitting.plan", plan)
    assert planning.plan is not plan
    limit = {"max_minutes": 0.005, "batch_size": 4, "seq_length": 16}
    first = charlm.repeat("book.txt", times=2, run="r", should_stop=Stop(1), **limit)
    assert not first.finished
    found = charlm.repeat("book.txt", times=3, run="r", **limit)
    assert found.finished
    assert {run.config.hidden_size for run in found.runs} == {64}
    assert {run.config.embedding_size for run in found.runs} == {12}
    assert {run.config.output_dropout for run in found.runs} == {0.125}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--repeat", "1"), "two times or more, not 1"),
        (("--repeat", "0"), "two times or more"),
        (("--repeat", "2", "--resume", "x"), "--repeat and --resume do not go together"),
        (("--repeat", "2", "--folds", "3", "--task", "regression"), "do not go together"),
        (("--repeat", "2", "--run", "a/b"), "cannot be a run's name"),
        (("--repeat", "2", "--hidden-size", "0"), "--hidden-size"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: tuple[str, ...], why: str) -> None:
    result = command("train", "book.txt", *words)
    assert result.code == 2
    assert why in result.err
    assert result.err.count("\n") == 1
    assert not Path("runs").exists()


def test_the_command_shows_each_seed_and_no_interval() -> None:
    result = command("train", "book.txt", *WORDS, "--repeat", "2", "--run", "r", "-q")
    assert result.code == 0, result.err
    table, notes = result.out.split("\n\n")
    lines = [line.split("\t") for line in table.splitlines()]
    assert lines[0] == ["run", "seed", "perplexity", "bits/char"]
    bits = [charlm.load(f"r-seed-{seed}").result["score"]["bits_per_character"] for seed in (0, 1)]
    assert [line[0] for line in lines[1:]] == [
        "r-seed-0",
        "r-seed-1",
        "mean of the seeds",
        "standard deviation",
    ]
    assert [line[3] for line in lines[1:]] == [
        f"{each:.4f}" for each in (*bits, fmean(bits), stdev(bits))
    ]
    assert "interval" not in table
    assert "another question, of intervals" in notes
    assert "charlm runs compare r-seed-0 r-seed-1" in result.err
    again = command("train", "book.txt", *WORDS, "--repeat", "2", "--run", "r", "--json")
    told = again.json
    assert [(each["run"], each["seed"]) for each in told["runs"]] == [
        ("r-seed-0", 0),
        ("r-seed-1", 1),
    ]
    assert told["figures"]["bits/char"]["standard_deviation"] == pytest.approx(stdev(bits))


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    charlm.repeat("book.txt", times=3, run="counted", should_stop=stop, **SMALL)
    for name in names():
        shutil.rmtree(f"runs/{name}")
    monkeypatch.setattr("charlm.cli.stopping.Stop.asked", Stop(stop.asked // 2).__call__)
    result = command("train", "book.txt", *WORDS, "--repeat", "3", "-q")
    assert result.code == 130
    assert "Interrupted after 1 of 3 seeds" in result.err
    assert "--run book-lstm-1" in result.err
    assert names() == ["book-lstm-1-seed-0", "book-lstm-1-seed-1"]


def test_nothing_held_out_shows_the_training_figure() -> None:
    found = charlm.repeat("book.txt", times=2, run="r", val_fraction=0.0, **SMALL)
    assert found.finished
    assert not found.scores
    assert found.grid.columns == ("run", "seed", "training perplexity")


def test_a_text_from_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("book.txt").read_text()
    result = command("train", "-", *WORDS, "--repeat", "2", "--run", "r", "-q", stdin=text)
    assert result.code == 0, result.err
    charlm.repeat("book.txt", times=2, run="file", **SMALL)
    for seed in (0, 1):
        same_weights(f"r-seed-{seed}", f"file-seed-{seed}")
    assert command("eval", "--run", "r-seed-1").code == 0


def test_tables_too_and_it_says_what_else_the_seed_draws(here: Path) -> None:
    rows = [{"x": i % 7, "y": 2 * (i % 7)} for i in range(60)]
    write_table(here / "rows.csv", rows)
    settings: dict[str, Any] = {"task": "regression", "hidden_size": 4, "epochs": 2}
    found = charlm.repeat("rows.csv", times=2, run="r", test_fraction=0.2, **settings)
    assert found.finished
    assert found.grid.columns == ("run", "seed", "RMSE", "MAE", "R²")
    assert any("which rows are held out" in note for note in found.notes)
    again = charlm.repeat("rows.csv", times=2, run="r", test_fraction=0.2, **settings)
    assert again.scores == found.scores
    with pytest.raises(UsageError, match="do not go together"):
        charlm.repeat("rows.csv", times=2, folds=3, **settings)


def test_started_from_another_run(here: Path) -> None:
    charlm.train("book.txt", run="base", **SMALL)
    more = {"max_steps": 3, "init_from": "base"}
    found = charlm.repeat("book.txt", times=2, run="r", should_stop=Stop(1), **more)
    found = charlm.repeat("book.txt", times=2, run="r", **more)
    assert found.finished
    assert all(run.directory.record.parent == "base" for run in found.runs)
    json.dumps(found.to_json())
