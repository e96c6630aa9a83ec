"""What is recorded of units and gates is what the net computes."""

import numpy as np
import pytest
import torch
from needs import compiles
from tolerances import alike

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection import activity
from charlm.inspection.activity import activity_names, characters_to_read, record_activity
from charlm.inspection.gates import GATES
from charlm.inspection.shift_test import LEAST_CHARACTERS
from charlm.language_model import LanguageModel
from charlm.rnn.backends.choice import BACKENDS, available_backends
from charlm.rnn.cells import CELLS, Zoneout, make_cell

V, H, L, T = 9, 6, 2, 40
VARIANTS: list[dict[str, object]] = [
    {},
    {"layer_norm": True},
    {"zoneout": 0.3},
    {"reset_after": False},
    {"capped_gate": True},
    {"embedding_size": 4},
    {"mogrifier_rounds": 2},
]


def cases() -> list[tuple[ModelConfig, str]]:
    """Each cell in each variant that it has, on each backend that has it."""
    found = []
    for cell in CELLS:
        for variant in VARIANTS:
            if "reset_after" in variant and cell != "gru":
                continue
            if "capped_gate" in variant and cell not in ("lstm", "mogrifier"):
                continue
            if "mogrifier_rounds" in variant and cell != "mogrifier":
                continue
            values = {"vocabulary_size": V, "hidden_size": H, "num_layers": L, "cell": cell}
            try:
                config = ModelConfig(**{**values, **variant})  # type: ignore[arg-type]
            except UsageError:
                continue
            found += [(config, backend) for backend in available_backends(config, "cpu")]
    return found


CASES = cases()
NAMES = [f"{c.cell}-{c.layer_norm}-{c.zoneout}-{c.embedding_size}-{b}" for c, b in CASES]


def make(config: ModelConfig, backend: str) -> LanguageModel:
    model = LanguageModel(config, backend)
    model.initialize("uniform", 0)
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 3  # so that gates differ
    return model.train()


def some_ids(number: int = T) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(1).integers(V, size=number).astype(np.uint8)


def test_every_cell_is_there() -> None:
    assert {config.cell for config, _ in CASES} == set(CELLS)
    here = set(BACKENDS) if compiles() else {*BACKENDS} - {"fused"}
    assert {backend for _, backend in CASES} == here


@pytest.mark.parametrize(("config", "backend"), CASES, ids=NAMES)
@torch.no_grad()
def test_the_outputs_are_those_of_the_stack(config: ModelConfig, backend: str) -> None:
    model = make(config, backend)
    layers = record_activity(model, some_ids())
    assert model.training
    model.eval()
    ids = torch.from_numpy(some_ids().astype(np.int64))[:, None]
    outputs = model.hidden(ids, model.initial_state(1))[0][:, 0]
    torch.testing.assert_close(torch.from_numpy(layers[-1]["h"]), outputs, rtol=0, atol=0)


@pytest.mark.parametrize(("config", "backend"), CASES, ids=NAMES)
@torch.no_grad()
def test_everything_is_what_single_steps_give(config: ModelConfig, backend: str) -> None:
    model = make(config, backend)
    layers = record_activity(model, some_ids())
    vectors = torch.eye(V) if model.embedding is None else model.embedding.weight
    cell, inputs = make_cell(config), vectors[some_ids().astype(np.int64)]
    tolerance = alike(T, max(V, H, 40), L)
    for layer, recorded in enumerate(layers):
        stepped = Zoneout(cell, config.zoneout, False) if config.zoneout else cell
        weights = model.rnn.layer_weights(layer)
        Wx = cell.input_projection(inputs[:, None], weights)
        state = tuple(torch.zeros(1, H) for _ in cell.state_names)
        prepared, found = cell.prepare(weights), list[dict[str, torch.Tensor]]()
        for t in range(T):
            gates = stepped.gates(Wx[t], state, prepared)
            state = stepped.update(gates, state)
            named = dict(zip(cell.gate_names, gates, strict=True))
            found.append(named | dict(zip(cell.state_names, state, strict=True)))
        assert set(recorded) == {*cell.gate_names, *cell.state_names}
        for name, values in recorded.items():
            wanted = torch.cat([each[name] for each in found])
            torch.testing.assert_close(torch.from_numpy(values), wanted, **tolerance)
        inputs = torch.from_numpy(recorded["h"])


@pytest.mark.parametrize("cell", CELLS)
def test_windows_are_joined(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(ModelConfig(vocabulary_size=V, hidden_size=H, num_layers=L, cell=cell), "scratch")
    whole = record_activity(model, some_ids())
    monkeypatch.setattr(activity, "CHUNK", 7)
    said: list[tuple[int, int]] = []
    parts = record_activity(model, some_ids(), lambda *each: said.append(each))
    for one, other in zip(whole, parts, strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], **alike(T, 40, L))
    assert said[-1] == (T, T)
    assert len(said) == 6


@pytest.mark.parametrize("cell", CELLS)
def test_every_gate_has_a_meaning_and_lies_between_0_and_1(cell: str) -> None:
    """And what has none, the candidate, does not."""
    model = make(ModelConfig(vocabulary_size=V, hidden_size=H, cell=cell), "auto")
    recorded = record_activity(model, some_ids(400))[0]
    for name in recorded:
        within = recorded[name].min() >= 0 and recorded[name].max() <= 1
        assert within == (name in GATES[cell]), name


def test_names_come_with_the_default_first() -> None:
    assert activity_names(ModelConfig(cell="lstm")) == ("tanh(C)", "h", "i", "f", "g", "o")
    assert activity_names(ModelConfig(cell="gru")) == ("h", "r", "z", "n")
    assert activity_names(ModelConfig(cell="rnn")) == ("h",)


def test_what_is_held_is_bounded() -> None:
    small, large = (ModelConfig(cell="lstm", hidden_size=H, num_layers=2) for H in (512, 1024))
    assert characters_to_read(small) == 20_000
    assert characters_to_read(large) == 125_000_000 // (2 * 1024 * 6)
    huge = ModelConfig(cell="lstm", hidden_size=4096, num_layers=3)
    assert characters_to_read(huge) == 8_000 >= 2 * LEAST_CHARACTERS
