"""Everything that a training step changes: weights, their averages, optimizer, running sums."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from charlm.config import TrainConfig
from charlm.errors import RunError
from charlm.machine.cuda_graphs import CapturedFunction, CudaGraphs
from charlm.machine.device import matmul_precision
from charlm.scoring.score import Score
from charlm.seeds import Stream, derived_seed
from charlm.training.averaging import Averages
from charlm.training.optimization import Optimizer
from charlm.training.state import (
    copy_to_cpu,
    random_states,
    restore_random_states,
    restore_tensor,
)
from charlm.training.task import TrainingTask
from charlm.training.totals import Totals


def gradient_norm(weights: list[nn.Parameter], most: float) -> Tensor:
    """The norm of all gradients together, which are scaled down to `most` at most; 0: to none."""
    if most:
        return nn.utils.clip_grad_norm_(weights, most)
    return nn.utils.get_total_norm([each.grad for each in weights if each.grad is not None])


class Learner:
    """Takes optimizer steps on a task's windows.

    The trainer decides which window comes next, and at what learning rate.
    """

    def __init__(self, task: TrainingTask, config: TrainConfig) -> None:
        self.task = task
        self.config = config
        self.weights = list(task.model.parameters())
        self.device = self.weights[0].device
        self.optimizer = Optimizer(task.model, config)
        # A disabled scaler passes everything through; torch scales fp16 losses on the CPU, too.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self.recurrent = task.initial_state()
        self.totals = Totals(self.device)
        self.averages = Averages(task.model, config.ema_decay)
        self.update: Callable[..., int] = self._update
        # A CUDA graph has fixed shapes and no branches, whereas loss scaling looks at the
        # gradients to decide whether to take a step.
        recordable = task.same_shapes and not self.scaler.is_enabled()
        if self.device.type == "cuda" and config.cuda_graphs and recordable:
            self.update = CapturedFunction(self._update, self.device, CudaGraphs())
        torch.manual_seed(derived_seed(config.seed, Stream.DROPOUT))

    def step(self, window: int, rate: float) -> int:
        """Train on one window: forward, backward, clipping, update.

        Args:
            window: its number within the epoch.
            rate: learning rate for a window of the usual length. For others it is scaled by their
                length: a loss is a mean, so a short window would otherwise move the weights as far
                as a long one.

        Returns:
            The number of items predicted.
        """
        with matmul_precision(self.config.precision):
            return self.update(rate, *self.task.batch(window))

    def _update(self, rate: float | Tensor, *batch: Tensor) -> int:
        """Take a step without reading any tensor's value, so that a CUDA graph can record it."""
        result = self.task.loss(batch, self.recurrent)
        minimized = result.loss if result.penalty is None else result.loss + result.penalty
        for weight in self.weights:
            weight.grad = None
        self.scaler.scale(minimized).backward()  # type: ignore[no-untyped-call]
        optimizer: Any = self.optimizer  # torch's loss scaling wants a torch.optim.Optimizer
        self.scaler.unscale_(optimizer)
        norm = gradient_norm(self.weights, self.config.clip_norm)
        rate = rate * (result.items / self.task.items_per_step)
        # Torch's fused kernels read a rate that is on the device as float32.
        self.scaler.step(optimizer, rate.float() if isinstance(rate, Tensor) else rate)
        self.scaler.update()
        for before, after in zip(self.recurrent, result.state, strict=True):
            before.copy_(after.detach())
        norm = norm.detach()
        if self.scaler.is_enabled():
            # Loss scaling overflows now and then by design, and skips the step.
            norm = torch.where(norm.isfinite(), norm, 0.0)
        self.totals.add(result.loss.detach(), norm, result.items)
        return result.items

    def zero_state(self) -> None:
        """Set the recurrent state to zeros, in place."""
        for each in self.recurrent:
            each.zero_()

    def is_finite(self, weights: bool) -> bool:
        """Whether all losses and gradients so far, and with `weights` all weights, are finite."""
        checked = self.weights if weights else ()
        return self.totals.finite and all(bool(each.isfinite().all()) for each in checked)

    def scores(self, should_stop: Callable[[], bool]) -> dict[str, Score] | None:
        """Score the weights and their averages on the held-out data.

        Returns:
            Scores by kind of weights ("raw", "ema", "average"); empty if nothing is held out; None
            if `should_stop` ended the evaluation early.
        """
        scores = {}
        self.task.model.eval()
        try:
            for kind in self.averages.kinds if self.task.holds_out else ():
                with self.averages.in_model(kind):
                    score = self.task.evaluate(should_stop)
                if score is None:
                    return None
                scores[kind] = score
        finally:
            self.task.model.train()
        return scores

    def capture(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        """The weights, tensors and scaler of a `Snapshot`, copied to the CPU."""
        weights = {name: copy_to_cpu(each) for name, each in self.averages.weights("raw").items()}
        tensors = {
            f"optimizer/{name}": copy_to_cpu(each) for name, each in self.optimizer.tensors()
        }
        tensors |= {f"recurrent/{i}": copy_to_cpu(each) for i, each in enumerate(self.recurrent)}
        tensors["totals"] = copy_to_cpu(self.totals.values)
        tensors |= {name: copy_to_cpu(each) for name, each in self.averages.tensors().items()}
        return weights, tensors | random_states(self.device), self.scaler.state_dict()

    def restore(
        self,
        weights: dict[str, Tensor],
        tensors: dict[str, Tensor],
        scaler: dict[str, Any],
        averaging: bool,
    ) -> None:
        """Restore what `capture` returned.

        Args:
            averaging: whether the plain average of the weights had begun.

        Raises:
            RunError: the state is damaged, or belongs to another model or task.
        """
        try:
            for name, weight in self.averages.weights("raw").items():
                restore_tensor(weight, name, weights)
            for i, each in enumerate(self.recurrent):
                restore_tensor(each, f"recurrent/{i}", tensors)
            self.totals.restore(tensors)
            self.averages.restore(tensors, averaging)
            prefix = "optimizer/"
            self.optimizer.restore(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )
            restore_random_states(self.device, tensors)
        except (LookupError, RuntimeError, TypeError) as error:
            raise RunError(f"The training state does not fit the run: {error}.") from None
        if scaler:
            self.scaler.load_state_dict(scaler)
