"""Facts are found where systems keep them, and whatever fails takes nothing else with it."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run

from charlm.doctor import facts, folders, other_process, processor
from charlm.doctor.folders import folder, runs_facts
from charlm.doctor.guard import Unknown, at, known, number_at, plain
from charlm.doctor.other_process import ask_torch
from charlm.doctor.processor import busy_cores, cpuinfo, features, quotas
from charlm.runs.locks import RunLock


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


# What is unknown


def test_what_fails_is_unknown_and_says_why() -> None:
    assert known(lambda: 3) == 3
    unknown = known(lambda: 1 // 0)
    assert isinstance(unknown, Unknown)
    assert str(unknown) == "unknown (ZeroDivisionError: integer division or modulo by zero)"
    assert plain({"a": [unknown], 2: Path("x")}) == {"a": [{"unknown": unknown.why}], "2": "x"}


def test_a_place_that_is_not_there_is_nothing() -> None:
    told = {"a": {"b": 3, "c": True}, "d": Unknown("?")}
    assert at(told, "a", "b") == 3
    assert at(told, "a", "x") is at(told, "d") is at(told, "d", "x") is at(None, "a") is None
    assert number_at(told, "a", "b") == 3
    assert number_at(told, "a", "c") is None


ASKED = (
    *((facts, name) for name in ("python", "packages", "processor_facts", "memory", "gpus")),
    *((facts, name) for name in ("folder_facts", "runs_facts", "terminal", "environment")),
    *((processor, name) for name in ("processor_name", "usable_cores", "features", "busy_cores")),
    *((folders, name) for name in ("runs_folder", "cache_folder", "is_available")),
)


@pytest.mark.parametrize(
    ("module", "name"), ASKED, ids=lambda each: getattr(each, "__name__", each)
)
def test_each_question_may_fail(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("out of order")

    def nothing(measure: bool) -> dict[str, Any]:
        return {"torch": {}, "compiled": {}}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processor, "WATCHED_SECONDS", 0.0)
    monkeypatch.setattr(facts, "ask_torch", nothing)
    whole = facts.gather()
    monkeypatch.setattr(module, name, broken)
    found = facts.gather()
    assert found.keys() == whole.keys()
    assert "out of order" in json.dumps(plain(found))


# The other process


@pytest.fixture
def fake_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch that the other process imports in place of the real one."""
    file = tmp_path / "torch" / "__init__.py"
    file.parent.mkdir()
    monkeypatch.setattr(other_process, "PACKAGE", tmp_path)
    package = Path(other_process.__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", str(package))
    return file


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ImportError('no libtorch here')", "no libtorch here"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "ended by SIGILL"),
        ("import os\nos._exit(3)", "ended with 3"),
        ("import os\nprint('so bad', flush=True)\nos._exit(3)", "so bad"),
        ("import time\ntime.sleep(60)", "no answer in 0.5 seconds"),
        ("x = 1 / 0", "ZeroDivisionError"),
        ("", "has no attribute 'cuda'"),
    ],
    ids=lambda each: each[:30],
)
def test_a_torch_that_does_not_run_is_unknown(code: str, why: str, fake_torch: Path) -> None:
    if sys.platform == "win32" and "signal" in code:
        pytest.skip("no such signals here")
    fake_torch.write_text(code)
    found = ask_torch(patience=0.5 if "sleep" in code else 60.0)
    assert isinstance(found["torch"], Unknown)
    assert why in found["torch"].why


def test_without_an_interpreter_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = ask_torch()
    assert isinstance(found["torch"], Unknown)
    assert "no process could be started" in found["torch"].why


def test_what_is_written_around_the_facts_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["warning\n", "[1]\n", '{"torch": {"version": "2", "gpus": {"unknown": "x"}}}\n', "{"]
    monkeypatch.setattr(other_process, "run", lambda *_: (lines, "it ended"))
    found = ask_torch(measure=True)
    assert found["torch"] == {"version": "2", "gpus": Unknown("x")}
    assert found["compiled"] == found["speed"] == Unknown("it ended")


def test_the_real_process_knows_torch() -> None:
    import torch

    found = ask_torch()
    assert found["torch"]["version"] == str(torch.__version__)
    assert {"scratch", "builtin"} <= set(found["torch"]["backends"]["gru"])
    assert isinstance(found["compiled"]["available"], bool)


@pytest.mark.parametrize("choice", ["off", "nonsense"])
def test_why_nothing_is_compiled(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_KERNELS", choice)
    found = ask_torch()["compiled"]
    assert found["available"] is False
    told = {"off": "CHARLM_KERNELS is off", "nonsense": "CHARLM_KERNELS cannot be 'nonsense'."}
    assert found["problem"] == told[choice]


@pytest.mark.slow
def test_a_speed_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_process, "MEASURING", 120.0)
    speed = ask_torch(measure=True)["speed"]
    assert speed["characters a second"] > 0
    assert 0 < speed["share of the limit"] < 10


# The processor


def test_features_of_processors(tmp_path: Path) -> None:
    linux = {"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx2 fma avx512f amx_tile\n\n"}
    assert features(write(tmp_path / "x86", linux)) == ["AVX2", "FMA", "AVX-512", "AMX"]
    arm = {"proc/cpuinfo": "Features\t: fp asimd sve bf16\nCPU implementer : 0x41\n"}
    assert features(write(tmp_path / "arm", arm)) == ["NEON", "SVE", "bfloat16"]
    assert features(tmp_path / "none") is None
    assert list(cpuinfo(tmp_path / "none")) == []


def test_quotas_of_control_groups(tmp_path: Path) -> None:
    new = {
        "proc/self/cgroup": "0::/jobs/mine\n",
        "sys/fs/cgroup/jobs/mine/cpu.max": "max 100000\n",
        "sys/fs/cgroup/jobs/cpu.max": "150000 100000\n",
    }
    assert list(quotas(write(tmp_path / "new", new))) == [1.5]
    old = {
        "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/job\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert list(quotas(write(tmp_path / "old", old))) == [0.5]
    assert list(quotas(tmp_path / "none")) == []


def test_cores_that_others_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While this process sleeps, of 100 ticks 20 are idle, 10 wait for a disk, 25 are stolen."""
    file = tmp_path / "proc" / "stat"
    write(tmp_path, {"proc/stat": "cpu  10 0 10 100 5 0 0 0 0 0\ncpu0 1\n"})
    after = "cpu  40 0 25 120 15 0 0 25 0 0\n"
    monkeypatch.setattr(processor.time, "sleep", lambda _: file.write_text(after))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert busy_cores(tmp_path) == {"others": 4 * 0.45, "stolen": 4 * 0.25}
    assert busy_cores(tmp_path) is None  # No time has passed.
    assert busy_cores(tmp_path / "none") is None


# Folders


def test_a_folder_that_is_not_there_is_as_good_as_the_one_above(tmp_path: Path) -> None:
    found = folder(tmp_path / "a" / "b")
    assert (found["exists"], found["problem"]) == (False, None)
    assert found["free"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    assert folder(tmp_path / "runs")["problem"] == "it is no folder"
    assert folder(tmp_path / "runs" / "x")["problem"] == "it is no folder"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert folder(tmp_path)["problem"] == "read-only file system"


def test_what_lies_among_the_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("done", "alive", "dead"):
        make_run(runs, name, [])
    for name in ("alive", "dead"):
        file = runs / name / "run.json"
        file.write_text(file.read_text().replace('"status": "done"', '"status": "running"'))
    (runs / "torn").mkdir()
    (runs / "torn" / "run.json").write_text("{")
    (runs / ".dead.lock").touch()
    (runs / ".gone.lock").touch()
    with RunLock.take(runs / "alive"):
        found = runs_facts(str(runs))
    assert found == {"runs": 3, "damaged": 1, "stopped": ["dead"], "stale locks": ["dead", "gone"]}
    assert runs_facts(str(tmp_path / "none"))["runs"] == 0


# The environment


def test_passwords_are_left_out() -> None:
    told = facts.without_password
    assert told("http://me:secret@proxy:3128/x") == "http://proxy:3128/x"
    assert told("http://proxy:3128") == "http://proxy:3128"
    assert told("a@b") == "a@b"


def test_only_variables_that_count_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_RUNS_DIR", "there")
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy")
    monkeypatch.setenv("MY_TOKEN", "secret")
    found = facts.environment()
    assert found["CHARLM_RUNS_DIR"] == "there"
    assert "secret" not in str(found)


@pytest.mark.skipif(sys.platform == "win32", reason="there it is asked elsewhere")
def test_which_locales_are_utf8() -> None:
    assert facts.is_utf8({"LANG": "de_DE.UTF-8"}) is True
    assert facts.is_utf8({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}) is False
    assert facts.is_utf8({}) is None


def test_gpus_by_the_files_of_the_driver(tmp_path: Path) -> None:
    write(tmp_path, {"0000:01:00.0/information": "Model: \t\t NVIDIA T4\nIRQ: 1\n"})
    assert list(facts.gpus_of_driver(tmp_path)) == [{"name": "NVIDIA T4", "driver": ""}]
    assert list(facts.gpus_of_driver(tmp_path / "none")) == []
