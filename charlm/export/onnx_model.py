"""The language model as an ONNX graph."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from charlm.config import ModelConfig
from charlm.errors import look_up
from charlm.export.description import metadata
from charlm.export.onnx_cells import STEPS, State, input_projection
from charlm.export.onnx_graph import Graph, Value, linear, model_of, normalize
from charlm.files.whole import Arrays
from charlm.rnn.names import by_letter
from charlm.tasks.language_modeling.run import LanguageModelRun

OPSET = 17  # the first with LayerNormalization


def state_names(cell: str) -> tuple[str, ...]:
    """Names of the tensors of a cell's state."""
    return ("h", "C") if cell in ("lstm", "mogrifier") else ("h",)


def make_model(run: LanguageModelRun) -> onnx.ModelProto:
    """A step of the run's model, for N texts side by side.

    Inputs: `ids` (N,), and for each tensor of the state `h` (L, N, H), for some cells also `C`.
    Outputs: `logits` (N, V) of the next ids, `next_h` and `next_C`. A text begins with zeros.
    Weights have torch's names.
    """
    config, graph = run.settings.model, Graph()
    names = state_names(config.cell)
    state = tuple(Value(graph, name) for name in names)
    logits, after = step(graph, config, run.load_weights(), Value(graph, "ids"), state)
    graph.rename(logits, "logits")
    for name, value in zip(names, after, strict=True):
        graph.rename(value, f"next_{name}")
    about = metadata(run)
    title = f"One time step of '{about['run']}', a model of the cell {config.cell}, made by charlm."
    return model_of(graph, *interface(config, names), "step", title, OPSET, about)


def interface(
    config: ModelConfig, state: tuple[str, ...]
) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    """The inputs and outputs of the graph, with what they are.

    Args:
        state: names of its tensors.
    """
    floats, shape = TensorProto.FLOAT, (config.num_layers, "N", config.hidden_size)
    about = {
        "h": "what the layers put out at the step before; zeros where a text begins; (L, N, H)",
        "C": "memories of the layers; zeros where a text begins; (L, N, H)",
    }
    ids = tensor("ids", TensorProto.INT64, ("N",), "the entry that each text reads; (N,)")
    score = "of the next entry; id 0, <unk>, is never written; (N, V)"
    logits = tensor("logits", floats, ("N", config.vocabulary_size), score)
    before = (tensor(name, floats, shape, about[name]) for name in state)
    after = (tensor(f"next_{name}", floats, shape, f"{name} for the next step") for name in state)
    return [ids, *before], [logits, *after]


def tensor(name: str, kind: int, shape: tuple[int | str, ...], about: str) -> onnx.ValueInfoProto:
    """An input or output of the graph; a size that is a word may be any."""
    return helper.make_tensor_value_info(name, kind, shape, doc_string=about)


def step(
    graph: Graph, config: ModelConfig, weights: Arrays, ids: Value, state: State
) -> tuple[Value, State]:
    """Logits (N, V), and the new state, tensors (L, N, H).

    Args:
        weights: by torch's names.
        ids: (N,).
        state: tensors (L, N, H).
    """
    named = {name: graph.constant(name, each) for name, each in sorted(weights.items())}
    cell, layers = look_up(STEPS, config.cell, "cell"), list[State]()
    for layer in range(config.num_layers):
        letters = by_letter(named, layer)
        if layer == 0:
            x = first_input(config, named, letters, ids)
        else:
            x = layers[-1][0]
            x = x if config.cell == "mogrifier" else input_projection(x, letters)
        number = graph.constant(f"layer {layer}", np.array(layer, np.int64))
        before = tuple(each.apply("Gather", number, axis=0) for each in state)
        after = cell(x, before, letters, config)
        layers.append(held(before, after, config.zoneout) if config.zoneout else after)
    out = layers[-1][0]
    if "projection.weight" in named:
        out = linear(out, named["projection.weight"])
    output = named["embedding.weight" if config.tie_weights else "output.weight"]
    logits = linear(out, output, named["output.bias"])
    return logits, tuple(stacked(graph, each) for each in zip(*layers, strict=True))


def first_input(
    config: ModelConfig, weights: Mapping[str, Value], letters: Mapping[str, Value], ids: Value
) -> Value:
    """What the first layer's cell reads: W x + b, (N, G·H); the Mogrifier x itself, (N, I)."""
    projects = config.cell != "mogrifier"
    if "embedding.weight" in weights:
        vectors = weights["embedding.weight"].apply("Gather", ids, axis=0)
        return input_projection(vectors, letters) if projects else vectors
    if not projects:
        size = ids.graph.constant("V", np.array([config.vocabulary_size], np.int64))
        off_and_on = ids.graph.constant("off and on", np.array([0, 1], np.float32))
        return ids.apply("OneHot", size, off_and_on)
    # The product with a one-hot vector is a column of the matrix.
    columns = letters["W"].apply("Transpose", perm=[1, 0]).apply("Gather", ids, axis=0)
    return normalize(columns, letters.get("gain_W")) + letters["b"]


def held(before: State, after: State, zoneout: float) -> State:
    """The expected state where each unit keeps its value with this probability."""
    return tuple(
        old + (new - old) * old.number(1 - zoneout) for old, new in zip(before, after, strict=True)
    )


def stacked(graph: Graph, layers: tuple[Value, ...]) -> Value:
    """Tensors (N, H), one for each layer, as one (L, N, H)."""
    axis = graph.constant("axis 0", np.array([0], np.int64))
    first, *others = (each.apply("Unsqueeze", axis) for each in layers)
    return first.apply("Concat", *others, axis=0)
