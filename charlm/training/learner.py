"""Everything that a training step changes: weights, their averages, optimizer, running sums."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from charlm.config import TrainConfig
from charlm.distributed.world import ALONE, World
from charlm.errors import RunError
from charlm.machine.cuda_graphs import CapturedFunction, CudaGraphs
from charlm.machine.device import matmul_precision
from charlm.machine.generators import seed_generators
from charlm.machine.memory import keep_freed_memory
from charlm.scoring.score import Score
from charlm.seeds import Stream, derived_seed
from charlm.training.averaging import RAW, Averages
from charlm.training.optimization import Optimizer
from charlm.training.state import (
    copy_to_cpu,
    is_sound,
    random_states,
    restore_random_states,
    restore_tensor,
)
from charlm.training.task import TrainingTask, WindowLoss
from charlm.training.totals import Totals

# Loss scaling halves its factor, 65,536 at first, whenever gradients are not finite.
LEAST_SCALE = 2.0**-24


def gradient_norm(weights: list[nn.Parameter], most: float) -> Tensor:
    """The norm of all gradients together, which are scaled down to `most` at most; 0: to none."""
    if most:
        return nn.utils.clip_grad_norm_(weights, most)
    return nn.utils.get_total_norm([each.grad for each in weights if each.grad is not None])


class Learner:
    """Takes optimizer steps on a task's windows.

    The trainer decides which window comes next, and at what learning rate.

    Args:
        world: the processes that share each window. All of them take the same step.
    """

    def __init__(self, task: TrainingTask, config: TrainConfig, world: World = ALONE) -> None:
        keep_freed_memory()
        self.world = world
        self.task = task
        self.config = config
        self.weights = list(task.model.parameters())
        self.device = self.weights[0].device
        self.optimizer = Optimizer(task.model, config)
        # A disabled scaler passes everything through; torch scales fp16 losses on the CPU, too.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self.recurrent = task.initial_state()
        # Sequences side by side, of all processes.
        own = torch.tensor(self.recurrent[0].shape[1] if self.recurrent else 0)
        self.lanes = int(world.values(own).sum())
        self.loss = world.averaged(task.model, task.loss)
        self.totals = Totals(self.device, world)
        self.averages = Averages(task.model, config.ema_decay)
        self.update: Callable[..., int] = self._update
        # A CUDA graph has fixed shapes and no branches, whereas loss scaling looks at the
        # gradients to decide whether to take a step.
        # Nor are exchanges with other processes recorded.
        recordable = task.same_shapes and not self.scaler.is_enabled() and world.size == 1
        if self.device.type == "cuda" and config.cuda_graphs and recordable:
            self.update = CapturedFunction(self._update, self.device, CudaGraphs(self.device))
        seed_generators(self.device, derived_seed(config.seed, Stream.DROPOUT))

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
        at_rate: float | Tensor = rate
        if self.device.type == "cuda":
            # A graph reads the rate from the device; without one it is rounded in the same way.
            at_rate = torch.full((), rate, dtype=torch.float64, device=self.device)
        with matmul_precision(self.config.precision):
            return self.update(at_rate, *self.task.batch(window))

    def _update(self, rate: float | Tensor, *batch: Tensor) -> int:
        """Take a step without reading any tensor's value, so that a CUDA graph can record it."""
        result: WindowLoss = self.loss(batch, self.recurrent)
        minimized = self._minimized(result)
        for weight in self.weights:
            weight.grad = None
        with self.world.heard():
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
        self.totals.add(result.loss.detach(), norm, result.items * result.share)
        return result.items

    def _minimized(self, result: WindowLoss) -> Tensor:
        """What to minimize, so that the mean of all processes' gradients is the window's."""
        size = self.world.size
        loss = result.loss if size == 1 else result.loss * (result.share * size)
        return loss if result.penalty is None else loss + result.penalty * size

    def zero_state(self) -> None:
        """Set the recurrent state to zeros, in place."""
        for each in self.recurrent:
            each.zero_()

    def is_finite(self, whole_state: bool) -> bool:
        """Whether all losses and gradients so far are finite, in all processes.

        Args:
            whole_state: whether all that a step changes is looked at too, as what is kept must be
                fit to go on from.
        """
        # This is asked of all processes together, which know the answer alike.
        if not self.totals.finite:
            return False
        if not whole_state:
            return True
        sound = all(is_sound(name, each) for name, each in self.changing())
        return not self.world.any(not (sound and self.scale_is_usable))

    @property
    def scale_is_usable(self) -> bool:
        """Whether loss scaling still takes steps: gradients that are never finite end them."""
        return not self.scaler.is_enabled() or LEAST_SCALE < self.scaler.get_scale() < math.inf

    def changing(self) -> Iterator[tuple[str, Tensor]]:
        """All tensors that a step changes, by the names that `capture` gives them, shared."""
        yield from self.averages.weights(RAW).items()
        yield from ((f"optimizer/{name}", each) for name, each in self.optimizer.tensors())
        yield from ((f"recurrent/{i}", each) for i, each in enumerate(self.recurrent))
        yield from self.averages.tensors().items()

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
                # All go by the same, if processors should round differently.
                if self.world.size > 1:
                    score = type(score).from_json(self.world.tell(score.to_json()))
                scores[kind] = score
        finally:
            self.task.model.train()
        self.world.barrier()  # The clock has stood still meanwhile.
        return scores

    def capture(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        """The weights, tensors and scaler of a `Snapshot`, copied to the CPU."""
        weights = {name: copy_to_cpu(each) for name, each in self.averages.weights(RAW).items()}
        tensors = {n: copy_to_cpu(each) for n, each in self.changing() if n not in weights}
        for i, each in enumerate(self.recurrent):
            tensors[f"recurrent/{i}"] = copy_to_cpu(self.world.all_rows(each, self.lanes))
        tensors["totals"] = copy_to_cpu(self.totals.whole())
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
            for name, weight in self.averages.weights(RAW).items():
                restore_tensor(weight, name, weights)
            for i, each in enumerate(self.recurrent):
                name = f"recurrent/{i}"
                restore_tensor(each, name, {name: self._own_rows(tensors[name])})
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

    def _own_rows(self, saved: Tensor) -> Tensor:
        """This process's sequences of a recurrent state that was saved, (L, B, H)."""
        if self.world.size == 1:
            return saved
        if saved.dim() != 3 or saved.shape[1] != self.lanes:
            raise RunError("The training state does not fit the run: the recurrent one is another.")
        return saved[:, self.world.share(self.lanes).rows]
