"""What to look at on a GPU that charlm has not run on: check after check, each with a verdict.

    python tests/measure/on_gpu.py [--quick] [--json] [NAME ...]

Each check is a program of its own, so that one that crashes ends nothing else. A verdict is `ok`,
`FAILED` or `skipped`, with a reason; below it stand the lines of its output that say most. It ends
with 1 if a check failed. Without a CUDA device every check is skipped. What each must show:
docs/gpu.md.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_DEVICE = "no CUDA device"
PRECISIONS = ("fp32", "tf32", "bf16")
MINUTES = 10
PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/test_gpu.py")
RECORDED, SECOND, FAILING = (
    ("-k", each) for each in ("recorded_step", "second_device", "recording_fails")
)
# Training of the recurrent layers that compute-sanitizer watches; it is slow under it.
WATCHED = ("--max-steps", "12", "--hidden-size", "32", "--batch-size", "4", "--seq-length", "8")
WRITTEN = ("--length", "300", "--seed", "0")


@dataclass(frozen=True)
class Verdict:
    """What a check came to.

    Args:
        name: of the check.
        verdict: ok, FAILED or skipped.
        why: a reason, or what was seen.
        seconds: it took.
    """

    name: str
    verdict: str
    why: str
    seconds: float = 0.0


def devices() -> int:
    """How many CUDA devices torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def run(*command: str) -> tuple[int, str]:
    """A command's exit code and what it printed; 124 if it took too long."""
    environment = os.environ | {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "NO_COLOR": "1",
    }
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60 * MINUTES,
        )
    except subprocess.TimeoutExpired:
        return 124, f"It took more than {MINUTES} minutes."
    return done.returncode, done.stdout


def last(output: str) -> str:
    """The last line of an output that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def tests(name: str, *chosen: str) -> Verdict:
    """Some of the GPU tests; all of them must pass, and at least one must have run."""
    code, output = run(*PYTEST, *chosen)
    summary = last(output)
    if code == 0 and "passed" not in summary:
        return Verdict(name, "skipped", summary)
    return Verdict(name, "ok" if code == 0 else "FAILED", summary)


def all_tests() -> Verdict:
    """Cells, backends and precisions against the CPU, graphs, resuming, memory."""
    return tests("tests")


def kernels() -> Verdict:
    """Which kernels a step of each of torch's layers runs, by the time that they take."""
    code, output = run(sys.executable, str(Path(__file__)), "--kernels")
    loops = [line for line in output.splitlines() if "_cell" in line]
    good = code == 0 and not loops and "_cudnn_rnn" in output
    return Verdict("kernels", "ok" if good else "FAILED", "\n" + output.strip())


def graphs() -> Verdict:
    """Recorded steps are the plain ones, bit for bit."""
    return tests("graphs", *RECORDED)


def second_device() -> Verdict:
    """A run on cuda:1 touches nothing of cuda:0."""
    if devices() < 2:
        return Verdict("cuda:1", "skipped", "no second CUDA device")
    return tests("cuda:1", *SECOND)


def failed_capture() -> Verdict:
    """After a recording that fails on purpose, training comes to the same end."""
    return tests("failed capture", *FAILING)


def sanitizer() -> Verdict:
    """No kernel of training and writing reads or writes memory that is not its own."""
    name = "compute-sanitizer"
    tool = shutil.which(name)
    if tool is None:
        return Verdict(name, "skipped", f"{name} is not installed: it comes with the CUDA toolkit")
    with tempfile.TemporaryDirectory() as folder:
        place = ("--runs-dir", folder)
        train = (sys.executable, "-m", "charlm", "train", "--run", "watched", "--device", "cuda")
        write = (sys.executable, "-m", "charlm", "generate", "--run", "watched", "--device", "cuda")
        commands = [(*train, *WATCHED, *place), (*write, *WRITTEN, *place)]
        for command in commands:
            code, output = run(tool, "--error-exitcode", "9", *command)
            told = [line for line in output.splitlines() if "ERROR SUMMARY" in line]
            if code or not told or not told[-1].rstrip().endswith(" 0 errors"):
                return Verdict(name, "FAILED", told[-1] if told else last(output))
    return Verdict(name, "ok", told[-1].strip("= "))


def bench(quick: bool) -> Verdict:
    """The speeds, beside torch's layers in the same precision: nothing to pass, but to put down."""
    options = ("--quick",) if quick else ()
    code, output = run(sys.executable, "-m", "charlm", "bench", "--device", "cuda", *options)
    rows = re.findall(r"^\s*(?:\S+ )?torch (?:fp32|tf32)\b", output, re.MULTILINE)
    good = code == 0 and len(rows) > 0
    return Verdict("bench", "ok" if good else "FAILED", "\n" + output.strip())


def print_kernels(units: int = 512, batch_size: int = 64, steps: int = 64) -> None:
    """Operations and kernels of one step of training, for each of torch's layers."""
    import numpy as np
    import torch

    from charlm.config import ModelConfig, TextTrainConfig
    from charlm.language_model import LanguageModel
    from charlm.machine.device import wait_for
    from charlm.tasks.language_modeling.training import LanguageModeling
    from charlm.training.learner import Learner

    device = torch.device("cuda" if devices() else "cpu")
    ids = np.random.default_rng(0).integers(0, 60, 40_000, dtype=np.uint8)
    for cell in ("rnn", "gru", "lstm"):
        for precision in PRECISIONS:
            config = TextTrainConfig(
                batch_size=batch_size,
                seq_length=steps,
                max_steps=9,
                precision=precision,
                cuda_graphs=False,
            )
            sizes = ModelConfig(vocabulary_size=60, cell=cell, hidden_size=units, embedding_size=64)
            model = LanguageModel(sizes, "builtin")
            model.initialize("uniform", 0)
            learner = Learner(LanguageModeling(model.to(device), ids, ids[:0], config), config)
            learner.task.load_epoch(0)
            learner.step(0, 1e-3)
            with torch.profiler.profile() as profile:
                learner.step(1, 1e-3)
                wait_for(device)
            print(f"{cell} {precision}")
            found = sorted(profile.key_averages(), key=lambda each: -each.device_time_total)
            layers = [each for each in found if "rnn" in each.key or "_cell" in each.key]
            kernels = [each for each in found if not each.key.startswith(("aten::", "autograd::"))]
            for each in (*layers[:4], *kernels[:6]):
                print(f"    {each.device_time_total / 1000:8.3f} ms  {each.count:4}  {each.key}")


def checks(quick: bool) -> dict[str, Callable[[], Verdict]]:
    """All of them by name, the quick and telling ones first."""
    return {
        "graphs": graphs,
        "failed capture": failed_capture,
        "kernels": kernels,
        "tests": all_tests,
        "cuda:1": second_device,
        "compute-sanitizer": sanitizer,
        "bench": lambda: bench(quick),
    }


def verdicts(names: list[str], quick: bool) -> Iterator[Verdict]:
    """Run checks one after the other."""
    there = devices()
    for name in names:
        if not there:
            yield Verdict(name, "skipped", NO_DEVICE)
            continue
        started = time.perf_counter()
        found = checks(quick)[name]()
        yield Verdict(name, found.verdict, found.why, round(time.perf_counter() - started, 1))


def about() -> str:
    """The device, and the versions that count."""
    import torch

    if not devices():
        return f"torch {torch.__version__}: {NO_DEVICE}"
    names = [torch.cuda.get_device_name(number) for number in range(devices())]
    version = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {version}: {names}"


def main() -> int:
    known = list(checks(False))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="a short bench")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--kernels", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.kernels:
        print_kernels()
        return 0
    if odd := sorted(set(chosen.names) - set(known)):
        parser.error(f"there is no check '{odd[0]}'; there are {', '.join(known)}")
    where, found = about(), list[Verdict]()
    if not chosen.json:
        print(where, flush=True)
    for each in verdicts(chosen.names or known, chosen.quick):
        found.append(each)
        if not chosen.json:
            print(f"{each.verdict:8} {each.name} ({each.seconds:g} s): {each.why}", flush=True)
    if chosen.json:
        print(json.dumps({"where": where, "checks": [asdict(each) for each in found]}, indent=1))
    return int(any(each.verdict == "FAILED" for each in found))


if __name__ == "__main__":
    sys.exit(main())
