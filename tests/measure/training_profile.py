"""What a step of a training consists of: milliseconds and shares, as a table.

    python tests/measure/training_profile.py [--steps 400] [--threads 2] [name=value …]

trains the bundled novella with the default settings, or with those that are named. Each part is
timed around the calls that compute it, step by step, so that the parts add up to the whole.
The last row is what the products would take at the processor's peak: what a window takes beyond its
part of that is the cell's arithmetic, waiting, and reading and writing of memory.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from typing import Any

import torch
import torch.nn.functional as F

import charlm
import charlm.training.learner as learner
from charlm import kernels
from charlm.bench.measure import in_turns
from charlm.bench.training import Shape, limit_of
from charlm.rnn import dropout

SECONDS: dict[str, float] = defaultdict(float)
NESTED: list[float] = []
STEPS: list[float] = []


def timed(owner: Any, name: str, part: str) -> None:
    """Count the seconds of a function's calls in a step, without those of timed calls within it."""
    function = getattr(owner, name)

    def wrapper(*given: Any, **named: Any) -> Any:
        if owner is not learner.Learner and not NESTED:
            return function(*given, **named)  # an evaluation
        NESTED.append(0.0)
        started = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            took = time.perf_counter() - started
            SECONDS[part] += took - NESTED.pop()
            if NESTED:
                NESTED[-1] += took

    setattr(owner, name, wrapper)


def watch() -> None:
    """Time all parts, and whole steps."""
    windows = kernels.run_window

    def run_window(name: str, *given: Any, **named: Any) -> Any:
        return windows_by[name.rsplit("_", 1)[1]](name, *given, **named)

    class Windows:
        forward = staticmethod(windows)
        backward = staticmethod(windows)

    timed(Windows, "forward", "the layer's window, there")
    timed(Windows, "backward", "the layer's window, back")
    windows_by = {"forward": Windows.forward, "backward": Windows.backward}
    kernels.run_window = run_window  # type: ignore[assignment]
    timed(kernels, "pack", "packing matrices")
    timed(kernels, "multiply", "input and output layers")
    timed(kernels, "multiply_transposed", "gradients of matrices")
    timed(F, "cross_entropy", "softmax and loss, there")
    timed(dropout, "dropout_mask", "drawing dropout")
    timed(learner, "gradient_norm", "optimizer, clipping, averages")
    timed(learner.Learner, "step", "Python, torch's operations, autograd")
    step = learner.Learner.step

    def whole(self: Any, *given: Any) -> Any:
        if not STEPS:
            timed(self.optimizer, "step", "optimizer, clipping, averages")
            timed(self.averages, "update", "optimizer, clipping, averages")
            timed(self.task, "batch", "gathering the window")
        started = time.perf_counter()
        try:
            return step(self, *given)
        finally:
            STEPS.append(time.perf_counter() - started)
            if len(STEPS) == WARM_UP:
                SECONDS.clear()

    learner.Learner.step = whole  # type: ignore[method-assign]


WARM_UP = 20


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings: dict[str, Any] = {}
    for each in given.settings:
        name, value = each.split("=")
        settings[name] = json.loads(value) if value[0].isdigit() else value
    watch()
    with tempfile.TemporaryDirectory() as folder:
        run = charlm.train(
            runs_dir=folder, max_steps=given.steps, eval_every=given.steps, **settings
        )
        model, train = run.directory.settings.model, run.directory.settings.train
    steps = len(STEPS) - WARM_UP
    total = sum(STEPS[WARM_UP:]) / steps
    median = statistics.median(STEPS[WARM_UP:])
    shape = Shape(train.batch_size, train.seq_length, model.hidden_size)
    peak = limit_of(model.cell, shape, train.precision, torch.device("cpu"))
    limit = in_turns({"peak": peak}, rounds=9)["peak"]
    characters = train.batch_size * train.seq_length
    print(
        f"{model.cell} {train.batch_size}x{train.seq_length}x{model.hidden_size} "
        f"{train.precision}, {given.threads} threads: {median * 1e3:.2f} ms a step (median), "
        f"{characters / median:,.0f} characters a second, {limit / median:.0%} of the limit"
    )
    print("| part | ms | share |\n|---|---|---|")
    for part, seconds in sorted(SECONDS.items(), key=lambda each: -each[1]):
        print(f"| {part} | {seconds / steps * 1e3:.2f} | {seconds / steps / total:.0%} |")
    print(f"| the step | {total * 1e3:.2f} | |")
    print(f"| its products at the processor's peak | {limit * 1e3:.2f} | {limit / total:.0%} |")


if __name__ == "__main__":
    main()
