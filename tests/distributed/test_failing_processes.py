"""Several processes of which one is killed, hangs or is wrong; and signals to all of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
import torch.distributed as dist
import typer
from processes import CHARLM, SMALL, run, wait_for

from charlm.cli.several_processes import taking_part
from charlm.cli.stopping import Stop
from charlm.distributed.world import LostProcessError, World

# Groups of processes, and where they are told of, are Linux's here; what is tested is not.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
LONG = (*SMALL, "--eval-every", "1000", "--max-steps", "1000000", "--device", "cpu")
MINUTE = 60


@contextmanager
def started(folder: Path, *options: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`charlm train --run cut` in two processes, once it has saved its first state."""
    process = subprocess.Popen(
        [*CHARLM, "train", "--run", "cut", "--processes", "2", *LONG, *options],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(folder / "runs/cut/last", 2 * MINUTE)
        yield process
    finally:
        for each in (*ranks_of(process).values(), process.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.communicate()


def ranks_of(launcher: subprocess.Popen[str]) -> dict[int, int]:
    """Numbers of the processes that a launcher has started, by rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "environ").read_bytes().decode().split("\0")
            named = dict(word.partition("=")[::2] for word in words)
            if parent == launcher.pid and "RANK" in named:
                found[int(named["RANK"])] = int(folder.name)
    return found


def is_gone(process: int) -> bool:
    return not Path("/proc", str(process)).exists()


def ended(launcher: subprocess.Popen[str]) -> str:
    """What it says until it ends, within a minute; nothing that it has started is left."""
    ranks = ranks_of(launcher)
    assert set(ranks) == {0, 1}
    _, err = launcher.communicate(timeout=MINUTE)
    assert all(is_gone(each) for each in ranks.values())
    assert "Traceback" not in err
    return err


def goes_on(folder: Path, *options: str) -> int:
    """How many steps it goes on for, until five more than it had saved."""
    saved = json.loads((folder / "runs/cut/last/training.json").read_text())["counters"]["step"]
    more = str(saved + 5)
    resumed = run("train", "--resume", "cut", "--max-steps", more, "--json", *options, cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    return int(json.loads(resumed.stdout)["steps"]) - saved


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_all_and_one_saves(tmp_path: Path, number: int) -> None:
    with started(tmp_path) as process:
        process.send_signal(number)
        err = ended(process)
        assert process.returncode == 130, err
    assert err.count("is saved") == 1
    assert "charlm train --resume cut --processes 2" in err
    assert json.loads((tmp_path / "runs/cut/run.json").read_text())["status"] == "interrupted"
    assert goes_on(tmp_path) == 5


@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_is_killed_ends_all_and_the_run_goes_on(tmp_path: Path, rank: int) -> None:
    with started(tmp_path) as process:
        ranks = ranks_of(process)
        os.kill(ranks[rank], signal.SIGKILL)
        _, err = process.communicate(timeout=MINUTE)
        assert process.returncode == 1
        assert all(is_gone(each) for each in ranks.values())
    assert "Traceback" not in err
    assert f"Process {rank + 1} of 2 was killed by SIGKILL" in err
    assert err.count("charlm train --resume cut --processes 2") == 1
    assert goes_on(tmp_path, "--processes", "2") == 5


def test_one_that_hangs_is_given_up(tmp_path: Path) -> None:
    with started(tmp_path, CHARLM_PROCESS_TIMEOUT="3") as process:
        ranks = ranks_of(process)
        os.kill(ranks[1], signal.SIGSTOP)
        _, err = process.communicate(timeout=2 * MINUTE)
        assert process.returncode == 1
        assert all(is_gone(each) for each in ranks.values())
    assert "does not answer" in err
    assert "Traceback" not in err
    assert goes_on(tmp_path) == 5


def test_all_are_started_again_and_go_on(tmp_path: Path) -> None:
    with started(tmp_path, "--max-restarts", "1") as process:
        first = ranks_of(process)
        os.kill(first[1], signal.SIGKILL)
        limit = time.monotonic() + 2 * MINUTE
        while len(set(ranks_of(process).values()) - set(first.values())) < 2:
            assert time.monotonic() < limit
            time.sleep(0.1)
        before = (tmp_path / "runs/cut/last").stat().st_mtime_ns
        while (tmp_path / "runs/cut/last").stat().st_mtime_ns == before:
            assert time.monotonic() < limit
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        err = ended(process)
        assert process.returncode == 130, err
    assert goes_on(tmp_path) == 5


def test_without_their_launcher_they_end_and_save(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        ranks = ranks_of(process)
        process.kill()
        limit = time.monotonic() + MINUTE
        while not all(is_gone(each) for each in ranks.values()):
            assert time.monotonic() < limit
            time.sleep(0.1)
    assert json.loads((tmp_path / "runs/cut/run.json").read_text())["status"] == "interrupted"
    assert goes_on(tmp_path) == 5


MEETING = """
import sys, time
from charlm.distributed.several import joined
time.sleep(float(sys.argv[1]))
with joined() as world:
    print(world.size)
"""


def test_what_an_attempt_has_left_in_the_store_is_not_read_by_the_next(tmp_path: Path) -> None:
    """The launcher keeps its store. Process 2, which comes first, must not look for the old one."""
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port)}
    told |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "GLOO_SOCKET_IFNAME": "lo"}
    for attempt in ("0", "1"):
        there = [
            subprocess.Popen(
                [sys.executable, "-c", MEETING, str(5 * (1 - rank))],
                env={**os.environ, **told, "TORCHELASTIC_RESTART_COUNT": attempt}
                | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in (0, 1)
        ]
        assert [each.communicate(timeout=MINUTE)[0] for each in there] == ["2\n", "2\n"]


def test_who_finds_another_one_failed_leaves_it_to_that_what_happens_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Second(World):
        rank, size = 1, 2

        def fails_first(self) -> bool:
            return False

    monkeypatch.setattr("charlm.distributed.several.joined", lambda: nullcontext(Second()))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(typer.Exit) as end, taking_part(Stop(), "cpu", {}):
        raise LostProcessError("Another process of this training has ended.")
    assert end.value.exit_code == 0


def test_what_is_wrong_is_said_once_and_nothing_starts_again(tmp_path: Path) -> None:
    for restarts in ("0", "2"):
        finished = run(
            *("train", "nowhere.txt", "--run", "cut", "--processes", "2", "--device", "cpu"),
            *("--max-restarts", restarts),
            cwd=tmp_path,
        )
        assert finished.returncode == 1
        assert finished.stderr.count("nowhere.txt") == 1
        assert "Traceback" not in finished.stderr
    assert not (tmp_path / "runs/cut").exists()
