"""Several processes, started by torch's launcher, which exchange tensors by torch.distributed."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from charlm.distributed.world import ALONE, ATTEMPT, Loss, LostProcessError, World
from charlm.errors import UsageError

# What a launcher tells each process.
TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Seconds without an answer after which another process counts as lost.
TIMEOUT, TIMEOUT_VARIABLE = 600.0, "CHARLM_PROCESS_TIMEOUT"
# In torch's messages about connections that were closed or do not answer.
LOST = ("gloo", "nccl", "connection", "socket", "timed out")
POLL = 0.1  # seconds
FAILED, READY = "charlm/failed", "charlm/ready"


def is_one_of_several() -> bool:
    """Whether a launcher such as torchrun started this process beside others."""
    return all(name in os.environ for name in TOLD) and int(os.environ["WORLD_SIZE"]) > 1


@contextmanager
def joined() -> Iterator[World]:
    """Join the other processes within a `with` block, if a launcher started this one beside others.

    Raises:
        UsageError: the environment names no time to wait.
        LostProcessError: the others cannot be reached.
    """
    if not is_one_of_several():
        yield ALONE
        return
    # What the hosts agree on goes by gloo, so that no device is waited for.
    on_devices = torch.cuda.is_available() and dist.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if on_devices else "gloo"
    timeout = timedelta(seconds=seconds_to_wait())
    with heard():
        exchange: Any = dist  # mypy does not see all that it exports
        found, rank, size = next(exchange.rendezvous("env://", timeout=timeout))
        # The launcher keeps its store when it starts all processes again, and with it what those
        # before have written, such as where to reach them.
        store = exchange.PrefixStore(f"attempt {os.environ.get(ATTEMPT, '0')}", found)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    try:
        yield Several(int(os.environ["LOCAL_RANK"]))
    finally:
        # Whoever is left may be waiting for somebody who is gone.
        with suppress(RuntimeError):
            dist.destroy_process_group()


def seconds_to_wait() -> float:
    """How long to wait for another process, by the environment.

    Raises:
        UsageError: the variable holds no number above 0.
    """
    named = os.environ.get(TIMEOUT_VARIABLE)
    if named is None:
        return TIMEOUT
    with suppress(ValueError):
        if 0 < float(named) < math.inf:
            return float(named)
    raise UsageError(f"{TIMEOUT_VARIABLE} cannot be '{named}'.", "Give it seconds, such as 600.")


@contextmanager
def heard() -> Iterator[None]:
    """Turn torch's errors about a lost connection into LostProcessError."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).lower()
        if isinstance(error, dist.DistError) or any(each in said for each in LOST):
            raise LostProcessError(
                "Another process of this training has ended, or does not answer."
            ) from None
        raise


class Several(World):
    """This process and others, once the process group is there."""

    def __init__(self, local_rank: int) -> None:
        self.local_rank = local_rank
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.store: Any = dist.distributed_c10d._get_default_store()
        self.parent = os.getppid()
        self.readings = 0
        self.now = 0.0
        self.barrier()

    @property
    def is_orphaned(self) -> bool:
        return os.getppid() != self.parent

    def clock(self) -> float:
        return self.now

    def any(self, wanted: bool) -> bool:
        own = time.monotonic() if self.leads else -math.inf
        told = torch.tensor([float(wanted), own], dtype=torch.float64)
        with heard():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        self.now = float(told[1])
        return bool(told[0])

    def use_own_device(self, device: str) -> None:
        kind, _, number = device.partition(":")
        if kind == "mps":
            raise UsageError(
                "Several processes cannot train on mps: torch has no exchange of tensors there.",
                "Train in one process, or give --device cpu.",
            )
        if kind == "cpu" or not torch.cuda.is_available():
            return
        if number:
            raise UsageError(
                f"--device {device} names one GPU, and each of several processes has its own.",
                "Give --device cuda.",
            )
        there = torch.cuda.device_count()
        if self.local_rank >= there:
            raise UsageError(
                f"Process {self.local_rank + 1} of this machine has no GPU: there are {there}.",
                "Start as many processes as there are GPUs, or give --device cpu.",
            )
        torch.cuda.set_device(self.local_rank)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        self.readings += 1
        key = f"{READY}/{self.readings}"
        if not self.leads:
            self._wait_for(key)
        yield
        if self.leads:
            with heard():
                self.store.set(key, "1")

    def _wait_for(self, key: str) -> None:
        """Wait, however long it takes, until the first process has set a key."""
        while True:
            with heard():
                if self.store.check([key]):
                    return
            if self.is_orphaned or self.store.check([FAILED]):
                raise LostProcessError("Another process of this training has ended.")
            time.sleep(POLL)

    def tell(self, value: Any) -> Any:
        content = json.dumps(value).encode() if self.leads else b""
        size = torch.tensor([len(content)])
        with heard():
            dist.broadcast(size, 0)
            held = torch.frombuffer(bytearray(content or bytes(int(size))), dtype=torch.uint8)
            dist.broadcast(held, 0)
        return json.loads(held.numpy().tobytes())

    def values(self, tensor: Tensor) -> Tensor:
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        with heard():
            dist.all_gather(found, tensor.contiguous())
        return torch.stack(found)

    def all_rows(self, mine: Tensor, total: int) -> Tensor:
        most = -(-total // self.size)
        padded = nn.functional.pad(mine, (0, 0, 0, most - mine.shape[1]))
        # (N, L, B/N, H): sequence n + N·b is the b-th of process n.
        each = self.values(padded).permute(1, 2, 0, 3)
        return each.flatten(1, 2)[:, :total]

    def add(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        summed = torch.from_numpy(np.array(array))
        with heard():
            dist.all_reduce(summed)
        return summed.numpy()

    @torch.no_grad()
    def send_weights(self, model: nn.Module) -> None:
        with heard():
            for each in model.parameters():
                dist.broadcast(each, 0)

    def averaged(self, model: nn.Module, loss: Loss) -> Loss:
        with heard():
            return cast("Loss", DistributedDataParallel(Computed(model, loss)))

    @contextmanager
    def heard(self) -> Iterator[None]:
        with heard():
            yield

    def fails_first(self) -> bool:
        try:
            return bool(self.store.add(FAILED, 1) == 1)
        except RuntimeError:
            return True  # Whoever kept the store is gone, too.


class Computed(nn.Module):
    """A loss as a module, whose forward pass DistributedDataParallel follows.

    Args:
        model: its weights are the module's.
        loss: computes with the model.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *arguments: Any) -> Any:
        return self.loss(*arguments)
