"""The processor: its name, what it can do, how much of it there is for us, and who else uses it."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charlm.doctor.guard import known
from charlm.machine.memory import ROOT, control_groups, text

# Of all features those that decide how fast a net trains, by Linux's names for them.
FEATURES = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bfloat16",
    "amx_tile": "AMX",
    "amx_bf16": "AMX bfloat16",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "bfloat16",
}
ASKED_SECONDS = 5.0  # that another program may take to answer
WATCHED_SECONDS = 0.3


def processor_facts() -> dict[str, Any]:
    """What the processor is."""
    return {
        "name": known(processor_name),
        "architecture": known(platform.machine),
        "cores": known(os.cpu_count),
        "usable": known(usable_cores),
        "quota": known(lambda: min(quotas(ROOT), default=None)),
        "features": known(lambda: features(ROOT)),
        "busy": known(lambda: busy_cores(ROOT)),
    }


def processor_name() -> str:
    """The name that its maker gives it, as far as the system tells."""
    if sys.platform == "darwin":
        return answer("sysctl", "-n", "machdep.cpu.brand_string")
    named = {key: value for key, value in cpuinfo(ROOT) if key in ("model name", "Model", "cpu")}
    return next(iter(named.values()), "") or platform.processor() or platform.machine()


def answer(*command: str) -> str:
    """What another program writes."""
    done = subprocess.run(command, capture_output=True, timeout=ASKED_SECONDS, check=True)
    return done.stdout.decode(errors="replace").strip()


def cpuinfo(root: Path) -> Iterator[tuple[str, str]]:
    """The entries of Linux's /proc/cpuinfo, of the first core first."""
    for line in text(root / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def features(root: Path) -> list[str] | None:
    """Which of FEATURES the processor has; None where the system does not tell."""
    flags = next((v for k, v in cpuinfo(root) if k in ("flags", "Features")), None)
    if flags is None:
        return None
    had = set(flags.split())
    return [title for name, title in FEATURES.items() if name in had]


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count()


def quotas(root: Path) -> Iterator[float]:
    """How many cores' time each control group (container, job) of this process gets."""
    for group in control_groups(root, "cpu"):
        yield from quota(group)


def quota(group: Path) -> Iterator[float]:
    """How many cores' time a group gets, if that is limited: both versions of control groups."""
    words = text(group / "cpu.max").split()
    if not words:
        words = [text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(words) == 2 and all(each.isdecimal() for each in words) and int(words[1]):
        yield int(words[0]) / int(words[1])


def busy_cores(root: Path) -> dict[str, float] | None:
    """How many cores were at work while this process slept, and how many the host took away.

    None where the system does not tell.
    """
    before = times(root)
    time.sleep(WATCHED_SECONDS)
    after = times(root)
    if before is None or after is None:
        return None
    spent = [b - a for a, b in zip(before, after, strict=False)]
    total = sum(spent[:8])
    cores = os.cpu_count() or 1
    if total <= 0:
        return None
    # user nice system idle iowait irq softirq steal
    idle, stolen = spent[3] + spent[4], spent[7] if len(spent) > 7 else 0
    return {
        "others": round(cores * (total - idle - stolen) / total, 2),
        "stolen": round(cores * stolen / total, 2),
    }


def times(root: Path) -> list[int] | None:
    """What all cores have spent on what, in Linux's units; None where there is no such file."""
    words = text(root / "proc/stat").split("\n", 1)[0].split()
    return [int(each) for each in words[1:]] if words[:1] == ["cpu"] and len(words) > 5 else None
