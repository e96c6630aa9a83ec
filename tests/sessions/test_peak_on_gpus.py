"""The most memory that a run took on a GPU: measured from its beginning, recorded and shown."""

from pathlib import Path

import pytest
import torch
from cli_runner import charlm as command

import charlm
from charlm.sessions import session

TEXT = "it was the best of times, it was the worst of times. " * 8
TINY = {"hidden_size": 4, "batch_size": 2, "seq_length": 5, "max_steps": 4}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A device that had taken much before the run began, and says so until it is told to forget."""
    forgotten: list[torch.device] = []
    monkeypatch.setattr(session, "forget_peak_memory", forgotten.append)
    monkeypatch.setattr(
        session, "peak_gpu_memory", lambda device: 3 * 2**20 if forgotten else 2**40
    )
    return forgotten


def test_the_peak_of_a_run_is_kept_and_shown(tmp_path: Path, gpu: list[torch.device]) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    place = ("--runs-dir", str(tmp_path / "runs"))
    shown = command("train", str(text), "--run", "mine", *options, *place)
    assert shown.code == 0, shown.err
    assert " MiB of memory and 3 MiB on the GPU." in shown.out
    result = charlm.load("mine", runs_dir=tmp_path / "runs").result
    assert result["peak_gpu_memory"] == 3 * 2**20
    assert gpu == [torch.device("cpu")]


def test_on_a_cpu_nothing_is_said_of_a_gpu(tmp_path: Path) -> None:
    run = charlm.train(charlm.Corpus.from_text(TEXT), runs_dir=tmp_path, run="mine", **TINY)
    assert "peak_gpu_memory" not in run.result
