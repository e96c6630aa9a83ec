"""How much memory there is, and errors for when it is not enough."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from charlm.errors import CharlmError

ROOT = Path("/")
UNITS = (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3))
# Found in the messages of torch and NumPy when memory is short or a size is impossibly large.
SHORTAGE = (
    "out of memory",
    "can't allocate memory",
    "calculation overflowed",
    "multiplication overflow",
    "maximum allowed dimension",
    "array is too big",
)


# Parameters of mallopt, by the GNU C library's malloc.h, and their values: from which size on the
# system is asked for a block (32 MiB at most), and how much freed memory is kept.
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 32 << 20), (-1, 256 << 20)


class NotEnoughMemoryError(CharlmError):
    """The memory of this machine, or of its GPU, cannot hold something."""


def check_memory(what: str, needed: int, available: int | None, advice: str) -> None:
    """Raise an error, before anything is allocated, if something cannot fit into memory.

    Args:
        what: the beginning of the message, such as "Training this model".
        needed: a lower bound of the bytes needed.
        available: bytes; None if unknown.
        advice: what to do about it, as a sentence.

    Raises:
        NotEnoughMemoryError: more is needed than is available.
    """
    if available is not None and needed > available:
        raise NotEnoughMemoryError(
            f"{what} would take at least {as_bytes(needed)} of memory; {as_bytes(available)} are "
            "free.",
            advice,
        )


@contextmanager
def memory_at_hand(advice: str) -> Iterator[None]:
    """Turn the errors of Python, NumPy and torch about a lack of memory into one of charlm's.

    Args:
        advice: what to do about it, as a sentence.

    Raises:
        NotEnoughMemoryError: in place of such an error.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_shortage(error):
            raise NotEnoughMemoryError("There is not enough memory for this.", advice) from None
        raise


@cache
def keep_freed_memory() -> None:
    """Have this process keep up to 256 MiB of freed memory, where the GNU C library allocates it.

    Otherwise it returns memory to the system after each large tensor, and the next one waits for
    the system to clear its pages, which takes longer than most of torch's operations.
    """
    import ctypes

    # Neither macOS (AttributeError) nor Windows (TypeError: a library has to be named) knows it.
    with suppress(AttributeError, OSError, TypeError):
        for parameter, value in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            ctypes.CDLL(None).mallopt(parameter, value)


def is_shortage(error: BaseException) -> bool:
    """Whether an error is about a lack of memory."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(each in said for each in SHORTAGE)


def as_bytes(size: int) -> str:
    """Format bytes such as "3.2 TB": powers of 1000, two digits, and at most "a billion TB"."""
    if size >= 10**21:
        return "a billion TB"
    unit, power = next(each for each in UNITS if size >= 10 ** each[1] or each == UNITS[-1])
    return f"{float(f'{size / 10**power:.2g}'):,g} {unit}"


def available_memory(root: Path = ROOT) -> int | None:
    """Bytes that this process can still allocate; None if unknown.

    Args:
        root: the root of the file system, for tests.
    """
    known = [
        each for each in (system_memory(root), *control_groups_memory(root)) if each is not None
    ]
    return min(known, default=None)


def system_memory(root: Path) -> int | None:
    """Bytes that Linux calls available, plus free swap; elsewhere the total memory, or None."""
    kilobytes = numbers(root / "proc/meminfo")
    if "MemAvailable" in kilobytes:
        return 1024 * (kilobytes["MemAvailable"] + kilobytes.get("SwapFree", 0))
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def control_groups_memory(root: Path) -> Iterator[int]:
    """Yield the bytes left by each control group that the process is in."""
    for group in control_groups(root, "memory"):
        yield from control_group_memory(group)


def control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of each control group (container, job) that the process is in.

    Args:
        controller: what the groups control, such as "memory".
    """
    for line in text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        group = top / path.lstrip("/")
        # A group's limit also holds for those inside it. In a container the path is often that of
        # the host, while the container's own group is at the top.
        for each in (group, *group.parents):
            if each.is_relative_to(top):
                yield each


def control_group_memory(group: Path) -> Iterator[int]:
    """Yield the bytes left under a group's limit, if it has one; cached files count as free."""
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for limit, used in names:
        said = [text(group / name).strip() for name in (limit, used)]
        if all(each.isdecimal() for each in said):
            stat = numbers(group / "memory.stat")
            files = stat.get("total_inactive_file", stat.get("inactive_file", 0))
            yield max(int(said[0]) - int(said[1]) + files, 0)


def numbers(path: Path) -> dict[str, int]:
    """Read the numbers, by name, from a file of lines such as "MemTotal: 1024 kB"."""
    words = (line.replace(":", " ").split() for line in text(path).splitlines())
    return {each[0]: int(each[1]) for each in words if len(each) > 1 and each[1].isdecimal()}


def text(path: Path) -> str:
    """The text of a file; empty if it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""


def peak_memory() -> int | None:
    """Peak memory of this process so far, in bytes; None if the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
