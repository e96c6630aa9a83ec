"""A run that explodes says so, and leaves files that every reader of JSON can read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm

import charlm as library
from charlm.machine.memory import NotEnoughMemoryError
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.tasks.registry import open_run

TEXT = "The time traveller (for so it will be convenient to speak of him)\nwas expounding.\n" * 40
SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--max-steps", "40")
WILD = ("--optimizer", "sgd", "--learning-rate", "1e3", "--clip-norm", "0")
WILD += ("--schedule", "constant", "--cell", "gru")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text(TEXT)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def read_strictly(run: Path) -> dict[str, Any]:
    """The run's record, after all of its JSON was read as other programs read it."""
    for line in (run / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    for path in sorted(run.rglob("*.json")):
        json.loads(path.read_text(), parse_constant=refuse)
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


@pytest.mark.parametrize(
    "more",
    [
        ("--val-fraction", "0"),
        ("--val-fraction", "0", "--learning-rate", "1e30"),
        ("--val-fraction", "0", "--precision", "bf16"),
        ("--val-fraction", "0", "--precision", "fp16", "--cell", "rnn"),
        ("--val-fraction", "0", "--optimizer", "adam"),
        ("--val-fraction", "0", "--eval-every", "1"),
        ("--val-fraction", "0", "--eval-every", "100"),
        ("--test-fraction", "0.1"),
        (),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("json_wanted", [False, True], ids=["text", "json"])
def test_a_loss_beyond_reason_is_divergence(more: tuple[str, ...], json_wanted: bool) -> None:
    option = ("--json",) if json_wanted else ()
    result = charlm("train", "book.txt", "--run", "wild", *SMALL, *WILD, *more, *option)
    assert result.code == 1
    assert "diverged" in result.err
    assert read_strictly(Path("runs/wild"))["status"] == "diverged"
    for command in (("runs", "list"), ("runs", "show", "wild"), ("eval", "--run", "wild")):
        shown = charlm(*command, "--json")
        assert shown.code == 0, shown.err
        json.loads(shown.out, parse_constant=refuse)
        assert charlm(*command).code == 0
    assert charlm("runs", "compare", "wild", "wild").code == 0


def test_a_high_rate_that_does_not_explode_is_no_divergence() -> None:
    result = charlm("train", "book.txt", *SMALL, *WILD, "--learning-rate", "2")
    assert result.code == 0, result.err
    assert "diverged" not in result.err


def test_figures_beyond_every_float_are_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds aside, so that the display meets what it could meet."""
    monkeypatch.setattr("charlm.tasks.language_modeling.training.WORST_SHARE", math.inf)
    nothing = ("--val-fraction", "0", "--learning-rate", "3e3", "--max-steps", "12")
    nothing += ("--weight-decay", "0.01")  # which multiplies the weights by -29 in each step
    result = charlm("train", "book.txt", "--run", "wild", *SMALL, *WILD, *nothing)
    assert result.code == 0, result.err
    assert "training perplexity inf" in result.err
    assert read_strictly(Path("runs/wild"))["status"] == "done"
    longest = max(map(len, result.err.replace("\n", " ").split()))
    assert longest < 75


def test_a_run_written_with_infinity_is_still_read() -> None:
    assert charlm("train", "book.txt", "--run", "old", *SMALL, "--val-fraction", "0").code == 0
    path = Path("runs/old/run.json")
    record = json.loads(path.read_text())
    record["result"]["train_perplexity"] = math.inf
    path.write_text(json.dumps(record))
    rows = Path("runs/old/metrics.jsonl")
    row = {**json.loads(rows.read_text().splitlines()[0]), "train_nats_per_character": math.nan}
    rows.write_text(json.dumps(row) + "\n")
    assert "Infinity" in path.read_text()
    assert "NaN" in rows.read_text()
    for command in (("list",), ("show", "old"), ("compare", "old", "old")):
        assert charlm("runs", *command).code == 0
        json.loads(charlm("runs", *command, "--json").out, parse_constant=refuse)


def test_a_score_that_no_number_holds_is_written_and_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A test split that costs more than any float's exponential."""
    monkeypatch.setattr(
        "charlm.tasks.language_modeling.dataset.score",
        lambda model, ids, **_: CrossEntropy(1e9, len(ids) - 1),
    )
    result = charlm("train", "book.txt", "--run", "a", *SMALL, "--test-fraction", "0.1")
    assert result.code == 0, result.err
    assert read_strictly(Path("runs/a"))["result"]["score"]["perplexity"] is None
    assert any(line.split()[:2] == ["a", "inf"] for line in result.out.splitlines())


def test_starting_from_weights_that_say_nothing_is_divergence() -> None:
    assert charlm("train", "book.txt", "--run", "odd", *SMALL).code == 0
    run = open_run(Path("runs/odd"))
    run.save_best({n: np.float32(1e4) * each for n, each in run.load_weights().items()})
    started = ("--init-from", "odd", "--run", "next", "--val-fraction", "0")
    result = charlm("train", "book.txt", "--max-steps", "4", *started)
    assert result.code == 1
    assert "diverged" in result.err
    assert read_strictly(Path("runs/next"))["status"] == "diverged"


# However training ends


class TrialError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [(TrialError(), "failed"), (MemoryError(), "failed"), (KeyboardInterrupt(), "interrupted")],
    ids=["an error", "memory", "Ctrl-C"],
)
@pytest.mark.parametrize("moment", ["Prepared", "Evaluated", "Stopped"])
def test_a_run_that_an_error_ended_says_so(error: BaseException, status: str, moment: str) -> None:
    def failing(event: object) -> None:
        if type(event).__name__ == moment:
            raise error

    settings: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 16}
    # What memory cannot hold is one of charlm's own errors.
    raised = NotEnoughMemoryError if isinstance(error, MemoryError) else type(error)
    with pytest.raises(raised):
        library.train("book.txt", run="a", listener=failing, max_steps=4, **settings)
    assert read_strictly(Path("runs/a"))["status"] == status
    if moment != "Prepared":
        assert library.resume("a").directory.record.status == "done"
