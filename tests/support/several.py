"""Trainings in this process, and the same by several that torchrun starts once for all of them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Case = dict[str, Any]


def train_case(case: Case, folder: Path, world: Any = None) -> None:
    """Train one run, or go on with it; a case is what `charlm.train` or `charlm.resume` takes."""
    import charlm
    from charlm.distributed.world import ALONE

    options = {**case, "runs_dir": folder, "world": world or ALONE, "device": "cpu"}
    source = options.pop("source", None)
    if "resume" in options:
        charlm.resume(options.pop("resume"), **options)
    else:
        charlm.train(source, **options)


def train_in_one(cases: Sequence[Case], folder: Path) -> None:
    """Train them in this process."""
    for case in cases:
        train_case(case, folder)


def train_in_several(cases: Sequence[Case], folder: Path, processes: int) -> None:
    """Train them in so many processes, one case after the other."""
    file = folder / "cases.json"
    folder.mkdir(exist_ok=True)
    file.write_text(json.dumps(list(cases)), "utf-8")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))
    finished = subprocess.run(
        [sys.executable, *launcher, __file__, str(file)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr


def figures(run: Path) -> list[dict[str, float]]:
    """The numbers of each evaluation that no clock has to do with."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [
        {n: v for n, v in row.items() if isinstance(v, int | float) and "second" not in n}
        for row in rows
    ]


def arrays(run: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All that `last` holds: weights, optimizer, recurrent state, sums and generators."""
    from safetensors.numpy import load_file

    files = ("model", "training")
    loaded = [load_file(run / "last" / f"{name}.safetensors") for name in files]
    return {
        f"{file}/{name}": a
        for file, each in zip(files, loaded, strict=True)
        for name, a in each.items()
    }


def main() -> None:
    """One of the processes."""
    from charlm.distributed.several import joined

    file = Path(sys.argv[1])
    with joined() as world:
        for case in json.loads(file.read_text("utf-8")):
            train_case(case, file.parent, world)


if __name__ == "__main__":
    main()
