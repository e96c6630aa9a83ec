"""The script for the first GPU, as far as it goes without one: its commands, and its verdicts."""

import subprocess
import sys
from pathlib import Path

import on_gpu
import pytest
from cli_runner import charlm

OPERATIONS = "gru tf32\n  1.0 ms  2  aten::_cudnn_rnn\n"
CLEAN = "========= ERROR SUMMARY: 0 errors\n"
SPEEDS = "training B T H\ngru torch fp32 32 35 256 100,000\n"


def test_without_a_gpu_everything_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    if on_gpu.devices():
        pytest.skip("there is one")
    found = list(on_gpu.verdicts(list(on_gpu.checks(quick=True)), quick=True))
    assert [each.name for each in found] == list(on_gpu.checks(quick=True))
    assert {(each.verdict, each.why) for each in found} == {("skipped", "no CUDA device")}


@pytest.mark.parametrize("chosen", [on_gpu.RECORDED, on_gpu.SECOND, on_gpu.FAILING, ()])
def test_the_tests_that_it_runs_are_there(chosen: tuple[str, ...]) -> None:
    command = (*on_gpu.PYTEST, "--collect-only", *chosen)
    done = subprocess.run(command, cwd=on_gpu.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "test_gpu.py" in done.stdout, done.stdout


def test_the_runs_that_it_watches_are_possible(tmp_path: Path) -> None:
    place = ("--runs-dir", str(tmp_path), "--run", "watched", "--device", "cpu")
    for command, options in (("train", on_gpu.WATCHED), ("generate", on_gpu.WRITTEN)):
        shown = charlm(command, *options, *place)
        assert shown.code == 0, shown.err


@pytest.mark.parametrize(
    ("name", "code", "output", "verdict"),
    [
        ("tests", 0, "....\n12 passed, 1 skipped in 3s\n", "ok"),
        ("tests", 1, "FAILED x\n1 failed, 3 passed in 3s\n", "FAILED"),
        ("tests", 0, "4 skipped in 1s\n", "skipped"),
        ("graphs", 5, "4 deselected in 1s\n", "FAILED"),
        ("cuda:1", 0, "1 passed in 1s\n", "ok"),
        ("failed capture", 124, "It took more than 10 minutes.", "FAILED"),
        ("kernels", 0, OPERATIONS, "ok"),
        ("kernels", 0, OPERATIONS + "  1.0 ms  64  aten::_thnn_fused_gru_cell\n", "FAILED"),
        ("kernels", 0, "gru tf32\n", "FAILED"),
        ("kernels", 1, OPERATIONS, "FAILED"),
        ("compute-sanitizer", 0, CLEAN, "ok"),
        ("compute-sanitizer", 9, CLEAN.replace("0", "3"), "FAILED"),
        ("compute-sanitizer", 0, CLEAN.replace("0", "10"), "FAILED"),
        ("compute-sanitizer", 0, "nothing was watched", "FAILED"),
        ("bench", 0, SPEEDS, "ok"),
        ("bench", 0, "no table", "FAILED"),
        ("bench", 1, SPEEDS, "FAILED"),
    ],
)
def test_verdicts_are_what_the_output_says(
    name: str, code: int, output: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_gpu, "devices", lambda: 2)
    monkeypatch.setattr(on_gpu, "run", lambda *command: (code, output))
    monkeypatch.setattr(on_gpu.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    (found,) = on_gpu.verdicts([name], quick=True)
    assert (found.name, found.verdict) == (name, verdict)


@pytest.mark.parametrize(
    ("name", "why"), [("cuda:1", "no second"), ("compute-sanitizer", "not installed")]
)
def test_what_cannot_be_checked_is_skipped_with_a_reason(
    name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_gpu, "devices", lambda: 1)
    monkeypatch.setattr(on_gpu.shutil, "which", lambda tool: None)
    (found,) = on_gpu.verdicts([name], quick=True)
    assert found.verdict == "skipped" and why in found.why


def test_a_command_that_fails_says_so_and_one_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert on_gpu.run(sys.executable, "-c", "print('told'); raise SystemExit(3)") == (3, "told\n")
    monkeypatch.setattr(on_gpu, "MINUTES", 0.001)
    assert on_gpu.run(sys.executable, "-c", "import time; time.sleep(60)")[0] == 124


@pytest.mark.slow
def test_operations_are_named_wherever_they_run(capsys: pytest.CaptureFixture[str]) -> None:
    on_gpu.print_kernels(units=8, batch_size=2, steps=4)
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if not line.startswith(" ")] == [
        f"{cell} {precision}" for cell in ("rnn", "gru", "lstm") for precision in on_gpu.PRECISIONS
    ]
