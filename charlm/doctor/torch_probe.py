"""What only torch and compiled code can tell: run as a process of its own, it writes JSON lines.

`python -m charlm.doctor.torch_probe [--measure]` writes what is known at once, and with --measure
a speed afterwards. The process may be ended by what it imports, or by whoever has waited enough.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from charlm.doctor.guard import known, plain

# The measurement: the net of the d2l.ai chapters.
CELL, BATCH, STEPS, UNITS, ROUNDS = "gru", 32, 35, 256, 3
CELLS = ("rnn", "gru", "lstm")


def torch_facts() -> dict[str, Any]:
    """What torch is, and which devices it can use.

    Raises:
        Exception: torch cannot be imported.
    """
    import torch

    cuda = torch.cuda
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cuda available": known(cuda.is_available),
        "gpus": known(lambda: [gpu(number) for number in range(cuda.device_count())]),
        "built for": known(cuda.get_arch_list),
        "mps available": known(torch.backends.mps.is_available),
        "threads": known(torch.get_num_threads),
        "processor": known(lambda: str(torch.backends.cpu.get_cpu_capability())),
        "precisions": known(precisions),
        "backends": known(backends),
    }


def gpu(number: int) -> dict[str, Any]:
    """What a GPU is."""
    import torch

    about = torch.cuda.get_device_properties(number)
    return {
        "name": about.name,
        "capability": f"{about.major}.{about.minor}",
        "memory": about.total_memory,
    }


def precisions() -> dict[str, list[str]]:
    """By device, the precisions that it multiplies in hardware."""
    import torch

    from charlm.machine.device import choose_precision

    cpu = torch.device("cpu")
    found = {"cpu": ["fp32", *(["bf16"] if choose_precision("auto", cpu) == "bf16" else [])]}
    if torch.cuda.is_available():
        new = torch.cuda.get_device_capability() >= (8, 0)
        found["cuda"] = ["fp32", "fp16", *(["tf32", "bf16"] if new else [])]
    if torch.backends.mps.is_available():
        found["mps"] = ["fp32"]
    return found


def backends() -> dict[str, list[str]]:
    """By cell, the backends that have it here, on the CPU."""
    from charlm.config import ModelConfig
    from charlm.rnn.backends.choice import available_backends

    return {cell: available_backends(ModelConfig(cell=cell), "cpu") for cell in CELLS}


def compiled_facts() -> dict[str, Any]:
    """Whether arithmetic is compiled here, and if not, why."""
    try:
        from charlm import kernels
    except ImportError:
        return {"available": False, "problem": "the folder charlm/kernels is gone"}
    try:
        chosen = kernels.choice()
    except ValueError as error:
        return {"available": False, "problem": str(error.args[0])}
    facts: dict[str, Any] = {"CHARLM_KERNELS": chosen, "available": kernels.available()}
    if not facts["available"]:
        return {**facts, "problem": kernels.why_not()}
    return {
        **facts,
        "uses torch's threads": known(kernels.shares_threads),
        "bfloat16": known(lambda: kernels.has_bfloat16(UNITS, 3 * UNITS)),
        "kept on disk": known(kernels.keeps_code),
    }


def speed() -> dict[str, Any]:
    """Characters a second in training, and which share that is of what the processor's peak allows.

    The same share on any machine is what makes it a figure to compare.
    """
    import torch

    from charlm.bench.measure import in_turns
    from charlm.bench.training import Shape, charlm_step, limit_of
    from charlm.config import ModelConfig
    from charlm.rnn.backends.choice import choose_backend

    shape = Shape(BATCH, STEPS, UNITS)
    backend = choose_backend(ModelConfig(cell=CELL, hidden_size=UNITS))
    calls = {
        "charlm": charlm_step(CELL, shape, backend, "fp32"),
        "limit": limit_of(CELL, shape, "fp32"),
    }
    seconds = in_turns(calls, ROUNDS)
    return {
        "what": f"{CELL} of {UNITS} units, {BATCH} × {STEPS} characters, fp32",
        "backend": backend,
        "threads": torch.get_num_threads(),
        "characters a second": round(BATCH * STEPS / seconds["charlm"]),
        "share of the limit": round(seconds["limit"] / seconds["charlm"], 3),
    }


def main(arguments: list[str]) -> None:
    """Write the facts, and the speed if it is asked for."""
    questions: dict[str, Callable[[], Any]] = {"torch": torch_facts, "compiled": compiled_facts}
    tell({name: known(ask) for name, ask in questions.items()})
    if "--measure" in arguments:
        tell({"speed": known(speed)})


def tell(facts: dict[str, Any]) -> None:
    """Write facts as a line of JSON."""
    sys.stdout.write(json.dumps(plain(facts)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
