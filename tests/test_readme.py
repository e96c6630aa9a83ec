"""The examples of README.md and docs/ work, every command stands there, links lead somewhere."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_runner import charlm

from charlm.cli.app import app
from charlm.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ["README.md", *DOCS]
# Options of other programs that a page shows.
TORCHRUN = {"--nnodes", "--nproc-per-node", "--standalone", "--run-path"}
TORCHRUN |= {"--rdzv-id", "--rdzv-backend", "--rdzv-endpoint"}
SLURM = {"--job-name", "--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task"}
SLURM |= {"--time", "--requeue", "--signal"}
MEASURING = {"--paper"}  # of tests/measure
MOST_LINES = 180  # that a newcomer reads to the end
# The examples run with the pages' options, but in seconds.
FAST = {"hidden_size": 16, "max_steps": 4, "batch_size": 4, "seq_length": 16, "precision": "fp32"}
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@cache
def content(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", content(page), re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[tuple[str, str]]:
    """Each command after a `$`, with the output that the page shows for it."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder such as a reader may have, and fast presets."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHARLM_RUNS_DIR", "CHARLM_OFFLINE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(PRESETS, "quick", FAST)
    monkeypatch.setitem(PRESETS, "d2l", {**PRESETS["d2l"], "hidden_size": 16, "epochs": 1})
    novella = (ROOT / "data" / "time-traveller.txt").read_text()
    (tmp_path / "book.txt").write_text(novella[:4000])
    (tmp_path / "openings.txt").write_text("the time traveller\nthe medical man\n")
    rows = [f"a {word} film,{label}" for word, label in (("lovely", "good"), ("dull", "bad"))]
    (tmp_path / "reviews.csv").write_text("\n".join(["review,sentiment", *rows * 30]) + "\n")
    houses = (ROOT / "data" / "houses.csv").read_text().splitlines()[:80]
    (tmp_path / "houses.csv").write_text("\n".join(houses) + "\n")
    days = (ROOT / "data" / "series.csv").read_text().splitlines()
    (tmp_path / "series.csv").write_text("\n".join(days[:200]) + "\n")
    (tmp_path / "sales.csv").write_text("\n".join(days[:200]) + "\n")
    stars = [f"a {word} film,{n}" for word, n in (("lovely", 5), ("dull", 2))]
    (tmp_path / "ratings.csv").write_text("\n".join(["review,stars", *stars * 30]) + "\n")
    names = sorted(f"{a}n{b}" for a in ("a", "e", "ja", "li") for b in ("a", "na", "e", "ia", "is"))
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    (settings,) = blocks("docs/settings-file.md", "toml")
    (tmp_path / "run.toml").write_text(settings)
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


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)])
def test_every_example_works(page: str, reader: Path) -> None:
    run("charlm train --cell gru")
    for command, shown in examples(page):
        out = run(command)
        if shown.strip() and command.split()[1] in ("corpus", "vocab"):
            assert trimmed(shown) == trimmed(out), command


def trimmed(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_there_are_examples() -> None:
    assert sum(len(examples(page)) for page in PAGES) > 30
    assert blocks("README.md", "python")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_examples_work(
    page: str, reader: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {})
    out = capsys.readouterr().out
    begins = {
        "docs/training.md": "done\n",
        "docs/labels.md": "good\n",
        "docs/numbers.md": "",
        "docs/copying.md": "0.",
    }
    begins["docs/several-processes.md"] = ""
    begins["docs/settings-file.md"] = "# Trains the run 'third' again"
    assert out.startswith(begins.get(page, "time"))


@pytest.mark.skipif(os.name == "nt", reason="these are pipes of a POSIX shell")
def test_the_pipes_work(reader: Path) -> None:
    run("charlm train book.txt --run mine")
    lines = next(
        block for page in PAGES for block in blocks(page, "sh") if "|" in block
    ).splitlines()
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


# Click's classes, which newer versions of typer bring themselves.
Command = Any


def commands(command: Command, name: str = "charlm") -> Iterator[tuple[str, Command]]:
    """All commands below one, by what is typed for them."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for word, each in inner.items():
        yield from commands(each, f"{name} {word}")


def test_every_command_stands_on_a_page() -> None:
    everything = "".join(map(content, PAGES))
    names = [name for name, _ in commands(typer.main.get_command(app))]
    assert len(names) >= 11
    for name in names:
        assert name in everything, name


@pytest.mark.parametrize("page", PAGES)
def test_every_option_on_a_page_exists(page: str) -> None:
    root: Any = typer.main.get_command(app)
    everywhere = {"--help", "--logdir"}  # the last one is TensorBoard's
    everywhere |= TORCHRUN | SLURM | MEASURING
    everywhere |= {name for each in root.params for name in each.opts}
    known = everywhere.union(
        spelling
        for _, command in commands(typer.main.get_command(app))
        for parameter in command.params
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    )
    ours = re.sub(r"(?m)^#SBATCH.*$", "", content(page))  # Slurm's options in scripts
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours))
    assert not named - known


def test_the_commands_that_install_and_test_are_the_ones_that_work() -> None:
    install, *_, test = (block.strip() for block in blocks("README.md", "sh"))
    assert install == "pip install . && charlm train --cell gru"
    assert test == "pip install -e '.[dev]' && pytest -n auto"
    assert (
        "pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'"
        in (ROOT / ".ci" / "run").read_text()
    )


# How pages hang together


def links(page: str) -> list[str]:
    """Where a page's links lead, but those to other sites."""
    prose = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", content(page)))
    found = re.findall(r"\]\(([^)\s]*)\)", prose)
    return [each for each in found if not re.match(r"[a-z]+:", each)]


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", BLOCK.sub("", content(page)), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = next(n for n in range(len(found) + 1) if numbered(anchor, n) not in found)
        found.add(numbered(anchor, number))
    return found


def numbered(anchor: str, number: int) -> str:
    """Of several headings that read alike, all but the first have a number."""
    return f"{anchor}-{number}" if number else anchor


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert target.resolve().is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


def test_every_page_is_linked_from_the_readme() -> None:
    assert len(DOCS) > 5
    assert set(DOCS) <= set(links("README.md"))


def test_the_readme_is_short() -> None:
    assert len(content("README.md").splitlines()) <= MOST_LINES
