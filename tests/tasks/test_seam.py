"""A task that is made here only trains, resumes bit for bit, is listed and compared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from parity import ParityTask
from safetensors.numpy import load_file

import charlm
from charlm.errors import UsageError
from charlm.tasks.registry import TASKS

SETTINGS: dict[str, Any] = {
    "task": "parity",
    "hidden_size": 12,
    "embedding_size": 4,
    "batch_size": 32,
    "learning_rate": 0.02,
    "max_steps": 320,
    "bits": 5,
}


@pytest.fixture(autouse=True)
def with_parity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TASKS, "parity", ParityTask())


def counting() -> Iterator[bool]:
    """Asks to stop after some steps."""
    yield from (step == 170 for step in range(10_000))


def test_a_toy_task_goes_all_the_way() -> None:
    whole = charlm.train(run="whole", **SETTINGS)
    assert whole.result["score"]["accuracy"] > 0.95
    assert whole.result["score"]["accuracy"] > whole.result["baselines"]["always odd"]["accuracy"]
    stop = counting()
    parted = charlm.train(run="parted", should_stop=lambda: next(stop), **SETTINGS)
    assert parted.directory.record.status == "interrupted"
    charlm.resume("parted")
    for file in ("last/model", "last/training", "best/model"):
        mine, theirs = (load_file(f"runs/{run}/{file}.safetensors") for run in ("parted", "whole"))
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=name)
    rows = [
        [json.loads(line) for line in Path(f"runs/{run}/metrics.jsonl").read_text().splitlines()]
        for run in ("parted", "whole")
    ]
    clocked = ("seconds", "bits_per_second")
    for mine, theirs in zip(*rows, strict=True):
        assert {**mine, **dict.fromkeys(clocked)} == {**theirs, **dict.fromkeys(clocked)}


def test_it_is_listed_and_compared_in_its_own_units(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the time traveller smiled round at us. " * 30)
    text = {"batch_size": 2, "seq_length": 5, "hidden_size": 4, "max_steps": 3}
    charlm.train("book.txt", run="text", **text)
    for run, bits in (("short", 2), ("long", 9)):
        charlm.train(run=run, **{**SETTINGS, "bits": bits, "max_steps": 40})
    rows = {row["name"]: row for row in command("runs", "list", "--json").json}
    assert rows["short"]["accuracy"] > rows["long"]["accuracy"]
    assert rows["short"]["bits_scored"] == 128 * 2
    assert "perplexity" not in rows["short"]
    assert rows["text"]["perplexity"] > 1
    listed = command("runs", "list")
    assert listed.out.splitlines()[0].split("\t")[:3] == ["name", "cell", "accuracy"]
    assert listed.code == 0, listed.err
    compared = command("runs", "compare", "short", "long")
    assert "\nbits\t2\t9\n" in compared.out
    assert "\naccuracy\t" in compared.out
    assert "perplexity" not in compared.out
    assert "different tasks" in command("runs", "compare", "short", "text").err
    shown = command("runs", "show", "short").out
    assert "bits=2" in shown
    assert "train loss\theld-out loss\taccuracy" in shown


def test_what_is_for_language_models_is_refused() -> None:
    run = charlm.train(run="short", **{**SETTINGS, "max_steps": 3})
    with pytest.raises(UsageError, match="of the task 'parity'"):
        run.generate()
    for words in (("generate",), ("eval",)):
        result = command(*words)
        assert result.code == 2
        assert "of the task 'parity'" in result.err
    Path("runs/short/run.json").write_text(
        Path("runs/short/run.json").read_text().replace('"parity"', '"sorting"')
    )
    result = command("runs", "show", "short")
    assert result.code == 1
    assert "'sorting', which this charlm does not know" in result.err
