"""How many threads compute: the fastest number at the moment; never another than the user named."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from charlm.machine import threads
from charlm.machine.threads import LATE, SOON, TRIAL_SHARE, VARIABLES, ThreadTuner, tuned_threads

ITEMS = 1000
Rates = dict[int, float]


class Machine:
    """A tuner at work on steps of ITEMS, and a machine whose speed goes by the threads.

    Args:
        rates: items a second of each number of threads.
    """

    def __init__(self, rates: Rates) -> None:
        self.threads = max(rates)
        self.rates = rates
        self.seconds = 0.0
        self.items = 0
        self.history: list[int] = []
        self.tuner = ThreadTuner(max(rates), self.apply)

    def apply(self, count: int) -> None:
        self.threads = count

    def work(self, seconds: float) -> float:
        """For so long; returns the mean rate."""
        start, items = self.seconds, self.items
        while self.seconds < start + seconds:
            spent = ITEMS / self.rates[self.threads]
            self.seconds += spent
            self.items += ITEMS
            self.tuner.record_step(ITEMS, spent)
            if not self.history or self.history[-1] != self.tuner.chosen:
                self.history.append(self.tuner.chosen)
        return (self.items - items) / (self.seconds - start)


QUIET, BUSY = {2: 60_000.0, 1: 40_000.0}, {2: 18_000.0, 1: 40_000.0}


@pytest.mark.parametrize("step_seconds", [0.002, 0.02, 0.2])
def test_a_quiet_machine_loses_next_to_nothing(step_seconds: float) -> None:
    scale = ITEMS / step_seconds / QUIET[2]
    machine = Machine({n: rate * scale for n, rate in QUIET.items()})
    machine.work(20)
    assert machine.work(200) >= (1 - TRIAL_SHARE / 2) * machine.rates[2]
    assert machine.history == [2]


def test_beside_a_neighbour_one_thread_computes_and_later_all_do_again() -> None:
    machine = Machine(dict(QUIET))
    machine.work(30)
    machine.rates = BUSY
    assert machine.work(3) > BUSY[2]
    assert machine.tuner.chosen == 1
    assert machine.work(60) >= 0.95 * BUSY[1]
    machine.rates = QUIET
    machine.work(LATE + SOON)
    assert machine.tuner.chosen == 2
    assert machine.history == [2, 1, 2]


def test_a_neighbour_that_was_there_first_is_noticed_at_once() -> None:
    machine = Machine(dict(BUSY))
    machine.work(1)
    assert machine.tuner.chosen == 1


def test_of_many_threads_the_best_number_is_found() -> None:
    machine = Machine({8: 50e3, 7: 90e3, 4: 70e3, 1: 20e3})
    machine.work(300)
    assert machine.tuner.chosen == 7


def test_small_differences_change_nothing() -> None:
    machine = Machine({2: 100e3, 1: 103e3})
    machine.work(300)
    assert machine.history == [2]


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_torch_has_its_threads_again_afterwards(two_threads: None) -> None:
    with tuned_threads() as tuner:
        assert tuner.most == 2
        tuner.apply(1)
        assert torch.get_num_threads() == 1
        assert threads.most_threads() == 2
        with tuned_threads() as inner:
            assert inner.most == 1
    assert torch.get_num_threads() == threads.most_threads() == 2


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_the_user_named_stays(
    variable: str, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "2")
    applied: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", applied.append)
    with tuned_threads() as tuner:
        for _ in range(1000):
            tuner.record_step(1, 1.0)
    assert not applied


def test_work_off_the_cpu_is_left_alone(two_threads: None) -> None:
    with tuned_threads("cuda") as tuner:
        assert tuner.most == 1


@pytest.mark.parametrize(("named", "most"), [("1", 1), ("1,2", 1), ("99999", None), ("x", None)])
def test_cores_are_no_more_than_the_user_named(
    named: str, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = threads.cores()
    monkeypatch.setenv("OMP_NUM_THREADS", named)
    assert threads.cores() == (most or available)


@pytest.mark.parametrize("command", ["train --help", "eval --help", "generate --help"])
def test_the_option_reaches_torch_and_numpy_before_they_start(command: str) -> None:
    assert "--threads" in run(command, {}).stdout


def test_the_option_counts_more_than_the_environment() -> None:
    script = (
        "from charlm.machine.threads import name_threads; name_threads(1);"
        "import torch; print(torch.get_num_threads());"
        "name_threads(2); print(torch.get_num_threads())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["1", "2"]


def run(command: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "charlm", *command.split()],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_no_thread_is_an_error() -> None:
    result = run("train --threads 0", {})
    assert result.returncode == 2
    assert "threads" in result.stderr
