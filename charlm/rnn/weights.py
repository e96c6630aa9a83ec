"""Names and shapes of a model's weights, from its configuration alone and without torch.

V, E, H and I are the vocabulary size, the embedding size, the hidden size and a layer's input size.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import EncoderConfig, ModelConfig
from charlm.errors import RunError, look_up
from charlm.rnn.names import weight_name

Shape = tuple[int, ...]

# The gates of each cell, in the order of the rows of its matrices.
GATES = {
    "rnn": ("h",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
    "mogrifier": ("i", "f", "g", "o"),
    "mingru": ("z", "n"),
    "minlstm": ("i", "f", "n"),
}
# Cells whose gates do not read the state, so that they have neither U nor c.
NOT_RECURRENT = ("mingru", "minlstm")


def mogrifier_rounds(config: ModelConfig) -> Iterator[str]:
    """Yield the names of the gating matrices of each round: Q1, R2, Q3, …"""
    for number in range(1, config.mogrifier_rounds + 1):
        yield f"Q{number}" if number % 2 else f"R{number}"


def layer_shapes(cell: str, config: ModelConfig, I: int, H: int) -> Iterator[tuple[str, Shape]]:  # noqa: E741
    """Yield the letters and shapes of a layer's weights; see `charlm.rnn.cells.LayerWeights`.

    Args:
        cell: the cell's name.
        config: selects the variant of the cell.
        I: the layer's input size.
        H: its hidden size.

    Raises:
        UsageError: there is no such cell.
    """
    rows = len(look_up(GATES, cell, "cell")) * H
    shapes: dict[str, Shape] = {"W": (rows, I), "U": (rows, H), "b": (rows,), "c": (rows,)}
    if config.layer_norm:
        shapes |= {"gain_W": (rows,), "gain_U": (rows,)}
    for letter, shape in shapes.items():
        if cell not in NOT_RECURRENT or letter in ("W", "b", "gain_W"):
            yield letter, shape
    for name in mogrifier_rounds(config) if cell == "mogrifier" else ():
        gated, gating = (I, H) if name.startswith("Q") else (H, I)
        yield f"{name}_up", (gated, config.mogrifier_rank)
        yield f"{name}_down", (config.mogrifier_rank, gating)


def model_shapes(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    """Yield the names and shapes of a model's weights, as in `LanguageModel.weights`.

    One at a time, since a damaged configuration may ask for an impossible number of layers.

    Raises:
        UsageError: there is no such cell.
    """
    V, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
    yield "output.bias", (V,)
    if E:
        yield "embedding.weight", (V, E)
    if not config.tie_weights:
        yield "output.weight", (V, H)
    elif E != H:
        yield "projection.weight", (E, H)
    for layer in range(config.num_layers):
        for letter, shape in layer_shapes(config.cell, config, H if layer else E or V, H):
            yield f"rnn.{weight_name(letter, layer)}", shape


def encoder_shapes(config: EncoderConfig) -> Iterator[tuple[str, Shape]]:
    """Names and shapes of an `Encoder`'s weights, one after another as `model_shapes` does."""
    V, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
    directions = (False, True) if config.bidirectional else (False,)
    D, reads_ids = len(directions), not config.input_size
    yield "output.weight", (config.output_size, config.features)
    yield "output.bias", (config.output_size,)
    if reads_ids and E:
        yield "embedding.weight", (V, E)
    for layer in range(config.num_layers):
        size = D * H if layer else config.input_size or E or V
        for letter, shape in layer_shapes(config.cell, config, size, H):
            for reverse in directions:
                yield f"rnn.{weight_name(letter, layer, reverse)}", shape


def check_shapes(expected: Iterable[tuple[str, Shape]], shapes: Mapping[str, Shape]) -> None:
    """Raise RunError unless weights have exactly the names and shapes of a model's.

    Args:
        expected: names and shapes of the model's weights, as from `model_shapes`.
        shapes: names and shapes of the weights to check.
    """
    known = set()
    for name, shape in expected:
        if name not in shapes:
            raise RunError(f"These weights are not this model's: {name} is missing.")
        if shapes[name] != shape:
            raise RunError(
                f"These weights are not this model's: {name} is {shapes[name]}, not {shape}."
            )
        known.add(name)
    if odd := sorted(shapes.keys() - known):
        raise RunError(f"These weights are not this model's: it has no {odd[0]}.")


def to_finite_float32(weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Convert weights to float32.

    Raises:
        RunError: a weight has an integer type, or NaN or infinite values.
    """
    narrow = {}
    for name, each in weights.items():
        if not np.issubdtype(each.dtype, np.floating):
            raise RunError(f"{name} holds {each.dtype} in place of floating-point numbers.")
        with np.errstate(over="ignore"):
            narrow[name] = each.astype(np.float32, copy=False)
        if not np.isfinite(narrow[name]).all():
            raise RunError(f"{name} holds NaN or infinity.")
    return narrow
