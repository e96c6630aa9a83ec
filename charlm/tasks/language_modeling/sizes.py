"""Estimates of the memory that a model takes. Nothing is allocated here."""

import math
from dataclasses import replace
from typing import Any

import torch

from charlm.config import ModelConfig, TextTrainConfig
from charlm.machine.device import free_memory
from charlm.machine.memory import available_memory, check_memory
from charlm.rnn.cells import make_cell

FLOAT = 4  # bytes
# From here on a vocabulary may be what takes the memory.
LARGE_VOCABULARY = 20_000
# Settings that can be lowered to save memory.
SIZES = (
    *("hidden_size", "num_layers", "embedding_size", "mogrifier_rank", "mogrifier_rounds"),
    *("batch_size", "seq_length"),
)


def layer_numbers(config: ModelConfig, inputs: int) -> int:
    """Number of weights in a recurrent layer.

    Args:
        inputs: size of the layer's input.
    """

    def counted(rounds: int) -> int:
        cell = make_cell(replace(config, mogrifier_rounds=rounds))
        return sum(map(math.prod, cell.weight_shapes(inputs, config.hidden_size).values()))

    # Every two rounds of the Mogrifier add the same number, so that an absurdly large setting need
    # not be counted round by round. Other cells have none.
    pairs, rest = divmod(config.mogrifier_rounds, 2)
    return counted(rest) + pairs * (counted(2) - counted(0))


def parameter_count(config: ModelConfig) -> int:
    """`LanguageModel.parameter_count`, without building the model."""
    V, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
    recurrent = layer_numbers(config, E or V)
    if config.num_layers > 1:
        recurrent += (config.num_layers - 1) * layer_numbers(config, H)
    halfway = H * E if config.tie_weights and E != H else 0
    output = V if config.tie_weights else H * V + V
    return V * E + recurrent + halfway + output


def lasting_bytes(config: ModelConfig, train: TextTrainConfig) -> int:
    """Bytes that training keeps between steps: weights, their averages, optimizer state."""
    moments = 2 if train.optimizer != "sgd" else int(train.momentum > 0)
    copies = 1 + moments + int(train.ema_decay > 0) + int(train.average_after is not None)
    return FLOAT * copies * parameter_count(config)


def step_bytes(config: ModelConfig, train: TextTrainConfig) -> int:
    """Bytes that a training step adds: gradients, and activations for the backward pass.

    Counted are each layer's gates and output at every time step; and the logits, the logarithms of
    their probabilities and the gradient, of which all three are there at once. What a backend keeps
    beyond that is not.
    """
    width = FLOAT if train.precision in ("fp32", "tf32") else 2
    gates = len(make_cell(config).gate_names)
    layers = width * config.num_layers * (gates + 1) * config.hidden_size
    characters = train.batch_size * train.seq_length
    activations = characters * (layers + 3 * FLOAT * config.vocabulary_size)
    return FLOAT * parameter_count(config) + activations


def costliest_setting(config: ModelConfig, train: TextTrainConfig) -> str:
    """The command-line option whose reduction saves the most memory."""

    def without(name: str) -> int:
        smallest: dict[str, Any] = {name: 1}
        less = replace(config, **smallest) if hasattr(config, name) else config
        shorter = replace(train, **smallest) if hasattr(train, name) else train
        return 2 * lasting_bytes(less, shorter) + step_bytes(less, shorter)

    return f"--{min(SIZES, key=without).replace('_', '-')}"


def check_training(
    config: ModelConfig, train: TextTrainConfig, device: torch.device, advice: str = ""
) -> None:
    """Check that there is enough memory to train a model.

    Args:
        advice: what the error tells the user to do; by default, which setting to lower.

    Raises:
        NotEnoughMemoryError: there is not; the message says how much is needed and available.
    """
    kept, step = lasting_bytes(config, train), step_bytes(config, train)
    if not advice:
        advice = f"Give a smaller {costliest_setting(config, train)}."
        if config.vocabulary_size > LARGE_VOCABULARY:
            advice += (
                f" The vocabulary has {config.vocabulary_size:,} entries: --max-vocabulary, "
                "--min-count or --units bytes make it smaller."
            )
    what = "Training this model"
    # A copy to go back to, should training diverge, is kept in main memory.
    if device.type == "cuda":
        check_memory(f"{what} on the GPU", kept + step, free_memory(device), advice)
        check_memory(what, kept, available_memory(), advice)
    else:
        check_memory(what, 2 * kept + step, available_memory(), advice)


def check_model(config: ModelConfig, device: torch.device) -> None:
    """Check that there is enough memory to load a model; raises like `check_training`."""
    needed = FLOAT * parameter_count(config)
    what, advice = "This model", "Use it on a machine with more memory."
    check_memory(what, 2 * needed, available_memory(), advice)
    if device.type == "cuda":
        check_memory(what, needed, free_memory(device), advice)
