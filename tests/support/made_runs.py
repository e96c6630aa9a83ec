"""Runs of a language model whose settings and metrics a test makes up."""

import json
import shutil
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any

OLD = Path(__file__).resolve().parents[1] / "runs" / "old_runs" / "gru"


def row(step: int, train: float | None, held_out: float | None, **more: Any) -> dict[str, Any]:
    """An evaluation after so many steps of 100 characters and 3 seconds each."""
    held: dict[str, Any] = {}
    if held_out is not None:
        held = {"characters": 10, "nats": 10 * held_out, "nats_per_character": held_out}
        held |= {"bits_per_character": 7.0, "perplexity": exp(held_out)}
    return {
        "step": step,
        "train_nats_per_character": train,
        "trained_characters": 100,
        "gradient_norm": 0.5,
        "learning_rate": 0.001,
        "seconds": 3.0 * step,
        **held,
        **more,
    }


def make_run(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], **settings: Any) -> Path:
    """A run with these rows; settings of the model or of training may be changed."""
    path = folder / name
    shutil.copytree(OLD, path)
    record = json.loads((path / "run.json").read_text())
    for section in ("model", "train"):
        record[section] |= {k: v for k, v in settings.items() if k in record[section]}
    (path / "run.json").write_text(json.dumps({**record, "name": name, "status": "done"}))
    lines = [json.dumps(each) + "\n" for each in rows]
    (path / "metrics.jsonl").write_text("".join(lines))
    return path
