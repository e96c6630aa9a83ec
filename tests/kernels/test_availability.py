"""CHARLM_KERNELS, and machines without numba; each in a process of its own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from needs import UNCOMPILED, compiles

# Trains, scores, and writes a text for which compiled code would pay.
EVERYTHING = """
import sys
import charlm
from charlm.generation.choice import LONG
settings = {"hidden_size": 8, "max_steps": 3, "train_characters": 2000, "val_characters": 300}
for cell in ("rnn", "gru", "lstm", "mogrifier", "mingru", "minlstm"):
    for precision in ("fp32", "bf16"):
        run = charlm.train(
            runs_dir=sys.argv[1], run=cell + precision, cell=cell, precision=precision, **settings
        )
        assert run.directory.record.backend != "fused"
        assert 0 < run.evaluate().score.nats_per_character < 5
text = charlm.load("grufp32", runs_dir=sys.argv[1]).generate(length=LONG, seed=0)
print(len(text) > 1000, sys.modules.get("numba") is not None)
"""
MISSING = "import sys; sys.modules['numba'] = None\n"
BROKEN = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("numba."):
            raise ImportError("Numba needs another NumPy")
sys.meta_path.insert(0, Finder())
"""


def python(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "default::DeprecationWarning",
            "-c",
            script,
            *arguments,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "choice"),
    [("", "off"), (MISSING, "auto"), (BROKEN, "auto"), (MISSING, "generic")],
    ids=["off", "no numba", "broken numba", "generic without numba"],
)
def test_everything_works_where_nothing_is_compiled(
    before: str, choice: str, tmp_path: Path
) -> None:
    finished = python(before + EVERYTHING, str(tmp_path), CHARLM_KERNELS=choice)
    assert (finished.returncode, finished.stdout) == (0, "True False\n"), finished.stderr


STATE = """
from charlm import kernels
from charlm.kernels import tiles
print(kernels.available(), kernels.has_bfloat16(32, 32), tiles.registers() == (16, 4))
"""


@pytest.mark.skipif(not compiles(), reason=UNCOMPILED)
def test_generic_compiles_without_products_in_bfloat16() -> None:
    finished = python(STATE, CHARLM_KERNELS="generic")
    assert finished.stdout.startswith("True False"), finished.stderr
    # As numba is told, so are the products: no vectors that a generic processor lacks.
    finished = python(STATE, CHARLM_KERNELS="auto", NUMBA_CPU_NAME="generic")
    assert finished.stdout == "True False True\n", finished.stderr


@pytest.mark.skipif(find_spec("charlm.kernels") is None, reason="the folder is gone")
@pytest.mark.parametrize("command", ["train", "generate", "eval", "bench", "compress"])
def test_any_other_value_is_one_sentence(command: str, tmp_path: Path) -> None:
    run = "import sys, charlm; charlm.train(runs_dir=sys.argv[1], hidden_size=2, max_steps=1)"
    assert python(run, str(tmp_path)).returncode == 0
    main = "import sys; from charlm.cli import main; main(sys.argv[1:])"
    where = {"bench": ("--quick",), "compress": (__file__,)}
    words = where.get(command, ("--runs-dir", str(tmp_path)))
    finished = python(main, command, *words, CHARLM_KERNELS="fast")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "CHARLM_KERNELS cannot be 'fast'" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(list(tmp_path.iterdir())) == 1
