"""Formulas that become an ONNX graph: each operation on a `Value` adds a node.

The graph is made of ONNX's own operators, without torch, whose exporters differ from version to
version.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

EPSILON = 1e-5  # of layer normalization, as in torch


class Graph:
    """Nodes and constants, in the order in which they are needed."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, array: npt.NDArray[Any]) -> "Value":
        """An array under a name; one of the same name stands for both."""
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return Value(self, name)

    def add(
        self, operator: str, *inputs: "Value", outputs: int = 1, **attributes: Any
    ) -> list["Value"]:
        """Add a node."""
        first = f"{operator}_{len(self.nodes)}"
        names = [first] if outputs == 1 else [f"{first}_{each}" for each in range(outputs)]
        given = [each.name for each in inputs]
        self.nodes.append(helper.make_node(operator, given, names, first, **attributes))
        return [Value(self, each) for each in names]

    def rename(self, value: "Value", name: str) -> None:
        """Give a value, such as an output of the graph, a name of its own."""
        self.nodes.append(helper.make_node("Identity", [value.name], [name], name))


class Value:
    """A tensor in a graph."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def apply(self, operator: str, *others: "Value", **attributes: Any) -> "Value":
        """The only output of an operator whose first input this is."""
        (value,) = self.graph.add(operator, self, *others, **attributes)
        return value

    def __add__(self, other: "Value") -> "Value":
        return self.apply("Add", other)

    def __sub__(self, other: "Value") -> "Value":
        return self.apply("Sub", other)

    def __mul__(self, other: "Value") -> "Value":
        return self.apply("Mul", other)

    def number(self, value: float) -> "Value":
        """A constant, for sums and products with this."""
        return self.graph.constant(f"number {value}", np.array(value, np.float32))

    def split(self, *sizes: int, axis: int = -1) -> list["Value"]:
        """Parts of these sizes along an axis."""
        lengths = self.graph.constant(f"sizes {sizes}", np.array(sizes, np.int64))
        return self.graph.add("Split", self, lengths, outputs=len(sizes), axis=axis)


def sigmoid(x: Value) -> Value:
    return x.apply("Sigmoid")


def tanh(x: Value) -> Value:
    return x.apply("Tanh")


def linear(x: Value, matrix: Value, bias: Value | None = None) -> Value:
    """A x + b for each row of x (N, I), with A (O, I): (N, O)."""
    return x.apply("Gemm", matrix, *([] if bias is None else [bias]), transB=1)


def normalize(x: Value, gain: Value | None) -> Value:
    """Layer normalization over the last axis, or x itself if there is no gain."""
    if gain is None:
        return x
    return x.apply("LayerNormalization", gain, axis=-1, epsilon=EPSILON)


def model_of(
    graph: Graph,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    name: str,
    about: str,
    opset: int,
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The finished model, checked.

    Args:
        about: what it is, for people.
        opset: version of the operators.
        metadata: what the file says besides.
    """
    made = helper.make_graph(graph.nodes, name, inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="charlm",
        doc_string=about,
    )
    # Of the version of the file itself, the oldest that goes with these operators.
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model
