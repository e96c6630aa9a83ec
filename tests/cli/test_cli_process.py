"""The program as a process: signals, pipes, start-up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from needs import UNCOMPILED, compiles
from processes import CHARLM, SMALL, run, wait_for

BARE_LOOP = """
import resource
import torch
from torch import nn

rnn, output = nn.{cell}({V}, {H}), nn.Linear({H}, {V})
weights = [*rnn.parameters(), *output.parameters()]
optimizer = torch.optim.AdamW(weights)
ids = torch.randint({V}, ({T} + 1, {B}))
for _ in range(50):
    outputs, _ = rnn(nn.functional.one_hot(ids[:-1], {V}).float())
    loss = nn.functional.cross_entropy(output(outputs).flatten(0, 1), ids[1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise here")
@pytest.mark.skipif(not compiles(), reason=UNCOMPILED)
@pytest.mark.parametrize(
    ("cell", "backend", "most"), [("lstm", "builtin", 1.15), ("gru", "fused", 1.5)]
)
def test_memory_is_little_more_than_a_bare_loops(
    tmp_path: Path, cell: str, backend: str, most: float
) -> None:
    novella = (Path(__file__).parents[2] / "data/time-traveller.txt").read_text("utf-8")
    (tmp_path / "long.txt").write_text((novella * 10)[:1_100_000], "utf-8")
    # The second run finds compiled what the first one compiled.
    for name in ("first", "second"):
        finished = run(
            *("train", "long.txt", "--run", name, "--cell", cell, "--backend", backend, "--json"),
            *("--hidden-size", "256", "--batch-size", "32", "--seq-length", "35"),
            *("--precision", "fp32", "--max-steps", "50"),
            cwd=tmp_path,
        )
        assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    sizes = {"V": 70, "H": 256, "T": 35, "B": 32}
    script = BARE_LOOP.format(cell=cell.upper(), **sizes)
    bare = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert bare.returncode == 0, bare.stderr
    assert result["peak_memory"] < most * int(bare.stdout)


# Windows has no signals from outside but those of its consoles.
has_signals = pytest.mark.skipif(os.name == "nt", reason="a process cannot be sent signals here")


@has_signals
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGUSR1", 75)]
)
def test_a_signal_saves_and_names_the_command_that_goes_on(
    tmp_path: Path, name: str, code: int
) -> None:
    number = getattr(signal, name)
    process = subprocess.Popen(
        [*CHARLM, "train", "--run", "cut", "--max-steps", "100000", "--eval-every", "20", *SMALL],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "runs/cut/last")
    process.send_signal(number)
    if name != "SIGINT":
        process.send_signal(number)  # as queues may
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == ""
    assert "charlm train --resume cut" in err
    assert "Traceback" not in err
    counters = json.loads((tmp_path / "runs/cut/last/training.json").read_text())["counters"]
    assert json.loads((tmp_path / "runs/cut/run.json").read_text())["status"] == "interrupted"
    more = str(counters["step"] + 5)
    resumed = run("train", "--resume", "cut", "--max-steps", more, "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["steps"] == int(more)


@has_signals
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_other_commands_end_on_signals_without_a_traceback(
    tmp_path: Path, name: str, code: int
) -> None:
    process = subprocess.Popen(
        [*CHARLM, "generate", "--length", "100000000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(10)
    process.send_signal(getattr(signal, name))
    process.stdout.read()
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in err


@has_signals
def test_a_signal_before_training_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*CHARLM, "train", "-", "--run", "cut"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # It waits for its text, which never comes.
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert not (tmp_path / "runs").exists()


# What other libraries do at exit: this one takes long.
AT_EXIT = """
import atexit, sys, time
atexit.register(lambda: print("ending", flush=True) or time.sleep(60))
from charlm.cli import main
main(["corpus", "list", "--json"])
"""


@has_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_very_end_is_no_traceback(tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", AT_EXIT],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while process.stdout.readline() != "ending\n":
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -number
    assert err == ""


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    assert run("train", "--run", "r", "--max-steps", "2", *SMALL, cwd=tmp_path).returncode == 0
    for arguments in (
        ("generate", "--length", "1000000"),
        ("generate", "--length", "1000", "--num-samples", "300"),
    ):
        process = subprocess.Popen(
            [*CHARLM, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert len(process.stdout.read(100)) == 100
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0
        assert err == b""


def test_generated_text_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    text = "ёжик в тумане 👍\n" * 30
    (tmp_path / "book.txt").write_text(text, encoding="utf-8")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    trained = subprocess.run(
        [*CHARLM, "train", "book.txt", "--max-steps", "2", *SMALL],
        cwd=tmp_path, env=environment, capture_output=True,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    made = subprocess.run(
        [*CHARLM, "generate", "--prefix", "ёж", "--seed", "1"],
        cwd=tmp_path, env=environment, capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode("utf-8").startswith("ёж")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("train", "--help"),
        ("generate", "--help"),
        ("corpus", "list"),
        ("runs", "list"),
        ("vocab",),
        ("generate", "--run", "there"),
    ],
)
def test_what_needs_no_torch_imports_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    if "there" in arguments:
        run("train", "--run", "there", "--max-steps", "1", *SMALL, cwd=tmp_path)
    code = (
        "import sys\n"
        "from charlm.cli import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules\n"
        "    assert '--help' not in sys.argv or 'numpy' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_importing_charlm_imports_no_torch() -> None:
    code = "import charlm, sys; assert 'torch' not in sys.modules; assert charlm.train"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
