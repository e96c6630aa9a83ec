"""A run has one writer at a time, and a name is taken once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
from processes import CHARLM, SMALL, run, wait_for
from stored import create_run
from test_runs import VOCABULARY, hidden, make_record, make_run

from charlm.errors import UsageError
from charlm.files.whole import create_folder
from charlm.runs.deletion import delete_run, run_to_delete
from charlm.runs.directory import RunDirectory
from charlm.runs.locks import RunInUseError, RunLock, is_locked, remove_abandoned
from charlm.runs.locks import make_run as make
from charlm.runs.names import NameTakenError
from charlm.tasks.registry import list_runs, open_run

HOLDER = """
import sys, time
from pathlib import Path
from charlm.runs.locks import RunLock
with RunLock.take(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_lock_leaves_nothing_behind_and_shuts_out_others(tmp_path: Path) -> None:
    path = tmp_path / "one"
    assert is_locked(path) is False
    with RunLock.take(path) as lock:
        assert not lock.problem
        assert is_locked(path) is True
        with pytest.raises(RunInUseError, match=f"'one' is in use by process {os.getpid()} "):
            RunLock.take(path, patience=0)
    assert is_locked(path) is False
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    path = make_run(tmp_path).path
    with held_elsewhere(path) as process:
        assert open_run(path).status == "running"
        with pytest.raises(RunInUseError, match=f"process {process.pid} "):
            RunLock.take(path, patience=0)
        with pytest.raises(RunInUseError):
            run_to_delete("one", tmp_path)
        with pytest.raises(RunInUseError):
            delete_run(path)
        process.kill()
        process.wait()
    assert is_locked(path) is False
    assert open_run(path).status == "stopped"
    with RunLock.take(path, patience=0):
        pass
    assert hidden(tmp_path) == []


def test_a_lock_left_by_another_machine_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path).path
    with held_elsewhere(path) as process:
        process.kill()
        process.wait()
    assert open_run(path).status == "stopped"
    monkeypatch.setattr("charlm.runs.locks.platform.node", lambda: "another")
    assert is_locked(path) is None
    assert open_run(path).status == "running?"
    remove_abandoned(tmp_path)
    assert hidden(tmp_path) == [".one.lock"]
    with RunLock.take(path) as lock:
        assert f"process {process.pid} on " in lock.problem
        assert is_locked(path) is True
    assert hidden(tmp_path) == []


def test_drafts_without_a_lock_file_are_removed_too(tmp_path: Path) -> None:
    (tmp_path / ".one.draft-1234").mkdir()
    remove_abandoned(tmp_path)
    assert hidden(tmp_path) == []


def test_a_run_is_locked_whichever_way_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path / "runs").path
    (tmp_path / "link").symlink_to(path)
    monkeypatch.chdir(path)
    with RunLock.take(path):
        for way in (tmp_path / "link", Path(), Path("../one"), tmp_path / "runs/../runs/one"):
            with pytest.raises(RunInUseError):
                RunLock.take(way, patience=0)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    path = make_run(tmp_path / "runs").path
    (tmp_path / "mine").write_text("mine")
    file = path.with_name(f".{path.name}.lock")
    file.symlink_to(tmp_path / "mine")
    assert is_locked(path) is None
    with RunLock.take(path) as lock:
        assert "cannot be locked" in lock.problem
    remove_abandoned(path.parent)
    assert (tmp_path / "mine").read_text() == "mine"
    assert file.is_symlink()


def test_where_nothing_can_be_locked_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: object, **_: object) -> bool:
        raise OSError(37, "No locks available")

    path = make_run(tmp_path).path
    (tmp_path / ".one.lock").touch()
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with RunLock.take(path) as lock:
        assert "no locks available" in lock.problem
        assert is_locked(path) is None
        assert open_run(path).status == "running?"
    with RunLock.take(tmp_path / "no folder" / "one") as lock:
        assert "no such file or directory" in lock.problem
    # Names are taken once all the same.
    names = [make(tmp_path, None, "a", lambda n: create(tmp_path, n))[0].name for _ in range(3)]
    assert names == ["a-1", "a-2", "a-3"]


def create(folder: Path, name: str) -> RunDirectory:
    return create_run(folder, make_record(name), VOCABULARY)


def create_several(folder: Path) -> list[str]:
    names = []
    for _ in range(8):
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        made, lock = make(folder, None, "book-gru", lambda name: create(folder, name))
        with lock:
            names.append(made.record.name)
    return names


def test_processes_that_make_runs_at_once_lose_none(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "runs"
    with ProcessPoolExecutor(6, mp_context=get_context("spawn")) as pool:
        names = [name for some in pool.map(create_several, [folder] * 6) for name in some]
    assert len(names) == len(set(names)) == 48
    listed = [each for each in list_runs(folder) if isinstance(each, RunDirectory)]
    assert sorted(each.name for each in listed) == sorted(names)
    assert all(each.name == each.record.name for each in listed)
    assert hidden(folder) == []


def test_a_name_that_is_wanted_is_taken_or_refused(tmp_path: Path) -> None:
    made, lock = make(tmp_path, "one", "", lambda name: create(tmp_path, name))
    with lock, pytest.raises(NameTakenError, match="a run called 'one' already"):
        make(tmp_path, "one", "", lambda name: create(tmp_path, name))
    with pytest.raises(UsageError, match="a run called 'one' already"):
        make(tmp_path, "one", "", lambda name: create(tmp_path, name))
    assert made.record == make_record()
    assert is_locked(made.path) is False


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_a_new_folder_takes_no_place_that_is_taken(there: str, tmp_path: Path) -> None:
    path = tmp_path / "one"
    if there == "file":
        path.write_text("mine")
    elif there == "folder":
        path.mkdir()
        (path / "mine").write_text("mine")
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_folder(path, [])
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_removed_and_what_others_do_is_not(tmp_path: Path) -> None:
    for name in ("dead", "alive"):
        (tmp_path / f".{name}.draftabc").mkdir()
        (tmp_path / f".{name}.draftabc" / "run.json").write_text("{")
        (tmp_path / f".{name}.lock").write_text("")
    with held_elsewhere(tmp_path / "alive"):
        assert list(list_runs(tmp_path)) == []
        remove_abandoned(tmp_path)
        assert sorted(each.name for each in tmp_path.iterdir()) == [
            ".alive.draftabc",
            ".alive.lock",
        ]


# The program


@pytest.mark.slow
def test_four_trainings_at_once_are_four_runs(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [*CHARLM, "train", "--max-steps", "2", "--quiet", *SMALL],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == [f"time-traveller-lstm-{number}" for number in range(1, 5)]
    assert all(any(f"Run {name}:" in out for out, _ in told) for name in names)


@pytest.mark.slow
def test_a_run_that_is_trained_is_left_alone_until_its_process_is_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*CHARLM, "train", "--run", "long", "--max-steps", "1000000", "--eval-every", "20", *SMALL],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(tmp_path / "runs/long/last")
        for command in (
            ("train", "--resume", "long"),
            ("train", "--resume", "runs/long/"),
            ("runs", "delete", "long", "--yes"),
        ):
            refused = run(*command, cwd=tmp_path)
            assert refused.returncode == 1
            assert f"'long' is in use by process {process.pid} " in refused.stderr
        assert run("eval", "--run", "long", cwd=tmp_path).returncode == 0
    finally:
        process.kill()
        process.wait()
    listed = run("runs", "list", "--json", cwd=tmp_path).stdout
    assert '"status": "stopped"' in listed
    gone = run("runs", "delete", "long", "--yes", cwd=tmp_path)
    assert gone.returncode == 0, gone.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == []
