"""`charlm doctor` and `charlm --version --verbose`."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cli_runner import charlm

from charlm.doctor import facts
from charlm.doctor.guard import Unknown
from charlm.version import __version__

TORCH = {"version": "2.9", "cuda": None, "threads": 2, "backends": {"gru": ["fused"]}}
COMPILED = {"CHARLM_KERNELS": "auto", "available": True, "kept on disk": True}
SPEED = {
    "what": "gru of 256 units, 32 × 35 characters, fp32",
    "backend": "fused",
    "threads": 2,
    "characters a second": 123456,
    "share of the limit": 0.71,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    return tmp_path


def torch_says(monkeypatch: pytest.MonkeyPatch, **sections: Any) -> None:
    def told(measure: bool) -> dict[str, Any]:
        found = {"torch": TORCH, "compiled": COMPILED, **({"speed": SPEED} if measure else {})}
        return {**found, **{name: each for name, each in sections.items() if name in found}}

    monkeypatch.setattr(facts, "ask_torch", told)


def test_a_machine_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_says(monkeypatch)
    result = charlm("doctor")
    assert result.code == 0
    assert result.out.endswith("charlm works here.\n")
    assert "Training: 123456 characters a second (gru of 256 units" in result.out
    assert "71% of what the processor's peak" in result.out
    assert "Looking at this machine" in result.err


def test_quick_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_says(monkeypatch)
    result = charlm("doctor", "--quick", "--json")
    assert "speed" not in result.json["facts"]
    assert result.json["works"] is True


def test_a_machine_on_which_something_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_says(monkeypatch, torch=Unknown("no libtorch"), speed=Unknown("no libtorch"))
    Path("runs").touch()
    result = charlm("doctor")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0].split("\t")[:2] == ["broken", "torch does not run here: no libtorch."]
    assert lines[1].startswith("broken\tThe folder of the runs, 'runs', cannot be written")
    assert lines[-1] == "2 things are broken."
    assert "No speed was measured: no libtorch." in result.out
    told = charlm("doctor", "--json")
    assert told.code == 1
    assert told.json["works"] is False
    assert told.json["facts"]["torch"] == {"unknown": "no libtorch"}


def test_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_says(monkeypatch, torch=Unknown("no libtorch"))
    result = charlm("doctor", columns=50)
    assert "broken: torch does not run here: no libtorch." in result.out
    assert "\n    Install it again" in result.out


def test_another_runs_folder(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    torch_says(monkeypatch)
    Path("file").touch()
    assert charlm("doctor", "--quick").code == 0
    result = charlm("doctor", "--quick", "--runs-dir", "file/x")
    assert (result.code, "it is no folder" in result.out) == (1, True)


@pytest.mark.parametrize(
    "name", ["python", "packages", "processor_facts", "memory", "gpus", "folder_facts", "terminal"]
)
def test_whatever_cannot_be_found_out_it_ends_in_order(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_says(monkeypatch)
    with patch.object(facts, name, side_effect=RuntimeError("out of order")):
        assert charlm("doctor").code == 0
        shown = charlm("--version", "--verbose")
    assert (shown.code, "out of order" in shown.out) == (0, True)


# The version


def test_the_version() -> None:
    assert charlm("--version").out == f"charlm {__version__}\n"
    assert charlm("--version", "--json").json == {"charlm": __version__}


@pytest.mark.parametrize("order", [("--version", "--verbose"), ("--verbose", "--version")])
def test_all_that_a_bug_report_needs(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_says(monkeypatch)
    result = charlm(*order)
    rows = dict(line.split("\t") for line in result.out.splitlines())
    assert rows["charlm"] == __version__
    assert rows["torch: backends: gru"] == "fused"
    assert rows["compiled: available"] == "yes"
    assert rows["folders: runs: path"] == "runs"
    assert int(rows["processor: usable"]) >= 1
    told = charlm(*order, "--json").json
    assert told["charlm"] == __version__
    assert told["packages"]["torch"]


@pytest.mark.parametrize("option", ["--verbose", "--json"])
def test_options_of_the_version_alone_are_refused(option: str) -> None:
    for command in ([], ["runs", "list"]):
        result = charlm(option, *command)
        assert result.code == 2
        assert f"{option} before a command goes with --version only." in result.err


def test_without_a_command_help_is_shown() -> None:
    result = charlm()
    assert "Usage: charlm" in result.out + result.err
