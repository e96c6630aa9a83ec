"""Rows of metrics that lack something, as other versions and crashes may leave them."""

import json
from pathlib import Path

import pytest
from cli_runner import charlm

COMMANDS = (
    ("runs", "list"),
    ("runs", "show", "r"),
    ("plot", "r"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is not finished, so that its score comes from its rows."""
    folder = tmp_path_factory.mktemp("runs")
    small = ("--hidden-size", "8", "--max-steps", "2", "--eval-every", "1", "--quiet")
    trained = charlm("train", "--run", "r", *small, "--runs-dir", str(folder))
    assert trained.code == 0, trained.err
    record = json.loads((folder / "r" / "run.json").read_text("utf-8"))
    (folder / "r" / "run.json").write_text(json.dumps({**record, "result": {}}), "utf-8")
    return folder / "r"


def test_a_row_may_lack_anything_but_its_step(run: Path) -> None:
    file = run / "metrics.jsonl"
    first, last = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    partial = [{k: v for k, v in last.items() if k != name} for name in last if name != "step"]
    for row in (*partial, {"step": 2}):
        file.write_text(json.dumps(first) + "\n" + json.dumps(row) + "\n", "utf-8")
        for command in COMMANDS:
            result = charlm(*command, "--runs-dir", str(run.parent))
            assert result.code == 0, (command, row, result.err)
