"""The folders that charlm writes to: whether it can, how much room there is, what lies there."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from charlm.doctor.guard import known, said
from charlm.runs.directory import RunDirectory
from charlm.runs.locks import is_locked
from charlm.runs.store import list_runs, runs_folder
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS, cache_folder, is_available
from charlm.text.preparing import prepared_texts


def folder_facts(runs_dir: str | None) -> dict[str, Any]:
    """What is known of the folders of the runs, of the cache, and of temporary files.

    Args:
        runs_dir: as on the command line.
    """
    return {
        "runs": known(lambda: folder(runs_folder(runs_dir))),
        "cache": known(lambda: folder(cache_folder())),
        "prepared": known(lambda: sum(each.size for each in prepared_texts())),
        "temporary": known(lambda: folder(Path(tempfile.gettempdir()))),
        "bundled corpus": known(lambda: is_available(CATALOG[DEFAULT_CORPUS])),
    }


def folder(path: Path) -> dict[str, Any]:
    """Where a folder is, whether it is there and can be written, and the bytes free on its disk.

    A folder that is not there is as writable as the nearest one above it.
    """
    there = known(path.is_dir)
    place = nearest(path)
    problem = known(lambda: problem_of_writing(place))
    return {
        "path": str(path),
        "exists": there,
        "problem": problem,
        "free": known(lambda: shutil.disk_usage(place).free),
    }


def nearest(path: Path) -> Path:
    """The path itself if something is there, else the nearest folder above it."""
    whole = path.absolute()
    return next((each for each in (whole, *whole.parents) if each.exists()), whole)


def problem_of_writing(place: Path) -> str | None:
    """Why no file can be made in a folder; None if one can."""
    if not place.is_dir():
        return "it is no folder"
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"charlm")
    except OSError as error:
        return (error.strerror or said(error)).lower()
    return None


def runs_facts(runs_dir: str | None) -> dict[str, Any]:
    """How many runs there are, and those that a process left behind or nobody can read."""
    place = runs_folder(runs_dir)
    listed = list(list_runs(place))
    runs = [each for each in listed if isinstance(each, RunDirectory)]
    names = [file.name.removeprefix(".").removesuffix(".lock") for file in place.glob(".*.lock")]
    return {
        "runs": len(runs),
        "damaged": len(listed) - len(runs),
        "stopped": [run.name for run in runs if run.status == "stopped"],
        "stale locks": sorted(name for name in names if is_locked(place / name) is False),
    }
