"""Optimizers, learning-rate schedules, numeric precision."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from charlm.config import TrainConfig
from charlm.errors import RunError
from charlm.training.state import restore_tensor

DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
ADAM_BETAS = (0.9, 0.99)
EPSILON = 1e-8
FINAL_SHARE = 0.01


class Optimizer:
    """SGD with momentum, Adam, or AdamW (Loshchilov & Hutter 2019) of all weights.

    Weight decay, which is decoupled for adamw, spares the biases, but not the character vectors:
    they multiply into the first layer's matrix, or are the output layer's.

    The arithmetic is that of torch's functions. Its classes import torch's compiler with their
    first step, which takes a second and 70 MiB.

    Attributes:
        param_groups: what torch's loss scaling asks for.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        named = list(model.named_parameters())
        self.groups = [
            Group([each for each in named if each[1].dim() > 1], config, config.weight_decay),
            Group([each for each in named if each[1].dim() <= 1], config, 0.0),
        ]
        self.param_groups = [{"params": each.weights} for each in self.groups]

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """Move the weights by their gradients."""
        for group in self.groups:
            group.step(rate)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The state, as `<quantity>/<weight's name>`, sharing memory."""
        for group in self.groups:
            for quantity, tensors in group.state.items():
                for name, tensor in zip(group.names, tensors, strict=True):
                    yield f"{quantity}/{name}", tensor

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            RunError: something is missing, belongs to no weight, or is none that can be.
        """
        mine = dict(self.tensors())
        if odd := sorted(mine.keys() ^ tensors.keys()):
            raise RunError(f"The training state is damaged: it and the model differ in {odd[0]}.")
        for name, tensor in mine.items():
            restore_tensor(tensor, name, tensors)


class Group:
    """Weights that decay alike, and the optimizer's state of each.

    Attributes:
        state: by torch's names, one tensor for each weight.
    """

    def __init__(
        self, named: Iterable[tuple[str, Tensor]], config: TrainConfig, decay: float
    ) -> None:
        pairs = list(named)
        self.names = [name for name, _ in pairs]
        self.weights = [weight for _, weight in pairs]
        fused = all(each.device.type in ("cpu", "cuda") for each in self.weights)
        common: dict[str, Any] = {"weight_decay": decay, "maximize": False, "fused": fused}
        self.state: dict[str, list[Tensor]]
        self.function: Callable[..., Any]
        if config.optimizer == "sgd":
            self.state = {"momentum_buffer": self._zeros()} if config.momentum else {}
            buffers = self.state.get("momentum_buffer", [None] * len(pairs))
            self.function = partial(
                cast(Any, sgd),  # whose rate may be a tensor too
                momentum_buffer_list=buffers,
                momentum=config.momentum,
                dampening=0.0,
                nesterov=False,
                **common,
            )
            return
        self.state = {"exp_avg": self._zeros(), "exp_avg_sq": self._zeros()}
        # Torch counts steps on the CPU, unless Adam is fused.
        self.state["step"] = [
            torch.zeros((), device=each.device if fused else "cpu") for each in self.weights
        ]
        self.function = partial(
            adamw if config.optimizer == "adamw" else adam,
            exp_avgs=self.state["exp_avg"],
            exp_avg_sqs=self.state["exp_avg_sq"],
            state_steps=self.state["step"],
            max_exp_avg_sqs=[],
            amsgrad=False,
            beta1=ADAM_BETAS[0],
            beta2=ADAM_BETAS[1],
            eps=EPSILON,
            **common,
        )

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(each, requires_grad=False) for each in self.weights]

    def step(self, rate: float | Tensor) -> None:
        gradients = [each.grad for each in self.weights]
        self.function(self.weights, gradients, lr=rate)


def scheduled_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The learning rate of the step after `step` others, `progress` (0 to 1) into the run."""
    rate = config.learning_rate
    if config.schedule == "cosine":
        cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        rate *= FINAL_SHARE + (1 - FINAL_SHARE) * cosine
    return rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
