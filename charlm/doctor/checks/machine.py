"""Is the machine as fast as it could be?"""

from collections.abc import Iterator

from charlm.doctor.checks.finding import Finding
from charlm.doctor.guard import Facts, at, number_at
from charlm.machine.memory import as_bytes
from charlm.runs.commands import command

# Bytes: training with the preset quick takes about half of it.
LITTLE_MEMORY = 1_000_000_000
# Cores that others use, and the share of its time that the host takes from a virtual machine.
BUSY, STOLEN = 0.5, 0.1
# On a quiet machine compiled code comes to about three quarters of the products' speed.
USUAL, LOW = "45 % to 75 %", 0.3
TORCH = "https://pytorch.org/get-started/locally/"
X86 = ("x86_64", "amd64", "i686")


def cores(facts: Facts) -> Iterator[Finding]:
    """Whether all cores may be used."""
    processor = at(facts, "processor")
    there, usable = number_at(processor, "cores"), number_at(processor, "usable")
    quota = number_at(processor, "quota")
    if there and usable and usable < there:
        yield Finding(
            "note",
            f"This process may use {usable:g} of the {there:g} cores.",
            "Whoever started it has bound it to them (taskset, a container or a job).",
        )
    if quota is not None and usable and quota < usable:
        yield Finding(
            "slow",
            f"A container or job gives the time of {quota:.2g} cores, where {usable:g} are seen: "
            "threads wait for one another.",
            f"Give --threads {max(1, int(quota))}, or set OMP_NUM_THREADS={max(1, int(quota))}.",
        )
    yield from named_threads(facts, usable)


def named_threads(facts: Facts, usable: float | None) -> Iterator[Finding]:
    """What OMP_NUM_THREADS does to the cores."""
    named = at(facts, "environment", "OMP_NUM_THREADS")
    if named is None or not usable:
        return
    number = str(named).partition(",")[0].strip()
    if not (number.isascii() and number.isdecimal() and int(number)):
        what = f"OMP_NUM_THREADS is '{named}', which is no number of threads."
        yield Finding("note", what, "Unset it.")
    elif int(number) < usable:
        what = f"OMP_NUM_THREADS={number} leaves {usable - int(number):g} of {usable:g} cores idle."
        yield Finding("slow", what, f"Unset it, or give --threads {usable:g}.")
    elif int(number) > usable:
        what = f"OMP_NUM_THREADS={number} has more threads than the {usable:g} cores can run."
        yield Finding("slow", what, "Unset it.")


def neighbours(facts: Facts) -> Iterator[Finding]:
    """Whether other programs compute, or the host takes time away."""
    busy, cores = at(facts, "processor", "busy"), number_at(facts, "processor", "cores")
    others, stolen = number_at(busy, "others"), number_at(busy, "stolen")
    if others is not None and cores and others >= BUSY:
        what = f"Other programs use {others:.1f} of {cores:g} cores at the moment."
        yield Finding("slow", what, "charlm takes fewer threads meanwhile; it is faster alone.")
    if stolen is not None and cores and stolen >= STOLEN * cores:
        share = stolen / cores
        what = f"The host of this virtual machine takes {share:.0%} of its time away."
        yield Finding("slow", what, "Nothing can be done from here.")


def instructions(facts: Facts) -> Iterator[Finding]:
    """What the processor lacks."""
    features, kind = at(facts, "processor", "features"), at(facts, "processor", "architecture")
    if not isinstance(features, list) or str(kind).lower() not in X86:
        return
    if "AVX2" not in features:
        what = "This processor has no AVX2: products are several times slower than with it."
        yield Finding("slow", what, "Nothing can be done but to take another machine.")
        return
    lacks = [name for name in ("AVX-512", "AMX") if name not in features]
    if "AMX" in lacks:
        if "AVX-512 bfloat16" in features:
            return
        yield Finding(
            "note",
            f"This processor has no {' and no '.join(lacks)}, and --precision auto trains in fp32: "
            "one that multiplies bfloat16 trains about twice as fast.",
        )


def memory(facts: Facts) -> Iterator[Finding]:
    """Whether there is enough memory to begin with."""
    free = number_at(facts, "memory", "free")
    if free is not None and free < LITTLE_MEMORY:
        what = f"Only {as_bytes(int(free))} of memory are free; usual settings take half a GB."
        do = "Close other programs, or give a smaller --batch-size or --hidden-size."
        yield Finding("limited", what, do)


def gpus(facts: Facts) -> Iterator[Finding]:
    """Whether torch uses the GPU that is there."""
    there = at(facts, "gpus")
    torch = at(facts, "torch")
    if not there or not isinstance(there, list) or torch is None:
        return
    name = str(at(there[0], "name"))
    if at(torch, "cuda available") is True:
        yield from old_gpus(facts)
    elif at(torch, "cuda") is None:
        what = f"There is a GPU ({name}), and torch was installed without CUDA."
        yield Finding("slow", what, f"Install torch with CUDA, as {TORCH} says.")
    elif (hidden := at(facts, "environment", "CUDA_VISIBLE_DEVICES")) is not None:
        what = f"CUDA_VISIBLE_DEVICES={hidden} hides the GPU ({name})."
        yield Finding("slow", what, "Unset it.")
    else:
        driver = at(there[0], "driver")
        version = f" {driver}" if driver else ""
        what = f"torch, built for CUDA {at(torch, 'cuda')}, cannot use the GPU ({name})."
        do = f"Its driver{version} may be too old: update it, or install another torch ({TORCH})."
        yield Finding("slow", what, do)


def old_gpus(facts: Facts) -> Iterator[Finding]:
    """Whether torch's code runs on the GPU, and whether that multiplies bfloat16."""
    built = at(facts, "torch", "built for")
    for each in at(facts, "torch", "gpus") or []:
        capability = tuple(map(int, str(at(each, "capability")).split(".")))
        known = [int(name.rpartition("_")[2].rstrip("af")) for name in built or []]
        if known and 10 * capability[0] + capability[1] < min(known):
            what = f"The GPU {at(each, 'name')} is too old for this torch."
            yield Finding("slow", what, "Give --device cpu, or install an older torch.")
        elif capability < (8, 0):
            what = f"The GPU {at(each, 'name')} multiplies no bf16 and no tf32."
            yield Finding("note", what, "--precision fp16 may be faster than fp32.")


def speed(facts: Facts) -> Iterator[Finding]:
    """Whether a short training was as fast as usual, measured by the processor's peak."""
    share = number_at(facts, "speed", "share of the limit")
    if share is not None and share < LOW and at(facts, "speed", "backend") == "fused":
        what = f"A short training came to {share:.0%} of the processor's peak; {USUAL} are usual."
        do = f"Try again when nothing else computes, or measure more: {command('bench')}"
        yield Finding("slow", what, do)


MACHINE = (cores, neighbours, instructions, memory, gpus, speed)
