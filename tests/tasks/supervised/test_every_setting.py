"""Each setting of tasks on tables changes what comes out, or is an error that names it.

As `tests/sessions/test_every_option.py` asks of language models.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import charlm
from charlm.errors import SettingError, TrainingError
from charlm.presets import setting_names
from charlm.tasks.registry import TASKS

ROWS = 96
# Scores that go up and down, so that patience and averages have something to do.
BASE: dict[str, Any] = {
    "hidden_size": 5,
    "batch_size": 7,
    "max_steps": 14,
    "eval_every": 1,
    "learning_rate": 0.8,
    "precision": "fp32",
    "clip_norm": 0.0,
}
LABELS: dict[str, Any] = {"task": "classification", "text_column": "text", "label_column": "label"}
NUMBERS: dict[str, Any] = {"task": "regression", "target_column": "y", "input_columns": "a,b"}
SITUATIONS: dict[str, dict[str, Any]] = {
    "characters": {**LABELS, "embedding_size": 4},
    "one-hot characters": {**LABELS, "embedding_size": 0},
    "words": {**LABELS, "embedding_size": 4, "units": "words"},
    "rows": {**NUMBERS},
    "series": {**NUMBERS, "window": 4, "time_column": "t"},
    "texts": {"task": "regression", "target_column": "y", "text_column": "text"},
}
OFTEN = ("words", "series")
VALUES: dict[str, Any] = {
    "plateau_patience": 2,
    "plateau_factor": 0.25,
    "min_learning_rate": 0.01,
    "encoding": "latin-1",
    "min_count": 60,
    "val_fraction": 0.3,
    "test_fraction": 0.2,
    "text_column": "other",
    "units": "words",
    "normalize": "letters",
    "lower": True,
    "max_vocabulary": 3,
    "max_length": 2,
    "test": "held.csv",
    "val": "held.csv",
    "split_column": "sort",
    "group_column": "group",
    "folds": 3,
    "fold": 2,
    "drop_duplicates": True,
    "label_column": "label2",
    "pretrained_vectors": "vectors.txt",
    "class_weights": "balanced",
    "threshold": 0.2,
    "choose_threshold": True,
    "target_column": "y2",
    "input_columns": "a",
    "window": 3,
    "horizon": 2,
    "time_column": "t2",
    "standardize": "none",
    "missing": "drop",
    "cell": "lstm",
    "hidden_size": 6,
    "num_layers": 2,
    "embedding_size": 3,
    "tie_weights": True,
    "reset_after": False,
    "capped_gate": True,
    "layer_norm": True,
    "mogrifier_rounds": 2,
    "mogrifier_rank": 3,
    "input_dropout": 0.5,
    "dropout": 0.5,
    "output_dropout": 0.4,
    "weight_drop": 0.4,
    "zoneout": 0.5,
    "bidirectional": True,
    "encoder_pooling": "mean",
    "batch_size": 5,
    "optimizer": "adam",
    "learning_rate": 0.25,
    "schedule": "linear",
    "warmup_steps": 30,
    "weight_decay": 0.7,
    "momentum": 0.5,
    "ema_decay": 0.5,
    "average_after": 1,
    "clip_norm": 0.01,
    "initialization": "normal",
    "epochs": 1,
    "max_steps": 9,
    "max_minutes": 1e-9,
    "eval_every": 5,
    "patience": 1,
    "precision": "bf16",
    "cuda_graphs": True,
    "seed": 7,
    "adversarial": 0.9,
    "freeze": True,
}
# Where a situation has that value already.
OTHER = {"units": "characters", "input_dropout": 0.0, "cuda_graphs": True}
LONGER = {"epochs": {"max_steps": None}, "max_minutes": {"max_steps": None}}
# Nothing is missing in these rows, and what is read of rows of numbers is ASCII.
NOTHING_TO_DO = {("missing", each) for each in ("rows", "series", "texts")}
NOTHING_TO_DO |= {("encoding", each) for each in ("rows", "series")}


def table(rows: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    words = ["Good", "bad", "fine", "dull", "é", "so", "so so"]
    made = []
    for i in range(rows):
        text = " ".join(words[k] for k in random.integers(0, len(words), random.integers(2, 6)))
        a, b = random.normal(size=2)
        made.append(
            {
                "text": text if i % 3 else "Good bad so",
                "other": text[::-1] + "!",
                "label": "xy"[int(random.random() < 0.3)],
                "label2": "pq"[int(random.random() < 0.5)],
                "a": a,
                "b": b,
                "y2": a - b,
                "y": 3 * a + b + random.normal(),
                "t": i,
                "t2": rows - i,
                "sort": ("val", "train", "train", "test")[i * 4 // rows],
                "group": f"g{i // 12}",
            }
        )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    for name, rows, seed in (("all.csv", ROWS, 0), ("held.csv", 24, 1)):
        made = table(rows, seed)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(made[0]))
            writer.writeheader()
            writer.writerows(made)
    (folder / "vectors.txt").write_text("fine 1 2 3 4\ndull 4 3 2 1\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    """What situations leave by themselves, filled as they are met."""
    return {}


def left_by(run: charlm.Run) -> Any:
    """All that training left, but for settings, names and the clock."""
    clock = {"seconds", "texts_per_second", "rows_per_second", "peak_memory"}
    rows = [{n: v for n, v in row.items() if n not in clock} for row in run.metrics()]
    result = {n: v for n, v in run.result.items() if n not in clock}
    arrays = {
        f"{path.relative_to(run.path)} {name}": (each.shape, each.tobytes())
        for path in sorted(run.path.rglob("*.safetensors"))
        for name, each in load_file(path).items()
    }
    files = {
        path.name: path.read_text(encoding="utf-8")
        for path in run.path.glob("*.json")
        if path.name != "run.json"
    }
    record = run.directory.record
    return rows, result, arrays, files, record.splits, record.status


def train(folder: Path, situation: str, **settings: Any) -> charlm.Run:
    values = {**BASE, **SITUATIONS[situation], **settings}
    return charlm.train(folder / "all.csv", **{"runs_dir": folder / "runs", **values})


def names_of(situation: str) -> list[str]:
    sections = TASKS[SITUATIONS[situation]["task"]].run_type.sections()
    return [n for n in setting_names(sections) if n not in ("input_size", "output_size")]


CASES = [
    pytest.param(
        situation,
        name,
        marks=() if situation in OFTEN else pytest.mark.slow,
        id=f"{situation}-{name}",
    )
    for situation in SITUATIONS
    for name in names_of(situation)
    if (name, situation) not in NOTHING_TO_DO
]


def test_every_setting_has_a_value_here() -> None:
    assert {name for situation in SITUATIONS for name in names_of(situation)} == VALUES.keys()


@pytest.mark.parametrize(("situation", "name"), CASES)
def test_a_setting_is_used_or_an_error_that_names_it(
    situation: str,
    name: str,
    folder: Path,
    before: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    if situation not in before:
        plain = train(folder, situation, run="plain", runs_dir=folder / situation)
        before[situation] = left_by(plain)
    value, now = VALUES[name], charlm.load("plain", runs_dir=folder / situation)
    sections = vars(now.directory.settings).values()
    if any(getattr(each, name, None) == value for each in sections):
        value = OTHER.get(name, not value)
    try:
        run = train(folder, situation, **{name: value}, **LONGER.get(name, {}))
    except SettingError as error:
        # What the situation asked for by name may be what no longer does anything.
        assert error.setting in (name, *SITUATIONS[situation])
    except TrainingError:
        pass  # At a rate as high as here it diverges by this setting, as it did not before.
    else:
        assert left_by(run) != before[situation]
