"""The activity of every unit and every gate while a model reads a text."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.machine.threads import tuned_threads
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import Cell, LayerWeights, State
from charlm.scoring.exact import CHUNK, to_column
from charlm.text.vocabulary import Ids

Array = npt.NDArray[np.float32]
# Of one layer, arrays (characters, H) by name: "h", for some cells "C", and each gate.
LayerActivity = Mapping[str, Array]
# Numbers held at once, 400 MB of float32; of a large net less text is read.
MOST_NUMBERS = 100_000_000


@torch.no_grad()
def record_activity(
    model: LanguageModel, ids: Ids, report: ProgressCallback = ignore_progress
) -> list[LayerActivity]:
    """What each layer holds after reading each character, from a state of zeros.

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
            for start in range(0, len(ids), CHUNK):
                started, piece = time.perf_counter(), to_column(device, ids[start : start + CHUNK])
                layers, state = read(model, piece, state)
                tuner.record_step(len(piece), time.perf_counter() - started)
                stop = start + len(piece)
                for kept, new in zip(found, layers, strict=True):
                    for name, values in new.items():
                        if name not in kept:
                            kept[name] = np.empty((len(ids), values.shape[1]), np.float32)
                        kept[name][start:stop] = values.cpu().numpy()
                report(stop, len(ids))
    finally:
        model.train(was_training)
    return list(found)


def read(
    model: LanguageModel, ids: Tensor, state: State
) -> tuple[list[dict[str, Tensor]], State]:
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
    for step in zip(*(gate.split(1) for gate in gates), strict=True):
        state = cell.update(step, state)
        found.append(state[1])
    return torch.cat(found)
