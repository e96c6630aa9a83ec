"""A safetensors file holds a run's weights under torch's names, and what they stand for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_runner import charlm as command
from portable import CONFIGS, ENTRIES, V, logits_and_states, made, run_of
from safetensors import safe_open

from charlm.errors import UsageError
from charlm.export import FORMATS, export
from charlm.tasks.registry import TASKS, find_run
from charlm.text.catalog import CATALOG

SMALL = ("--hidden-size", "6", "--max-steps", "4", "--batch-size", "8", "--precision", "fp32")
TORCHS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def opened(content: bytes, folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    file = folder / "exported.safetensors"
    file.write_bytes(content)
    with safe_open(file, "pt") as tensors:
        names = tensors.keys()  # it is no dictionary
        return {name: tensors.get_tensor(name) for name in names}, tensors.metadata()


@pytest.mark.parametrize("cell", TORCHS)
def test_torchs_own_layers_load_it_and_compute_the_same(cell: str, tmp_path: Path) -> None:
    model = made(CONFIGS[f"{cell}-layers"])
    weights, about = opened(export(run_of(tmp_path, model), "safetensors"), tmp_path)
    settings = json.loads(about["model"])
    sizes = (settings[name] for name in ("embedding_size", "hidden_size", "num_layers"))
    layers = TORCHS[cell](*sizes).double()
    own = {k.removeprefix("rnn."): v for k, v in weights.items() if k.startswith("rnn.")}
    layers.load_state_dict(own)  # strictly
    ids = np.random.default_rng(0).integers(0, V, (9, 2))
    with torch.no_grad():
        out, _ = layers(weights["embedding.weight"].double()[ids])
        logits = out @ weights["output.weight"].double().T + weights["output.bias"]
    expected, _ = logits_and_states(model, ids)
    np.testing.assert_allclose(logits, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_of_every_cell_are_the_runs(name: str, tmp_path: Path) -> None:
    run = run_of(tmp_path, made(CONFIGS[name]), "lower")
    weights, about = opened(export(run, "safetensors"), tmp_path)
    kept = run.load_weights()
    assert weights.keys() == kept.keys()
    for each, tensor in weights.items():
        np.testing.assert_array_equal(tensor.numpy(), kept[each])
    assert json.loads(about["vocabulary"]) == ["<unk>", *ENTRIES]
    assert about["normalization"] == "lower"
    assert json.loads(about["model"]) == run.record.model
    assert json.loads(about["train"]) == run.record.train
    assert about["run"] == "made"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of each task, called as the task, and one that was held out a file of its own."""
    folder = tmp_path_factory.mktemp("of every task")
    rows = [f"{word} film,{label}" for word, label in (("good", "+"), ("bad", "-"))] * 30
    (folder / "films.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (folder / "more.csv").write_text("\n".join(["text,label", *rows[:10]]) + "\n")
    numbers = np.random.default_rng(0).normal(size=(80, 2)).round(3).tolist()
    lines = [f"{a},{b},{a - b:.3f}" for a, b in numbers]
    (folder / "sums.csv").write_text("\n".join(["a,b,sum", *lines]) + "\n")
    films, sums = str(folder / "films.csv"), str(folder / "sums.csv")
    own: dict[str, tuple[str, ...]] = {
        "language-model": ("time-traveller", "--train-characters", "3000"),
        "classification": (films, "--task", "classification", "--val", str(folder / "more.csv")),
        "regression": (sums, "--task", "regression"),
    }
    assert own.keys() == TASKS.keys()
    for name, (source, *options) in own.items():
        where = ("--run", name, "--runs-dir", str(folder / "runs"))
        done = command("train", source, *options, *where, *SMALL)
        assert done.code == 0, done.err
    return folder / "runs"


@pytest.mark.parametrize("task", TASKS)
def test_runs_of_every_task_have_such_a_file(task: str, runs: Path, tmp_path: Path) -> None:
    run = find_run(task, runs)
    content = export(run, "safetensors")
    weights, about = opened(content, tmp_path)
    assert weights.keys() == run.load_weights().keys()
    assert about["task"] == task
    expected: dict[str, Any] = {
        "language-model": {
            "normalization": "letters",
            "licence": CATALOG["time-traveller"].licence,
        },
        "classification": {"labels": '["+", "-"]', "units": "characters"},
        "regression": {},
    }
    assert expected[task].items() <= about.items()
    if task == "regression":
        scaler = json.loads(about["scaler"])
        assert (scaler["columns"], scaler["target"]) == (["a", "b"], "sum")
    assert json.loads(about["score"])["split"] in ("val", "test")
    assert str(runs.parent).encode() not in content


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"language-model"}))
@pytest.mark.parametrize("to", sorted(set(FORMATS) - {"safetensors"}))
def test_files_that_write_text_are_for_language_models(task: str, to: str, runs: Path) -> None:
    with pytest.raises(UsageError, match=f"{task}.*language models.*Export it to safetensors"):
        export(find_run(task, runs), to)


def test_an_unknown_format_is_answered_with_the_nearest(runs: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'onnx'"):
        export(find_run("language-model", runs), "onxx")
