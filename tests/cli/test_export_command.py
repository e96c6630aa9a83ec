"""charlm export: where it writes, and what it refuses."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_runner import charlm
from portable import CONFIGS, made, run_of
from safetensors.numpy import load

from charlm.export import FORMATS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the run `made`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    run_of(tmp_path, made(CONFIGS["gru-layers"]))
    return tmp_path


def test_a_file_is_called_after_its_run(home: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    for to, each in FORMATS.items():
        result = charlm("export", "--to", to)
        assert result.code == 0, result.err
        assert (result.out, Path(f"made{each.suffix}").is_file()) == ("", True)
        assert f"Wrote made{each.suffix}: " in result.err
    assert Path("made.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_file_that_is_there_is_left_alone(home: Path) -> None:
    Path("made.html").write_text("mine")
    for options in ((), ("--out", "made.html")):
        result = charlm("export", "made", "--to", "page", *options)
        assert result.code == 2
        assert "'made.html' is there already. Name another file with --out" in result.err
        assert Path("made.html").read_text() == "mine"
    assert charlm("export", "made", "--to", "page", "--overwrite").code == 0
    assert Path("made.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_pipe_gets_the_file_itself() -> None:
    result = charlm("export", "--to", "page", "--out", "-")
    assert result.out.startswith("<!doctype html>")
    assert (result.code, result.err) == (0, "")
    command = [sys.executable, "-m", "charlm", "export", "--to", "safetensors", "--out", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "output.weight" in load(done.stdout)
    result = charlm("export", "--to", "page", "--out", "-", columns=60)
    assert (result.code, result.out) == (2, "")
    assert "fill this terminal" in result.err
    result = charlm("export", "--to", "page", "--out", "-", "--overwrite")
    assert (result.code, result.out) == (2, "")


def test_what_is_wrong_is_said_before_anything_is_made(home: Path) -> None:
    result = charlm("export")
    assert result.code == 2
    assert "--to is missing: give one of page, onnx, safetensors." in result.err
    assert charlm("export", "--to", "pages").code == 2
    assert "Did you mean 'page'?" in charlm("export", "--to", "pages").err
    for out, code in (("no/such/folder/x.html", 1), (str(home), 2)):
        result = charlm("export", "--to", "page", "--out", out)
        assert (result.code, out in result.err) == (code, True)
    assert charlm("export", "nobody", "--to", "page").code == 1
    assert not list(home.glob("*.html"))


def test_another_units_page_is_refused(home: Path) -> None:
    (home / "book.txt").write_text("one two, three four. " * 30)
    small = ("--hidden-size", "4", "--batch-size", "2", "--seq-length", "4", "--max-steps", "1")
    assert charlm("train", "book.txt", "--units", "words", "--run", "words", *small).code == 0
    result = charlm("export", "words", "--to", "page")
    assert result.code == 2
    assert "reads words" in result.err
    assert charlm("export", "words", "--to", "safetensors").code == 0


def test_damaged_weights_are_one_sentence(home: Path) -> None:
    file = home / "runs" / "made" / "best" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    for to in ("page", "safetensors"):
        result = charlm("export", "--to", to)
        assert (result.code, "is damaged" in result.err) == (1, True)
    assert not Path("made.html").exists()


@pytest.mark.slow
def test_a_wheel_has_the_scripts_of_the_page(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    done = subprocess.run([*build, tmp_path, ROOT], capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("hatchling cannot be fetched")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    folder = ROOT / "charlm" / "html" / "templates"
    files = {str(path.relative_to(ROOT)) for path in folder.rglob("*") if path.is_file()}
    assert any(name.endswith("cells.js") for name in files)
    assert files <= set(zipfile.ZipFile(wheel).namelist())
