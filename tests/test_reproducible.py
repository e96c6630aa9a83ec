"""What docs/reproducible.md says: which numbers stay the same, bit for bit, and which do not.

Each training is a process of its own, as users have it. Those that compile anew are slow.
"""

import ast
import re
from pathlib import Path

import pytest
from needs import needs_compiled_code
from reproducible import THREADS, Way, difference, train

from charlm.presets import resolve

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproducible.md"
SETTINGS = ("--max-steps", "6", "--eval-every", "3", "--hidden-size", "24")
# Sums of float32 in another order differ by roundings of about 6e-8, which grow with the steps; a
# step moves a weight by no more than the learning rate.
ROUNDED = 6 * resolve("quick", cell="gru").train.learning_rate / 100
SAME = [
    Way("once more"),
    Way("another name", (*THREADS, "--run", "other")),
    Way("quiet", (*THREADS, "--quiet", "--plot", "curves.svg")),
]


def test_the_same_seed_gives_the_same_weights_whatever_is_shown(tmp_path: Path) -> None:
    usual = train(Way("usual"), tmp_path / "usual", *SETTINGS)
    for way in SAME:
        assert difference(usual, train(way, tmp_path / way.what, *SETTINGS)) == 0, way.what


@pytest.mark.slow
def test_a_logger_changes_nothing(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    usual = train(Way("usual"), tmp_path / "usual", *SETTINGS)
    logged = Way("logged", (*THREADS, "--log-to", "tensorboard"))
    assert difference(usual, train(logged, tmp_path / "logged", *SETTINGS)) == 0


@pytest.mark.slow
def test_code_that_is_compiled_anew_computes_the_same(tmp_path: Path) -> None:
    needs_compiled_code()
    fused = ("--backend", "fused", *THREADS)
    usual = train(Way("usual", fused), tmp_path / "usual", *SETTINGS)
    cold = Way("cold", fused, {"NUMBA_CACHE_DIR": str(tmp_path / "cache")})
    for when in ("first", "then"):
        assert difference(usual, train(cold, tmp_path / when, *SETTINGS)) == 0, when


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        Way("2 threads", ("--threads", "2")),
        Way("scratch", (*THREADS, "--backend", "scratch")),
        Way("builtin", (*THREADS, "--backend", "builtin")),
        Way("no compiled code", THREADS, {"CHARLM_KERNELS": "off"}),
        Way("generic", THREADS, {"CHARLM_KERNELS": "generic"}),
        Way("narrow vectors", THREADS, {"ATEN_CPU_CAPABILITY": "default"}),
    ],
    ids=lambda way: way.what,
)
def test_what_rounds_otherwise_comes_near(way: Way, tmp_path: Path) -> None:
    usual = train(Way("usual"), tmp_path / "usual", *SETTINGS)
    assert difference(usual, train(way, tmp_path / "other", *SETTINGS)) < ROUNDED


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 10
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
        assert name in functions, f"{file} has no {name}"


def test_every_row_of_the_page_says_what_it_rests_on() -> None:
    """A test, or by how much it is untrue."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    told = [[cell.strip() for cell in line[1:-1].split("|")] for line in rows]
    told = [cells for cells in told if cells[-1] != "tested by"]
    assert len(told) > 15
    for cells in told:
        line = " | ".join(cells)
        assert len(cells) == 3, line
        assert "tests/" in cells[2], line
        assert cells[1].startswith(("yes", "no")), line
        assert cells[1].startswith("yes") or re.search(r"\d", cells[1]), line
