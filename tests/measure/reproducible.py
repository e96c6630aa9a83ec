"""Train one run in many ways, and print how far the weights come from each other, as a table.

    python tests/measure/reproducible.py [--steps N] [--hidden-size N] [--cold N]

Each way is a process of its own. The difference is the largest of any weight after the last step,
in the run's `last/`; 0 means the same bits. `--cold N` trains N times with an empty cache of
compiled code too. The figures stand in docs/reproducible.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

Weights = Mapping[str, np.ndarray]
# A cell that all backends have: in place of the usual one some would choose another.
SETTINGS = ("--cell", "gru")
SETTINGS += ("--embedding-size", "16", "--batch-size", "8", "--seq-length", "16", "--seed", "3")
SETTINGS += ("--train-characters", "20000", "--val-characters", "2000", "--precision", "fp32")
THREADS = ("--threads", "1")


class Way(NamedTuple):
    """A way to train: options beside the usual ones, and variables of the environment."""

    what: str
    options: tuple[str, ...] = THREADS
    variables: Mapping[str, str] = {}


WAYS = (
    Way("once more"),
    Way("another name and folder", (*THREADS, "--run", "other")),
    Way("quiet, with a picture", (*THREADS, "--quiet", "--plot", "curves.svg")),
    Way("another evaluation frequency", (*THREADS, "--eval-every", "7")),
    Way("2 threads", ("--threads", "2")),
    Way("4 threads", ("--threads", "4")),
    Way("as many threads as are fastest", ()),
    Way("backend scratch", (*THREADS, "--backend", "scratch")),
    Way("backend builtin", (*THREADS, "--backend", "builtin")),
    Way("backend fused", (*THREADS, "--backend", "fused")),
    Way("precision bf16", (*THREADS, "--precision", "bf16")),
    Way("precision fp16", (*THREADS, "--precision", "fp16")),
    Way("no compiled code", THREADS, {"CHARLM_KERNELS": "off"}),
    Way("CHARLM_KERNELS=generic", THREADS, {"CHARLM_KERNELS": "generic"}),
    Way("torch held to AVX2", THREADS, {"ATEN_CPU_CAPABILITY": "avx2"}),
    Way("torch without vectors", THREADS, {"ATEN_CPU_CAPABILITY": "default"}),
)


def train(way: Way, folder: Path, *settings: str) -> Weights:
    """The weights after the last step of a training in a process of its own."""
    folder.mkdir(parents=True)
    name = () if "--run" in way.options else ("--run", "usual")
    command = [sys.executable, "-m", "charlm", "train", *name, "--runs-dir", str(folder)]
    fixed = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # so that --threads alone decides
    usual = {name: value for name, value in os.environ.items() if name not in fixed}
    done = subprocess.run(
        [*command, *SETTINGS, *settings, *way.options],
        cwd=folder,
        env={**usual, **way.variables},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{way.what}: {done.stderr}")
    (found,) = folder.glob("*/last/model.safetensors")
    return load_file(found)


def difference(one: Weights, other: Weights) -> float:
    """The largest difference of any weight; 0 if all bits are the same."""
    if all(one[name].tobytes() == other[name].tobytes() for name in one):
        return 0.0
    gaps = (np.abs(one[name] - other[name], dtype=np.float64).max() for name in one)
    return max(float(max(gaps)), float(np.finfo(np.float64).tiny))


def differences(folder: Path, ways: tuple[Way, ...], *settings: str) -> Iterator[tuple[str, float]]:
    """How far each way comes from the usual one."""
    usual = train(Way("the usual one"), folder / "usual", *settings)
    for number, way in enumerate(ways):
        yield way.what, difference(usual, train(way, folder / str(number), *settings))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--cold", type=int, default=0)
    given = parser.parse_args()
    settings = ("--max-steps", str(given.steps), "--hidden-size", str(given.hidden_size))
    with tempfile.TemporaryDirectory() as folder:
        cold = tuple(
            Way(f"compiled anew, {n}", THREADS, {"NUMBA_CACHE_DIR": f"{folder}/cache-{n}"})
            for n in range(given.cold)
        )
        for what, gap in differences(Path(folder), (*WAYS, *cold), *settings):
            print(f"{what:32} {gap:.1e}" if gap else f"{what:32} 0", flush=True)


if __name__ == "__main__":
    main()
