"""The fused backend's reused buffers are for the CPU: a graph would go on writing into them."""

import pytest
import torch
from needs import needs_compiled_code

from charlm.config import ModelConfig
from charlm.rnn.cells import LayerWeights, make_cell

needs_compiled_code()

from charlm.rnn.backends import fused
from charlm.rnn.backends.fused.buffers import PooledBuffer


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru", "minlstm"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_no_buffer_is_reused_off_the_cpu(cell: str, device: str) -> None:
    made = make_cell(ModelConfig(cell=cell, hidden_size=37))
    shapes = made.weight_shapes(5, 37)
    weights = LayerWeights({k: torch.zeros(v, device=device) for k, v in shapes.items()})
    state = tuple(torch.zeros(3, 37, device=device) for _ in made.state_names)
    PooledBuffer.free.clear()
    outputs, _ = fused.run_layer(made, torch.ones(6, 3, 5, device=device), state, weights)
    assert (outputs.device.type, outputs.shape) == (device, (6, 3, 37))
    del outputs
    gated = cell in ("rnn", "gru", "lstm")
    assert bool(PooledBuffer.free) is (device == "cpu" and gated)
