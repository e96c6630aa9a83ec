"""The generators that dropout draws from, on devices that are not there."""

from collections.abc import Callable

import pytest
import torch
from fake_cuda import FakeCuda, install

from charlm.machine.generators import (
    forked_generators,
    generator_states,
    restore_generators,
    seed_generators,
)

CPU, MPS = torch.device("cpu"), torch.device("mps")


class Counter:
    """A generator whose state is how often it has drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def get(self, *device: object) -> torch.Tensor:
        return torch.tensor([self.drawn], dtype=torch.uint8)

    def set(self, state: torch.Tensor, *device: object) -> None:
        self.drawn = int(state)

    def seed(self, seed: int) -> None:
        self.drawn = seed % 100


@pytest.fixture
def mps(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(torch.mps, "get_rng_state", counter.get)
    monkeypatch.setattr(torch.mps, "set_rng_state", counter.set)
    monkeypatch.setattr(torch.mps, "manual_seed", counter.seed)
    return counter


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeCuda, list[Counter]]:
    cuda, counters = install(monkeypatch), [Counter(), Counter()]

    def get(device: torch.device) -> torch.Tensor:
        return counters[cuda.index(device)].get()

    def put(state: torch.Tensor, device: torch.device) -> None:
        counters[cuda.index(device)].set(state)

    def seed(value: int) -> None:
        counters[cuda.device_index].seed(value)

    monkeypatch.setattr(torch.cuda, "get_rng_state", get)
    monkeypatch.setattr(torch.cuda, "set_rng_state", put)
    monkeypatch.setattr(torch.cuda, "manual_seed", seed)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda value: pytest.fail("seeds them all"))
    return cuda, counters


def draws(kind: str, mps: Counter, counters: list[Counter]) -> Callable[[], None]:
    generator = {"mps": mps, "cuda": counters[1]}.get(kind)

    def draw() -> None:
        torch.rand(3)
        if generator is not None:
            generator.drawn += 1

    return draw


@pytest.mark.parametrize("name", ["cpu", "mps", "cuda:1"])
def test_what_is_drawn_in_a_block_is_drawn_again_after_it(
    name: str, mps: Counter, gpus: tuple[FakeCuda, list[Counter]]
) -> None:
    device, counters = torch.device(name), gpus[1]
    draw = draws(device.type, mps, counters)
    draw()
    before, others = generator_states(device), (mps.drawn, counters[1].drawn)
    with pytest.raises(KeyError), forked_generators(device):
        draw()
        draw()
        raise KeyError
    after = generator_states(device)
    assert before.keys() == after.keys() == {"cpu", device.type}
    assert all(torch.equal(before[kind], after[kind]) for kind in before)
    assert (mps.drawn, counters[1].drawn) == others
    assert counters[0].drawn == 0


@pytest.mark.parametrize("name", ["cpu", "mps", "cuda:1"])
def test_only_the_cpu_and_the_device_are_seeded(
    name: str, mps: Counter, gpus: tuple[FakeCuda, list[Counter]]
) -> None:
    with forked_generators(CPU):
        seed_generators(torch.device(name), 42)
        drawn = torch.rand(3)
        torch.default_generator.manual_seed(42)
        assert torch.equal(drawn, torch.rand(3))
    counters, kind = gpus[1], torch.device(name).type
    seeded = {"mps": mps.drawn, "cuda": counters[1].drawn}
    assert seeded == {"mps": 0, "cuda": 0} | ({kind: 42} if kind in seeded else {})
    assert counters[0].drawn == 0
    assert gpus[0].device_index == 0


@pytest.mark.parametrize(("saved", "goes_on"), [("cpu", "mps"), ("mps", "cuda:1"), ("mps", "cpu")])
def test_a_run_that_moves_to_another_device_keeps_that_ones_generator(
    saved: str, goes_on: str, mps: Counter, gpus: tuple[FakeCuda, list[Counter]]
) -> None:
    with forked_generators(CPU):
        mps.drawn = 7
        states, drawn = generator_states(torch.device(saved)), torch.rand(3)
        mps.drawn = 0
        restore_generators(torch.device(goes_on), states)
        assert torch.equal(torch.rand(3), drawn)
    assert mps.drawn == gpus[1][1].drawn == 0
