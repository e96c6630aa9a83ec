"""Each check says what is so, and nothing else; none of them ever fails."""

import copy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.doctor.checks.finding import LEVELS, Finding
from charlm.doctor.checks.installation import is_below
from charlm.doctor.facts import EXTRAS, NEEDED
from charlm.doctor.findings import CHECKS, diagnose, works
from charlm.doctor.guard import Unknown

ROOT = Path(__file__).resolve().parents[2]

FOLDER = {"path": "runs", "exists": True, "problem": None, "free": 10**12}
# A machine on which nothing is to be said.
GOOD: dict[str, Any] = {
    "charlm": "0.1.0",
    "packages": {**dict.fromkeys(NEEDED, "99"), "scikit-learn": "1.5"},
    "processor": {
        "architecture": "x86_64",
        "cores": 8,
        "usable": 8,
        "quota": None,
        "features": ["AVX2", "FMA", "AVX-512", "AVX-512 bfloat16", "AMX", "AMX bfloat16"],
        "busy": {"others": 0.1, "stolen": 0.0},
    },
    "memory": {"total": 16 * 10**9, "free": 12 * 10**9},
    "gpus": [],
    "torch": {"version": "2.9", "cuda": None, "cuda available": False, "gpus": []},
    "compiled": {"CHARLM_KERNELS": "auto", "available": True, "kept on disk": True},
    "speed": {"backend": "fused", "share of the limit": 0.75},
    "folders": {"runs": FOLDER, "cache": FOLDER, "temporary": FOLDER, "bundled corpus": True},
    "runs": {"runs": 3, "damaged": 0, "stopped": [], "stale locks": []},
    "terminal": {"output to a terminal": True, "kind": "xterm", "utf-8": True},
    "environment": {"TERM": "xterm"},
}
GPU = [{"name": "NVIDIA T4", "driver": "470.1"}]


def changed(**changes: Any) -> dict[str, Any]:
    """The good machine, but for some facts; paths are written with __ between their parts."""
    facts = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *above, last = [
            part.replace("_", " ") if part.islower() else part for part in path.split("__")
        ]
        place = facts
        for name in above:
            place = place[name]
        place[last] = value
    return facts


def test_a_good_machine_has_nothing_to_be_told() -> None:
    assert diagnose(GOOD) == []
    assert works([])


def on_gpu(**torch: Any) -> dict[str, Any]:
    return {**GOOD, "gpus": GPU, "torch": {"version": "2.9", **torch}}


def with_package(name: str, version: str | None) -> dict[str, Any]:
    return {**GOOD, "packages": {**GOOD["packages"], name: version}}


OLD_GPU = {"name": "K80", "capability": "3.7"}
MIDDLE_GPU = {"name": "T4", "capability": "7.5"}
BUILT = ["sm_70", "sm_75", "sm_90a", "compute_90"]
CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # name: facts, level, words of the sentence, words of the advice
    "no torch": (changed(torch=Unknown("no libtorch")), "broken", "no libtorch", "Install"),
    "no pooch": (with_package("pooch", None), "broken", "pooch is not", "pip install 'pooch>="),
    "old numpy": (with_package("numpy", "1.25.9"), "limited", "numpy 1.25.9 is older", "--upgrade"),
    "no numba": (
        changed(compiled={"available": False, "problem": "numba is not installed"}),
        "slow",
        "numba is not installed: torch's own",
        "pip install",
    ),
    "kernels off": (
        changed(compiled={"available": False, "problem": "CHARLM_KERNELS is off"}),
        "slow",
        "CHARLM_KERNELS=off",
        "Unset it",
    ),
    "kernels odd": (
        changed(compiled={"available": False, "problem": "CHARLM_KERNELS cannot be 'x'."}),
        "broken",
        "CHARLM_KERNELS cannot be 'x'.",
        "unset it",
    ),
    "kernels deleted": (
        changed(compiled={"available": False, "problem": "the folder charlm/kernels is gone"}),
        "slow",
        "the folder charlm/kernels is gone",
        "Install charlm again",
    ),
    "kernels generic": (
        changed(compiled={"available": True, "CHARLM_KERNELS": "generic"}),
        "slow",
        "CHARLM_KERNELS=generic",
        "Unset it",
    ),
    "kernels ended": (
        changed(compiled=Unknown("the process was ended by SIGILL")),
        "slow",
        "SIGILL",
        "CHARLM_KERNELS=off",
    ),
    "no cache of code": (
        changed(compiled__kept_on_disk=False),
        "slow",
        "compiles anew",
        "NUMBA_CACHE_DIR",
    ),
    "no novella": (changed(folders__bundled_corpus=False), "broken", "is missing", "Install"),
    "no scikit-learn": (
        with_package("scikit-learn", None),
        "limited",
        "scikit-learn is not installed, which is for logistic",
        "pip install scikit-learn",
    ),
    "bound to cores": (changed(processor__usable=2), "note", "may use 2 of the 8 cores", "taskset"),
    "half a core": (changed(processor__quota=0.5), "slow", "time of 0.5 cores", "--threads 1"),
    "a quota": (changed(processor__quota=3.5), "slow", "time of 3.5 cores", "--threads 3"),
    "few threads": (
        changed(environment__OMP_NUM_THREADS="2"),
        "slow",
        "OMP_NUM_THREADS=2 leaves 6 of 8 cores idle",
        "--threads 8",
    ),
    "many threads": (
        changed(environment__OMP_NUM_THREADS="16,2"),
        "slow",
        "OMP_NUM_THREADS=16 has more threads than the 8 cores",
        "Unset it",
    ),
    "odd threads": (
        changed(environment__OMP_NUM_THREADS="many"),
        "note",
        "'many', which is no number",
        "Unset it",
    ),
    "neighbours": (
        changed(processor__busy={"others": 3.2, "stolen": 0.0}),
        "slow",
        "Other programs use 3.2 of 8 cores",
        "fewer threads",
    ),
    "a host that steals": (
        changed(processor__busy={"others": 0.0, "stolen": 2.0}),
        "slow",
        "takes 25% of its time",
        "Nothing can be done",
    ),
    "no AVX2": (changed(processor__features=["FMA"]), "slow", "no AVX2", "another machine"),
    "no bfloat16": (
        changed(processor__features=["AVX2", "AVX-512"]),
        "note",
        "no AMX, and --precision auto trains in fp32",
        "",
    ),
    "no AVX-512": (
        changed(processor__features=["AVX2"]),
        "note",
        "no AVX-512 and no AMX, and --precision auto trains in fp32",
        "",
    ),
    "little memory": (changed(memory__free=6 * 10**8), "limited", "600 MB", "--batch-size"),
    "torch for the CPU": (
        on_gpu(cuda=None),
        "slow",
        "a GPU (NVIDIA T4), and torch was installed without CUDA",
        "Install torch with CUDA",
    ),
    "an old driver": (
        on_gpu(cuda="12.6", **{"cuda available": False}),
        "slow",
        "built for CUDA 12.6, cannot use the GPU (NVIDIA T4)",
        "driver 470.1",
    ),
    "a hidden GPU": (
        {
            **on_gpu(cuda="12.6", **{"cuda available": False}),
            "environment": {"CUDA_VISIBLE_DEVICES": "-1"},
        },
        "slow",
        "CUDA_VISIBLE_DEVICES=-1 hides",
        "Unset it",
    ),
    "a GPU too old": (
        on_gpu(cuda="12.6", **{"cuda available": True, "gpus": [OLD_GPU], "built for": BUILT}),
        "slow",
        "K80 is too old",
        "--device cpu",
    ),
    "a GPU without bf16": (
        on_gpu(cuda="12.6", **{"cuda available": True, "gpus": [MIDDLE_GPU], "built for": BUILT}),
        "note",
        "T4 multiplies no bf16",
        "--precision fp16",
    ),
    "slow training": (
        changed(speed={"backend": "fused", "share of the limit": 0.2}),
        "slow",
        "20% of the processor's peak",
        "charlm bench",
    ),
    "runs cannot be written": (
        changed(folders__runs={**FOLDER, "problem": "read-only file system"}),
        "broken",
        "'runs', cannot be written: read-only file system",
        "--runs-dir",
    ),
    "no room for runs": (
        changed(folders__runs={**FOLDER, "free": 1_000_000}),
        "limited",
        "only 1 MB are free",
        "Make room",
    ),
    "cache cannot be written": (
        changed(folders__cache={**FOLDER, "problem": "permission denied"}),
        "limited",
        "cannot be written: permission denied",
        "CHARLM_CACHE_DIR",
    ),
    "much is prepared": (
        changed(folders__prepared=3 * 10**9),
        "note",
        "take 3 GB in the cache",
        "charlm corpus prepared --delete",
    ),
    "no room for corpora": (
        changed(folders__cache={**FOLDER, "free": 90_000_000}),
        "limited",
        "only 90 MB are free",
        "100 MB",
    ),
    "no temporary files": (
        changed(folders__temporary={**FOLDER, "problem": "permission denied"}),
        "limited",
        "from a pipe",
        "TMPDIR",
    ),
    "a run that stopped": (
        changed(runs={"stopped": ["mine"], "stale locks": ["mine"]}),
        "note",
        "'mine' was being trained, and its process is gone",
        "charlm train --resume mine",
    ),
    "stale locks": (
        changed(runs={"stopped": [], "stale locks": ["a", "b"]}),
        "note",
        "'.a.lock', '.b.lock'",
        "lock nothing",
    ),
    "damaged runs": (changed(runs={"damaged": 2}), "note", "2 of the runs", "charlm runs list"),
    "another locale": (
        {**GOOD, "terminal": {**GOOD["terminal"], "utf-8": False}},
        "note",
        "not UTF-8",
        "LC_ALL",
    ),
    "a dumb terminal": (changed(terminal__kind="dumb"), "note", "no colours", "TERM"),
    "no colours": (changed(environment={"NO_COLOR": "1"}), "note", "NO_COLOR", "Unset"),
    "offline": (changed(environment={"CHARLM_OFFLINE": "1"}), "note", "CHARLM_OFFLINE", "Unset"),
    "a proxy": (
        changed(environment={"https_proxy": "http://here:1"}),
        "note",
        "through the proxy http://here:1",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_so_is_said(case: str) -> None:
    facts, level, what, do = CASES[case]
    (finding,) = diagnose(facts)
    assert finding.level == level
    assert what in finding.what
    assert do in finding.do
    assert finding.what.endswith(".")
    assert works([finding]) is (level != "broken")


def test_every_check_has_a_case() -> None:
    said = {check for check in CHECKS for facts, *_ in CASES.values() if list(check(facts))}
    assert said == set(CHECKS)


def test_nothing_is_said_of_what_is_unknown() -> None:
    unknown = {name: Unknown("?") for name in GOOD if name not in ("torch", "compiled")}
    assert diagnose({**GOOD, **unknown}) == []
    assert diagnose({}) == []


def test_the_worst_comes_first() -> None:
    bad = {**GOOD, "torch": Unknown("x"), "environment": {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}}
    levels = [finding.level for finding in diagnose(bad)]
    assert levels == sorted(levels, key=LEVELS.index)
    assert set(levels) == {"broken", "slow", "note"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(Unknown, st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def places(facts: Mapping[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in facts.items():
        found.append((*above, name))
        if isinstance(value, dict):
            found += places(value, (*above, name))
    return found


@given(st.lists(st.tuples(st.sampled_from(places(GOOD)), JSON), max_size=4))
def test_no_fact_whatever_it_is_makes_it_fail(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    facts = copy.deepcopy(GOOD)
    for path, value in changes:
        place: Any = facts
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[path[-1]] = value
    assert all(isinstance(each, Finding) for each in diagnose(facts))


def test_a_check_that_fails_keeps_none_from_being_made() -> None:
    def ill(facts: Mapping[str, Any]) -> list[Finding]:
        raise ZeroDivisionError("so")

    (finding,) = diagnose(GOOD, [ill])
    assert finding.level == "note"
    assert "ill failed (ZeroDivisionError: so)" in finding.what
    assert len(diagnose(CASES["no bfloat16"][0], [ill, *CHECKS])) == 2


def test_versions_are_compared_by_their_numbers() -> None:
    assert is_below("2.9.1", "2.10")
    assert not is_below("2.13.0+cpu", "2.6")
    assert not is_below("4", "4")
    assert is_below("0.19.1rc1", "0.19.2")


# What is known of the package itself


def requirements() -> tuple[dict[str, str], dict[str, list[str]]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everywhere = (each for each in project["dependencies"] if "sys_platform" not in each)
    needed = [each.split(">=") for each in everywhere]
    return {name: least.split(",")[0] for name, least in needed}, project["optional-dependencies"]


def test_what_charlm_needs_is_what_its_package_says() -> None:
    needed, _ = requirements()
    assert needed == NEEDED


def test_every_extra_of_the_package_is_explained() -> None:
    _, extras = requirements()
    for_users = {name: each for name, each in extras.items() if name not in ("dev", "docs")}
    packages = {name: [one.split(">=")[0] for one in each] for name, each in for_users.items()}
    assert packages == {name: list(each) for name, (each, _) in EXTRAS.items()}
