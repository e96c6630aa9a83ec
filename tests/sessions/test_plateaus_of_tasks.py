"""`--schedule plateau` with every task, and where it can do nothing."""

from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm as command

import charlm
from charlm.errors import SettingError
from charlm.sessions.session import Notice
from charlm.training.events import RateLowered

# At rates as high as these, scores get worse.
HIGH: dict[str, Any] = {
    "schedule": "plateau",
    "learning_rate": 2.0,
    "warmup_steps": 0,
    "eval_every": 1,
    "max_steps": 8,
    "hidden_size": 5,
    "batch_size": 4,
    "precision": "fp32",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text("it was the best of times, it was the worst of times. " * 20)
    rows = [f"a {'good' if n % 2 else 'bad'} film {n},{n % 2},{n * n % 7}" for n in range(40)]
    Path("films.csv").write_text("\n".join(["text,label,stars", *rows]) + "\n")
    parts = [f"{row},{'test' if n % 4 == 0 else 'train'}" for n, row in enumerate(rows)]
    Path("parts.csv").write_text("\n".join(["text,label,stars,part", *parts]) + "\n")


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("book.txt", {}),
        ("book.txt", {"preset": "d2l", "val_fraction": 0.2, "learning_rate": 20.0}),
        ("films.csv", {"task": "classification", "label_column": "label", "learning_rate": 0.1}),
        ("films.csv", {"task": "regression", "input_columns": "label", "target_column": "stars"}),
    ],
)
def test_the_rate_falls_whatever_the_task(source: str, more: dict[str, Any]) -> None:
    heard: list[Any] = []
    run = charlm.train(source, listener=heard.append, **{**HIGH, **more})
    lowered = [event for event in heard if isinstance(event, RateLowered)]
    assert lowered
    rates = [row["learning_rate"] for row in run.metrics()]
    assert all(event.learning_rate in rates for event in lowered)
    assert rates[-1] == lowered[-1].learning_rate < rates[0]


def test_the_command_line_says_when_it_falls() -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in HIGH.items()]
    done = command("train", "book.txt", *options)
    assert done.code == 0
    assert "1 evaluation without a better score: the learning rate falls from 2 to 1.\n" in done.err


def test_a_split_column_that_names_no_validation_part_is_seen_before_a_run_is_made() -> None:
    options = {"task": "classification", "label_column": "label", "split_column": "part"}
    with pytest.raises(SettingError) as caught:
        charlm.train("parts.csv", **{**HIGH, **options, "val_fraction": 0.0})
    assert caught.value.in_options() == (
        "--schedule plateau needs held-out data: give a --val-fraction."
    )
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"plateau_patience": 7}, True),
        ({"plateau_patience": 6}, False),
        ({"plateau_patience": 9, "eval_every": None, "preset": "small"}, True),
        ({"plateau_patience": 8, "eval_every": None, "preset": "small"}, False),
    ],
)
def test_a_plateau_longer_than_the_run_is_told_of(settings: dict[str, Any], told: bool) -> None:
    heard: list[Any] = []
    charlm.train("book.txt", listener=heard.append, **{**HIGH, "learning_rate": 0.01, **settings})
    said = [each.text for each in heard if isinstance(each, Notice) and "cannot fall" in each.text]
    assert len(said) == told
