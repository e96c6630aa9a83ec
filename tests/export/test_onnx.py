"""The ONNX file computes what the model does, for every cell in every variant."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from portable import CONFIGS, ENTRIES, H, V, logits_and_states, made, run_of
from tolerances import alike

import charlm
from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.export import export
from charlm.generation.numpy_cells import STEPS as NUMPY_STEPS
from charlm.rnn.cells import CELLS, make_cell

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from charlm.export.onnx_cells import STEPS
from charlm.export.onnx_model import state_names

# So near a file has to come to float64, after each of so many steps.
NEAR, T = 1e-5, 12


def session(content: bytes) -> Any:
    """A runtime that computes with one thread, as everything here is tiny."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def test_every_cell_has_a_step_and_the_names_of_its_state() -> None:
    assert STEPS.keys() == CELLS.keys() == NUMPY_STEPS.keys()
    for cell in CELLS:
        assert state_names(cell) == make_cell(ModelConfig(cell=cell)).state_names


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("N", [1, 3])
def test_onnxruntime_computes_the_models_logits_and_states(
    name: str, N: int, tmp_path: Path
) -> None:
    config = CONFIGS[name]
    model = made(config)
    runs = session(export(run_of(tmp_path, model), "onnx"))
    ids = np.random.default_rng(N).integers(0, V, (T, N))
    expected, last = logits_and_states(model, ids)
    assert expected.std() > 0.1  # else any logits would do
    names = [each.name for each in runs.get_inputs()][1:]
    shape = (config.num_layers, N, H)
    state = {each: np.zeros(shape, np.float32) for each in names}
    for t in range(T):
        logits, *after = runs.run(None, {"ids": ids[t], **state})
        state = dict(zip(names, after, strict=True))
        assert logits.shape == (N, V)
        np.testing.assert_allclose(logits, expected[t], rtol=NEAR, atol=NEAR)
    for ours, theirs in zip(state.values(), last, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=NEAR, atol=NEAR)


def test_saturated_gates_stay_numbers(tmp_path: Path) -> None:
    for number, cell in enumerate(CELLS):
        model = made(ModelConfig(V, cell, H))
        for weight in model.rnn.parameters():
            weight.data *= 1e4
        runs = session(export(run_of(tmp_path / str(number), model), "onnx"))
        ids = np.array([[3], [4]])
        expected, _ = logits_and_states(model, ids)
        names = [each.name for each in runs.get_inputs()][1:]
        state = {each: np.zeros((1, 1, H), np.float32) for each in names}
        for t in range(2):
            logits, *after = runs.run(None, {"ids": ids[t], **state})
            state = dict(zip(names, after, strict=True))
            np.testing.assert_allclose(logits, expected[t], **alike(2, H + V))


def test_a_file_says_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    run = run_of(tmp_path, made(CONFIGS["lstm-layers"]), "lower")
    model = onnx.load_from_string(export(run, "onnx"))
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        each.name: [size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    state = [3, "N", H]
    assert shapes == {
        "ids": ["N"],
        **dict.fromkeys(("h", "C"), state),
        "logits": ["N", V],
        **dict.fromkeys(("next_h", "next_C"), state),
    }
    assert all(each.doc_string for each in (*model.graph.input, *model.graph.output))
    about = {each.key: each.value for each in model.metadata_props}
    assert json.loads(about["vocabulary"]) == ["<unk>", *ENTRIES]
    assert about["normalization"] == "lower"
    assert json.loads(about["model"])["cell"] == "lstm"
    weights = {each.name for each in model.graph.initializer}
    assert run.load_weights().keys() <= weights
    # Nothing of the machine that it was made on.
    assert str(tmp_path).encode() not in export(run, "onnx")


def test_the_same_run_makes_the_same_file(tmp_path: Path) -> None:
    run = run_of(tmp_path, made(CONFIGS["gru-layers"]))
    assert export(run, "onnx") == export(run, "onnx") == charlm.Run(run).export("onnx")


def test_without_the_package_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, made(CONFIGS["rnn-one-hot"]))
    monkeypatch.delitem(sys.modules, "charlm.export.onnx_model", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match="pip install onnx"):
        export(run, "onnx")
    monkeypatch.delitem(sys.modules, "charlm.export.onnx_model", raising=False)
