"""One command, given again and again: `charlm train --resume auto`."""

from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm as command
from twins import TINY, Twins, stops_after
from twins import book as book
from twins import no_baselines as no_baselines
from twins import no_reports as no_reports

import charlm
from charlm.errors import RunError, SettingError, TrainingError, UsageError
from charlm.runs.locks import RunInUseError, RunLock


def test_it_starts_goes_on_and_says_that_it_is_finished(book: Path, tmp_path: Path) -> None:
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3, weight_drop=0.3)
    told: list[Any] = []
    given = {"run": "twin", "runs_dir": tmp_path, "listener": told.append, **twins.settings}
    begun = charlm.train_or_resume(book, **given, should_stop=stops_after(5))
    assert begun.directory.record.status == "interrupted"
    assert charlm.train_or_resume(book, **given).directory.record.status == "done"
    twins.assert_same("twin")
    told.clear()
    again = charlm.train_or_resume(book, **given)
    assert again.result["steps"] == 9
    (notice,) = told
    assert notice.text.startswith("The run 'twin' is finished: after 9 steps")
    # What is left out is as it was.
    assert charlm.train_or_resume(run="twin", runs_dir=tmp_path).result["steps"] == 9


@pytest.fixture
def begun(book: Path, tmp_path: Path) -> charlm.Run:
    return charlm.train(
        book, run="k", runs_dir=tmp_path, should_stop=stops_after(5), **TINY, max_steps=9,
        preset="d2l", min_count=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "differing",
    [
        {"hidden_size": 7},
        {"cell": "lstm"},
        {"max_steps": 10},
        {"seed": 1},
        {"learning_rate": 0.5},
        {"preset": "quick"},
        {"task": "classification"},
        {"init_from": "another"},
        {"normalize": "lower"},
        {"text_column": "text"},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_what_differs_is_refused(
    differing: dict[str, Any], begun: charlm.Run, book: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        charlm.train_or_resume(book, run="k", runs_dir=tmp_path, **differing)
    assert "\n" not in caught.value.message
    assert charlm.load("k", runs_dir=tmp_path).directory.record.status == "interrupted"


def test_a_limit_that_was_changed_by_hand_counts(begun: charlm.Run, tmp_path: Path) -> None:
    charlm.resume("k", runs_dir=tmp_path, max_steps=12)
    with pytest.raises(SettingError, match="is 12 in the run 'k', and not 9"):
        charlm.train_or_resume(run="k", runs_dir=tmp_path, max_steps=9)
    assert charlm.train_or_resume(run="k", runs_dir=tmp_path, max_steps=12).result["steps"] == 12


def test_another_text_is_refused(begun: charlm.Run, book: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(book.read_text().replace("time", "tide", 1))
    with pytest.raises(RunError, match="is not the text"):
        charlm.train_or_resume(other, run="k", runs_dir=tmp_path)


def test_a_run_that_another_process_trains_is_refused(begun: charlm.Run, tmp_path: Path) -> None:
    with RunLock.take(tmp_path / "k"), pytest.raises(RunInUseError):
        charlm.train_or_resume(run="k", runs_dir=tmp_path)


def test_a_run_that_diverged_is_not_begun_over_and_over(begun: charlm.Run, tmp_path: Path) -> None:
    begun.directory.update(status="diverged")
    with pytest.raises(TrainingError, match="diverged"):
        charlm.train_or_resume(run="k", runs_dir=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--run", "k", "--repeat", "2"),
        ("--run", "k", "--folds", "2"),
        ("--run", "a/b"),
        ("--run", "k", "--threads", "0"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("train", "--resume", "auto", *arguments)
    assert result.code == 2
    assert "Traceback" not in result.err
    assert not (tmp_path / "runs").exists()


def test_the_command_says_so_and_exits_with_0(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    line = ("train", str(book), "--run", "k", "--resume", "auto", *options, "--max-steps", "3")
    first, second = command(*line, "--json"), command(*line, "--json")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.json == second.json
    assert "The run 'k' is finished: after 3 steps it has reached --max-steps 3." in second.err
    refused = command(*line, "--cell", "gru")
    assert refused.code == 2
    assert "--cell is lstm in the run 'k', and not gru" in refused.err
