"""Is everything there that charlm is made of, and does it run?"""

import re
from collections.abc import Iterator

from charlm.doctor.checks.finding import Finding
from charlm.doctor.facts import EXTRAS, NEEDED
from charlm.doctor.guard import Facts, Unknown, at

OF_SPEED = "numba"  # Without it charlm works.
TORCH = "https://pytorch.org/get-started/locally/"


def packages(facts: Facts) -> Iterator[Finding]:
    """Packages that charlm needs, with versions that it knows."""
    versions = at(facts, "packages")
    if not versions:
        return
    for name, least in NEEDED.items():
        have = versions.get(name)
        if have is None and name != OF_SPEED:
            yield Finding("broken", f"{name} is not installed.", f"pip install '{name}>={least}'")
        elif have is not None and is_below(have, least):
            what = f"{name} {have} is older than charlm is known to work with ({least})."
            yield Finding("limited", what, f"pip install --upgrade '{name}>={least}'")


def is_below(version: str, least: str) -> bool:
    """Whether a version comes before another, by their numbers."""
    return numbers_of(version) < numbers_of(least)


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers of a version: "2.13.0+cpu" has 2, 13 and 0."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def torch(facts: Facts) -> Iterator[Finding]:
    """Whether torch can be imported."""
    found = facts.get("torch")
    if isinstance(found, Unknown):
        yield Finding(
            "broken",
            f"torch does not run here: {found.why}.",
            f"Install it again as {TORCH} says; it trains and scores, and writes on GPUs.",
        )


def compiled_code(facts: Facts) -> Iterator[Finding]:
    """Whether arithmetic is compiled, and kept."""
    compiled = facts.get("compiled")
    if isinstance(compiled, Unknown):
        if not isinstance(facts.get("torch"), Unknown):
            yield Finding(
                "slow",
                f"Compiled code does not run here: {compiled.why}.",
                "pip install --force-reinstall numba, or set CHARLM_KERNELS=off to do without.",
            )
        return
    if at(compiled, "available") is False:
        yield from not_compiled(str(at(compiled, "problem") or "numba cannot be used"))
    elif at(compiled, "CHARLM_KERNELS") == "generic":
        what = "CHARLM_KERNELS=generic keeps compiled code from what only this processor has."
        yield Finding("slow", what, "Unset it.")
    if at(compiled, "available") is True and at(compiled, "kept on disk") is False:
        yield Finding(
            "slow",
            "Compiled code cannot be kept on disk: every command compiles anew, for ten seconds or "
            "more.",
            "Set NUMBA_CACHE_DIR to a folder that can be written.",
        )


def not_compiled(problem: str) -> Iterator[Finding]:
    """Nothing is compiled: why, and what that costs."""
    cost = "torch's own code trains, a gru at about half the speed, and NumPy writes."
    if "cannot be '" in problem:
        yield Finding("broken", problem, "Set it to off, generic or auto, or unset it.")
    elif "CHARLM_KERNELS" in problem:
        yield Finding("slow", f"CHARLM_KERNELS=off, so nothing is compiled: {cost}", "Unset it.")
    elif "folder" in problem:
        yield Finding("slow", f"Nothing is compiled, as {problem}: {cost}", "Install charlm again.")
    else:
        do = "pip install --upgrade numba"
        yield Finding("slow", f"Nothing is compiled, as {problem}: {cost}", do)


def bundled_corpus(facts: Facts) -> Iterator[Finding]:
    """Whether the novella that comes with charlm is there."""
    if at(facts, "folders", "bundled corpus") is False:
        what = "The text that comes with charlm is missing or damaged."
        yield Finding("broken", what, "Install charlm again, or name a text of your own.")


def extras(facts: Facts) -> Iterator[Finding]:
    """Packages that only some users need."""
    versions = at(facts, "packages") or {}
    for names, purpose in EXTRAS.values():
        missing = [name for name in names if name in versions and versions[name] is None]
        if missing:
            what = f"{' and '.join(missing)} is not installed, which is for {purpose}."
            yield Finding("limited", what, f"pip install {' '.join(missing)}")


INSTALLATION = (packages, torch, compiled_code, bundled_corpus, extras)
