"""All facts of this machine and this installation, as a bug report needs them."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from charlm.doctor.folders import folder_facts, runs_facts
from charlm.doctor.guard import known
from charlm.doctor.other_process import ask_torch
from charlm.doctor.processor import answer, processor_facts
from charlm.machine.memory import available_memory, numbers
from charlm.runs.commands import command
from charlm.version import __version__

# The extras that users may want, the packages they bring, and what these are for.
EXTRAS = {
    "baselines": (("scikit-learn",), "logistic regressions to compare a classifier with"),
    "compression": (("constriction",), command("compress")),
    "onnx": (("onnx",), command("export", to="onnx")),
    "tensorboard": (("tensorboard",), command("train", log_to="tensorboard")),
    "wandb": (("wandb",), command("train", log_to="wandb")),
    "mlflow": (("mlflow",), command("train", log_to="mlflow")),
    "trackio": (("trackio",), command("train", log_to="trackio")),
}
# What charlm needs, with the least version that is known to work.
NEEDED = {
    "torch": "2.6",
    "numpy": "1.26",
    "numba": "0.61",
    "typer": "0.19.2",
    "rich": "13.7",
    "safetensors": "0.4.4",
    "pooch": "1.8",
    "charset-normalizer": "3.5.2",
    "platformdirs": "4",
    "matplotlib": "3.8",
    "jinja2": "3.1",
    "plotille": "6.0",
    "prompt-toolkit": "3.0.43",
    "filelock": "3.32",
}
# Beside these, llvmlite and scipy decide what numba and scikit-learn do.
ALSO = ("llvmlite", "scipy")
VARIABLES = re.compile(
    "CHARLM_.*|(OMP|MKL|OPENBLAS|GOMP|KMP|NUMBA|CUDA|PYTORCH|TORCH)_.*|(HTTPS?|ALL|NO)_PROXY|"
    "NO_COLOR|TERM|COLUMNS|LANG|LC_ALL|LC_CTYPE|PYTHONUTF8|VIRTUAL_ENV|CONDA_PREFIX",
    re.IGNORECASE,
)


def gather(runs_dir: str | None = None, measure: bool = False) -> dict[str, Any]:
    """All facts by section; an Unknown stands for what could not be found out.

    Args:
        runs_dir: folder of the runs, as on the command line.
        measure: measure a short training as well.
    """
    return {
        "charlm": __version__,
        "installed in": str(Path(__file__).resolve().parents[1]),
        "python": known(python),
        "system": known(platform.platform),
        "packages": known(packages),
        "processor": known(processor_facts),
        "memory": known(memory),
        "gpus": known(gpus),
        **ask_torch(measure),
        "folders": known(lambda: folder_facts(runs_dir)),
        "runs": known(lambda: runs_facts(runs_dir)),
        "terminal": known(terminal),
        "environment": known(environment),
    }


def python() -> str:
    """The interpreter's version and place."""
    kind = platform.python_implementation()
    return f"{platform.python_version()} ({kind}), {sys.executable}"


def packages() -> dict[str, str | None]:
    """Versions by package; None for one that is not installed."""
    optional = (name for names, _ in EXTRAS.values() for name in names)
    return {name: version_of(name) for name in (*NEEDED, *ALSO, *optional)}


def version_of(package: str) -> str | None:
    """The version of a package that is installed; None if it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory() -> dict[str, int | None]:
    """Bytes that there are, and that are free for this process."""
    total = numbers(Path("/proc/meminfo")).get("MemTotal")
    if total is not None:
        return {"total": 1024 * total, "free": available_memory()}
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    known_here = hasattr(os, "sysconf") and all(name in os.sysconf_names for name in names)
    pages, size = (os.sysconf(name) for name in names) if known_here else (0, 0)
    return {"total": pages * size or None, "free": available_memory()}


def gpus() -> list[dict[str, str]]:
    """NVIDIA's GPUs, as their driver tells, whatever torch can do with them."""
    if shutil.which("nvidia-smi") is None:
        return list(gpus_of_driver(Path("/proc/driver/nvidia/gpus")))
    asked = "--query-gpu=name,driver_version"
    lines = answer("nvidia-smi", asked, "--format=csv,noheader").splitlines()
    split = [[each.strip() for each in line.split(",")] for line in lines]
    return [{"name": each[0], "driver": each[1]} for each in split if len(each) == 2]


def gpus_of_driver(folder: Path) -> Iterator[dict[str, str]]:
    """The same from the files of Linux's driver, where its program is missing."""
    for each in sorted(folder.iterdir()) if folder.is_dir() else []:
        lines = (each / "information").read_text(encoding="utf-8").splitlines()
        about = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}
        yield {"name": about.get("Model", each.name), "driver": ""}


def terminal() -> dict[str, Any]:
    """What standard output and standard error are."""
    streams = {"output": sys.stdout, "errors": sys.stderr}
    told = {name: each is not None and each.isatty() for name, each in streams.items()}
    size = shutil.get_terminal_size()
    return {
        **{f"{name} to a terminal": each for name, each in told.items()},
        "columns": size.columns,
        "kind": os.environ.get("TERM"),
        "utf-8": is_utf8(os.environ),
    }


def is_utf8(variables: Mapping[str, str]) -> bool | None:
    """Whether the locale writes UTF-8; None if nothing says so."""
    if sys.platform == "win32":
        return None
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    named = next((variables[name] for name in names if variables.get(name)), None)
    return None if named is None else bool(re.search("utf-?8", named, re.IGNORECASE))


def environment() -> dict[str, str]:
    """The environment variables that count, without the passwords of proxies."""
    names = sorted(name for name in os.environ if VARIABLES.fullmatch(name))
    return {name: without_password(os.environ[name]) for name in names}


def without_password(value: str) -> str:
    """A variable's value; of an address, without the name and the password in it."""
    if "@" not in value or "//" not in value:
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
