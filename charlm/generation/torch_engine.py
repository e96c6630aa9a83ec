"""Writing texts with torch, on the model's own device."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from charlm.generation.engine import Array, EngineState
from charlm.generation.torch_drawing import generate_block
from charlm.language_model import LanguageModel
from charlm.machine.cuda_graphs import CapturedFunction, CudaGraphs
from charlm.machine.device import matmul_precision

# Steps in a block from which recording it as a CUDA graph pays off.
WORTH_RECORDING = 32


class TorchEngine:
    """The model in torch, on its own device, from which ids return a block at a time.

    On CUDA the steps and draws of a long block are recorded once as a CUDA graph and replayed.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.graphs: dict[tuple[Any, ...], Callable[..., tuple[Any, ...]]] = {}

    def initial_state(self, texts: int) -> EngineState:
        return self.model.initial_state(texts)

    def step(self, ids: Array, state: EngineState) -> tuple[Array, EngineState]:
        with torch.no_grad(), matmul_precision("fp32"):
            window = torch.from_numpy(ids.astype(np.int64)).to(self.device).unsqueeze(0)
            logits, state = self.model(window, state)
            return logits[0].float().cpu().numpy(), state

    def generate_block(
        self, logits: Array, state: EngineState, draws: Array, temperature: float
    ) -> tuple[Array, Array, EngineState]:
        """See `charlm.generation.engine.BlockEngine`."""
        function: Callable[..., tuple[Any, ...]] = partial(
            generate_block, self.model, temperature == 0
        )
        if self.device.type == "cuda" and len(draws) >= WORTH_RECORDING:
            key = (*draws.shape, temperature == 0)
            if key not in self.graphs:
                recorder = CudaGraphs(self.device)
                self.graphs[key] = CapturedFunction(function, self.device, recorder)
            function = self.graphs[key]
        if self.device.type == "mps":  # which has no float64
            draws = draws.astype(np.float32)
        given = [torch.from_numpy(each).to(self.device) for each in (draws, logits)]
        # Not in inference mode: a graph keeps tensors for random numbers that others would share.
        with torch.no_grad(), matmul_precision("fp32"):
            ids, after, *last = function(temperature, *given, *state)
            return ids.cpu().numpy(), after.cpu().numpy(), tuple(each.clone() for each in last)

    def select(self, state: EngineState, texts: Array) -> EngineState:
        index = torch.from_numpy(np.asarray(texts, np.int64)).to(self.device)
        return tuple(each.index_select(1, index) for each in state)

    def join(self, states: Sequence[EngineState]) -> EngineState:
        return tuple(torch.cat(each, dim=1) for each in zip(*states, strict=True))

    def to_arrays(self, state: EngineState) -> tuple[Array, ...]:
        return tuple(each.float().cpu().numpy() for each in state)

    def from_arrays(self, arrays: Sequence[Array]) -> EngineState:
        like = next(self.model.parameters())
        return tuple(torch.from_numpy(each.copy()).to(like) for each in arrays)
