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
from charlm.training.stalling import plateau_rate
from charlm.training.state import restore_tensor

DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
# Adam as its paper has it (Kingma & Ba 2015); AdamW with a shorter memory, which suits short runs.
BETAS = {"adam": (0.9, 0.999), "adamw": (0.9, 0.99)}
EPSILON = 1e-8
FINAL_SHARE = 0.01  # of the learning rate, at the end of a cosine schedule


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The block in which a model trained in this precision computes its outputs.

    Args:
        precision: one of `DTYPES`.
    """
    dtype = DTYPES[precision]
    if dtype == torch.float32:
        # Without naming the type: some versions of torch warn of it, even where nothing is cast.
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype)


class Optimizer:
    """SGD with momentum, Adam, or AdamW (Loshchilov & Hutter 2019) over a model's weights.

    Those that require no gradient stay as they are.

    Weight decay, decoupled in AdamW, applies to matrices but not to biases. Embeddings count as
    matrices: they are multiplied by the first layer's matrix, or shared with the output layer.

    It calls torch's functional optimizers. Torch's optimizer classes import its compiler on their
    first step, which takes a second and 70 MiB.

    Attributes:
        param_groups: the attribute that `torch.amp.GradScaler` reads.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        named = [each for each in model.named_parameters() if each[1].requires_grad]
        decaying = [each for each in named if each[1].dim() > 1 and config.weight_decay]
        others = [each for each in named if each[1].dim() <= 1 or not config.weight_decay]
        self.groups = [Group(decaying, config, config.weight_decay), Group(others, config, 0.0)]
        self.param_groups = [{"params": each.weights} for each in self.groups]

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """Update the weights from their gradients, at this learning rate."""
        for group in self.groups:
            group.step(rate)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of `<quantity>/<weight name>` and a tensor of the state, sharing memory."""
        for group in self.groups:
            for quantity, tensors in group.state.items():
                for name, tensor in zip(group.names, tensors, strict=True):
                    yield f"{quantity}/{name}", tensor

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `tensors` yielded.

        Raises:
            RunError: a tensor is missing, belongs to no weight, or is damaged.
        """
        mine = dict(self.tensors())
        if odd := sorted(mine.keys() ^ tensors.keys()):
            raise RunError(f"The training state is damaged: it and the model differ in {odd[0]}.")
        for name, tensor in mine.items():
            restore_tensor(tensor, name, tensors)


class Group:
    """Weights with the same weight decay, and the optimizer's state for each.

    Attributes:
        state: lists of one tensor per weight, by torch's names, such as "exp_avg".
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
                cast(Any, sgd),  # its annotations lack a learning rate that is a tensor
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
            beta1=BETAS[config.optimizer][0],
            beta2=BETAS[config.optimizer][1],
            eps=EPSILON,
            **common,
        )

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(each, requires_grad=False) for each in self.weights]

    def step(self, rate: float | Tensor) -> None:
        """Update the weights from their gradients, at this learning rate."""
        if not self.weights:
            return
        gradients = [each.grad for each in self.weights]
        self.function(self.weights, gradients, lr=rate)


def scheduled_rate(config: TrainConfig, step: int, progress: float, reductions: int = 0) -> float:
    """Learning rate of the step that follows `step` others, `progress` (0 to 1) into the run.

    Args:
        reductions: how often the rate was lowered for a plateau.
    """
    rate = config.learning_rate
    if config.schedule == "plateau":
        rate = plateau_rate(config, reductions)
    if config.schedule == "cosine":
        cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        rate *= FINAL_SHARE + (1 - FINAL_SHARE) * cosine
    return rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
