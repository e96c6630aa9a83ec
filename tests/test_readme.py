"""The README's examples work, and every command stands in it."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from cli_runner import charlm

from charlm.cli.app import app
from charlm.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The examples run with the README's options, but in seconds.
FAST = {"hidden_size": 16, "max_steps": 4, "batch_size": 4, "seq_length": 16, "precision": "fp32"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Each command after a `$`, with the output that the README shows for it."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder such as a reader of the README may have, and fast presets."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHARLM_RUNS_DIR", "CHARLM_OFFLINE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(PRESETS, "quick", FAST)
    monkeypatch.setitem(PRESETS, "d2l", {**PRESETS["d2l"], "hidden_size": 16, "epochs": 1})
    novella = (ROOT / "data" / "time-traveller.txt").read_text()
    (tmp_path / "book.txt").write_text(novella[:4000])
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.txt").write_text(novella[4000:8000])
    return tmp_path


def run(command: str, columns: int | None = 140) -> str:
    words = shlex.split(command)
    assert words[0] == "charlm"
    stdin = ""
    if "<" in words:
        at = words.index("<")
        stdin = Path(words[at + 1]).read_text()
        words = words[:at]
    result = charlm(*words[1:], stdin=stdin, columns=columns)
    assert result.code == 0, f"{command}: {result.err}"
    return result.out


def test_every_example_works(reader: Path) -> None:
    run("charlm train --cell gru")
    assert len(examples()) > 20
    for command, shown in examples():
        out = run(command)
        if shown.strip() and command.split()[1] in ("corpus", "vocab"):
            assert trimmed(shown) == trimmed(out), command


def trimmed(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_python_example_works(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("time")


def test_the_pipes_work(reader: Path) -> None:
    run("charlm train book.txt --run mine")
    lines = next(block for block in blocks("sh") if "|" in block).splitlines()
    outputs = []
    for line in lines:
        command, *rest = line.partition(" #")[0].split("|", 1)
        done = subprocess.run(
            ["sh", "-c", f"cat |{rest[0]}"],
            input=run(command.strip(), columns=None),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.splitlines())
    surprises = [float(line.split("\t")[0]) for line in outputs[0][-2:]]
    assert 1 < surprises[0] <= surprises[1]
    assert len(outputs[1]) == 1
    assert float(outputs[1][0]) > 1


def test_every_command_stands_in_the_readme() -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    names = [command.name for command in app.registered_commands]
    for group, inner in groups.items():
        for command in inner.registered_commands:
            assert command.callback is not None
            names.append(f"{group} {command.name or command.callback.__name__}")
    assert len(names) >= 11
    for name in names:
        assert f"charlm {name}" in README, name


def test_the_commands_that_install_and_test_are_the_ones_that_work() -> None:
    install, *_, test = (block.strip() for block in blocks("sh"))
    assert install == "pip install . && charlm train --cell gru"
    assert test == "pip install -e '.[dev]' && pytest"
    assert (
        "pip install --quiet --disable-pip-version-check -e '.[dev]'"
        in (ROOT / ".ci" / "run").read_text()
    )
