"""The activity of every unit and every gate while a model reads a text."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.gates import GATES
from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.machine.threads import tuned_threads
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import Cell, LayerWeights, State, make_cell
from charlm.scoring.exact import CHUNK, begins_document, pieces_of, to_column
from charlm.text.vocabulary import Ids

Array = npt.NDArray[np.float32]
# Of one layer, arrays (characters, H) by name: "h", for some cells "C", and each gate.
LayerActivity = Mapping[str, Array]
MEMORY = "tanh(C)"
# What is held at once: characters, and numbers, of which these take 500 MB in float32. But even of
# a large net as many characters as a search needs (`shift_test.py`).
MOST_CHARACTERS, MOST_NUMBERS, LEAST_CHARACTERS = 20_000, 125_000_000, 8_000


def activity_names(config: ModelConfig) -> tuple[str, ...]:
    """What can be looked at of a unit: tanh(C) where there is a C, h, its gates, its candidate.

    The first is looked at by default.
    """
    cell = make_cell(config)
    memory = (MEMORY,) if "C" in cell.state_names else ()
    return (*memory, "h", *(each for each in cell.gate_names if each != "h"))


def check_activity(config: ModelConfig, what: str | None) -> str:
    """The name of an activity, "C" standing for tanh(C), and None for the default.

    Raises:
        UsageError: the cell has none of that name.
    """
    names = activity_names(config)
    wanted = {None: names[0], "C": MEMORY}.get(what, what)
    if wanted not in names:
        kinds = ", ".join(names)
        raise UsageError(f"The cell {config.cell} has no activity '{what}'.", f"It has {kinds}.")
    return wanted


def activity_of(layer: LayerActivity, what: str) -> Array:
    """An activity by its name, (characters, H)."""
    return np.tanh(layer["C"]) if what == MEMORY else layer[what]


def range_of(cell: str, what: str, values: Array) -> tuple[float, float]:
    """Between which numbers an activity lies: 0 and 1 for gates, -1 and 1 for most states.

    The states of minGRU and minLSTM have no bounds: theirs are those of the values.
    """
    high = max(1.0, float(np.abs(values).max()))
    return 0.0 if what in GATES[cell] else -high, high


def characters_to_read(config: ModelConfig, wanted: int = MOST_CHARACTERS) -> int:
    """Of how many characters the activities are recorded at most: fewer of a large net."""
    cell = make_cell(config)
    names = {*cell.state_names, *cell.gate_names}
    numbers = config.num_layers * config.hidden_size * len(names)
    return min(wanted, max(LEAST_CHARACTERS, MOST_NUMBERS // numbers))


@torch.no_grad()
def record_activity(
    model: LanguageModel, ids: Ids, report: ProgressCallback = ignore_progress
) -> list[LayerActivity]:
    """What each layer holds after reading each character, from a state of zeros.

    Of a text made of documents each is read from a state of zeros.

    The outputs h are those that the model's backend computes when it scores. Gates and C follow
    from them by the cell's own equations.

    Args:
        ids: of the text, (characters,).
        report: called now and then with the number of characters read and the total.

    Returns:
        For each layer its activities by name, float32, (characters, H): the tensors of the state,
        and the gates as `Cell.gate_names` calls them, the candidate among them.
    """
    found: list[dict[str, Array]] = [{} for _ in range(model.config.num_layers)]
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        with tuned_threads(device.type) as tuner, matmul_precision("fp32"):
            state = model.initial_state(1)
            for start, stop in pieces_of(ids, CHUNK, model.config.document_id):
                started, piece = time.perf_counter(), to_column(device, ids[start:stop])
                if begins_document(model.config, ids[start]):
                    state = model.initial_state(1)
                layers, state = read(model, piece, state)
                tuner.record_step(len(piece), time.perf_counter() - started)
                for kept, new in zip(found, layers, strict=True):
                    for name, values in new.items():
                        if name not in kept:
                            kept[name] = np.empty((len(ids), values.shape[1]), np.float32)
                        kept[name][start:stop] = values.cpu().numpy()
                report(stop, len(ids))
    finally:
        model.train(was_training)
    return list(found)


def read(model: LanguageModel, ids: Tensor, state: State) -> tuple[list[dict[str, Tensor]], State]:
    """The activities of each layer by name, (T, H), and the state after ids (T, 1)."""
    vectors = None if model.embedding is None else model.embedding.weight
    stack, inputs, layers, last = model.rnn, ids, [], []
    for layer in range(model.config.num_layers):
        before = tuple(each[layer] for each in state)
        cell, given, weights = stack.prepare_layer(layer, inputs, vectors)
        inputs, after = BACKENDS[stack.backend].run_layer(cell, given, before, weights)
        last.append(after)
        layers.append(
            {"h": inputs[:, 0]}
            | beside_outputs(cell, stack.cell.gate_names, given, before, inputs, weights)
        )
    return layers, tuple(torch.stack(each) for each in zip(*last, strict=True))


def beside_outputs(
    cell: Cell,
    gate_names: Sequence[str],
    inputs: Tensor,
    before: State,
    outputs: Tensor,
    weights: LayerWeights,
) -> dict[str, Tensor]:
    """Gates and C of a layer by name, (T, H), given its outputs.

    Gates read of the state only h, which is known for all steps: so all of them are one product.

    Args:
        inputs: as of a backend's `run_layer`, of one stream.
        before: the state before the first step, tensors (1, H).
        outputs: (T, 1, H).
    """
    previous = torch.cat([before[0], outputs[:-1, 0]])
    # A gate that read more of the state than h would become NaN.
    unknown = tuple(torch.full_like(previous, torch.nan) for _ in before[1:])
    Wx = cell.input_projection(inputs, weights).to(previous.dtype)[:, 0]
    gates = cell.gates(Wx, (previous, *unknown), cell.prepare(weights))
    # The rnn's only gate is its new state.
    found = {name: gate for name, gate in zip(gate_names, gates, strict=True) if name != "h"}
    return found | ({"C": memory(cell, gates, before)} if unknown else {})


def memory(cell: Cell, gates: tuple[Tensor, ...], state: State) -> Tensor:
    """C after each step, (T, H), from all gates, each (T, H), and the state before the first."""
    found = []
    for step in zip(*(torch.split(gate, 1) for gate in gates), strict=True):
        state = cell.update(step, state)
        found.append(state[1])
    return torch.cat(found)
