"""How fast several processes train beside one: steps a second, in turns, medians.

Each configuration is `charlm train` as a user starts it, on the bundled text: processes × threads.
A run's own clock counts, so that starting up does not. It also says how many bytes of gradients a
step averages, and what that takes with gloo on this machine.

    python tests/measure/processes.py --rounds 5
    python tests/measure/processes.py --batch-size 256 --steps 60
    python tests/measure/processes.py --paper

With --paper nothing is measured: it prints what 8 and 64 GPUs would give, from the bytes of a step,
the usual cost of a ring all-reduce, and times of a step that are assumed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# On paper: parameters, and an assumed time of a step on one GPU, seconds.
# The step of a recurrent net is a chain: the time of small ones hardly depends on the batch.
NETS = {
    "quick, 32 × 64 a GPU": (530_972, 2.5e-3),
    "small, 32 × 128 a GPU": (2_783_772, 6e-3),
    "50 M, 128 × 128 a GPU": (50_000_000, 60e-3),
}
# Machines of 8 GPUs. Members of the slowest ring, seconds a message, bytes a second of each member.
LINKS = {
    "8 GPUs, NVLink": (8, 8, 5e-6, 300e9),
    "64 GPUs, InfiniBand of 400 Gbit/s a GPU": (64, 64, 10e-6, 40e9),
    "64 GPUs, Ethernet of 10 Gbit/s a machine": (64, 8, 50e-6, 1.1e9),
}
CONFIGURATIONS = ((1, 1), (1, 2), (2, 1))  # processes, threads of each


def train(folder: Path, processes: int, threads: int, options: list[str]) -> tuple[float, int]:
    """Characters a second of one training, without its evaluations, and parameters."""
    name = f"p{processes}t{threads}-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "charlm", "train", "--run", name, "-q", "--device", "cpu"]
    command += ["--processes", str(processes), "--runs-dir", str(folder), *options]
    subprocess.run(
        command,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rows = [json.loads(line) for line in (folder / name / "metrics.jsonl").open(encoding="utf-8")]
    record = json.loads((folder / name / "run.json").read_text("utf-8"))
    # The first evaluation is of steps in which code is compiled and caches are filled.
    return statistics.median(row["characters_per_second"] for row in rows[1:]), record["parameters"]


def exchange_seconds(numbers: int, processes: int, rounds: int = 50) -> tuple[float, float]:
    """Medians in seconds: of averaging so many float32 here, and of agreeing on a flag."""
    import torch.multiprocessing as mp

    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(exchange, (folder, numbers, processes, rounds), nprocs=processes)
        found: tuple[float, float] = tuple(json.loads(Path(folder, "found").read_text("utf-8")))
    return found


def exchange(rank: int, folder: str, numbers: int, processes: int, rounds: int) -> None:
    """One of the processes of `exchange_seconds`."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    store = Path(folder, "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=processes)
    taken = []
    for size in (numbers, 2):
        tensor, times = torch.zeros(size), []
        for _ in range(rounds):
            dist.barrier()
            started = time.perf_counter()
            dist.all_reduce(tensor)
            times.append(time.perf_counter() - started)
        taken.append(statistics.median(times))
    if rank == 0:
        Path(folder, "found").write_text(json.dumps(taken), "utf-8")
    dist.destroy_process_group()


def all_reduce_seconds(members: int, size: float, latency: float, bandwidth: float) -> float:
    """Of a ring: 2 (N - 1) messages one after the other, and 2 (N - 1) / N of all bytes."""
    return 2 * (members - 1) * (latency + size / members / bandwidth)


def print_paper() -> None:
    """Print what the model above says."""
    print("net\tgradients\tmachines\tstep\tall-reduce\tefficiency\ttimes one GPU")
    for net, (parameters, step) in NETS.items():
        for link, (gpus, members, latency, bandwidth) in LINKS.items():
            exchange = all_reduce_seconds(members, 4 * parameters, latency, bandwidth)
            # Not overlapped: a recurrent layer's gradients are complete only at its window's end.
            share = step / (step + exchange)
            print(
                f"{net}\t{4 * parameters / 1e6:.1f} MB\t{link}\t{1000 * step:.1f} ms\t"
                f"{1000 * exchange:.2f} ms\t{share:.0%}\t{share * gpus:.1f}"
            )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200, help="a training")
    parser.add_argument("--batch-size", type=int, action="append", help="default: 32 and 256")
    parser.add_argument("--paper", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if arguments.paper:
        print_paper()
        return
    sizes = arguments.batch_size or [32, 256]
    print("batch\tprocesses\tthreads\tcharacters/s\tof one process and thread")
    for size in sizes:
        options = ["--batch-size", str(size), "--max-steps", str(arguments.steps)]
        options += ["--eval-every", str(max(arguments.steps // 5, 1)), "--eval-characters", "100"]
        rates: dict[tuple[int, int], list[float]] = {each: [] for each in CONFIGURATIONS}
        parameters = 0
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                for each in CONFIGURATIONS:
                    rate, parameters = train(Path(folder), *each, options)
                    rates[each].append(rate)
        base = statistics.median(rates[CONFIGURATIONS[0]])
        for (processes, threads), found in rates.items():
            rate = statistics.median(found)
            print(f"{size}\t{processes}\t{threads}\t{rate:,.0f}\t{rate / base:.2f}", flush=True)
    for numbers in (parameters, 2_800_000, 50_000_000):
        averaging, agreeing = exchange_seconds(numbers, 2)
        print(
            f"{numbers:,} parameters: {4 * numbers:,} bytes of gradients, averaged by two gloo "
            f"processes here in {1000 * averaging:.2f} ms; a flag in {1000 * agreeing:.2f} ms."
        )


if __name__ == "__main__":
    main()
