"""Can charlm write where it has to, what lies there, and what stands between it and others?"""

from collections.abc import Iterator
from pathlib import Path

from charlm.doctor.checks.finding import Finding
from charlm.doctor.guard import Facts, at, number_at
from charlm.machine.memory import as_bytes
from charlm.runs.commands import command

# Bytes: of a run that is saved while it trains; of the largest corpus in the catalog.
ROOM_FOR_A_RUN, ROOM_FOR_CORPORA = 50_000_000, 200_000_000
MUCH_PREPARED = 1_000_000_000  # bytes
NAMED = 3  # names that a sentence lists


def runs_folder(facts: Facts) -> Iterator[Finding]:
    """Whether runs can be kept."""
    place = at(facts, "folders", "runs")
    path, problem = at(place, "path"), at(place, "problem")
    advice = "Choose another folder with --runs-dir or CHARLM_RUNS_DIR."
    if problem is not None:
        yield Finding(
            "broken", f"The folder of the runs, '{path}', cannot be written: {problem}.", advice
        )
    free = number_at(place, "free")
    if free is not None and free < ROOM_FOR_A_RUN:
        what = f"Where runs are kept ('{path}'), only {as_bytes(int(free))} are free."
        yield Finding("limited", what, f"Make room. {advice}")


def cache_folder(facts: Facts) -> Iterator[Finding]:
    """Whether named corpora can be downloaded."""
    place = at(facts, "folders", "cache")
    path, problem = at(place, "path"), at(place, "problem")
    advice = "Set CHARLM_CACHE_DIR to a folder that can be written."
    if problem is not None:
        what = f"Named corpora cannot be downloaded: '{path}' cannot be written: {problem}."
        yield Finding("limited", what, advice)
    free = number_at(place, "free")
    if free is not None and free < ROOM_FOR_CORPORA:
        what = f"Where corpora are kept ('{path}'), only {as_bytes(int(free))} are free."
        yield Finding("limited", what, "The larger ones take 100 MB: set CHARLM_CACHE_DIR.")


def prepared(facts: Facts) -> Iterator[Finding]:
    """How much room large texts take that were prepared for training."""
    size = number_at(facts, "folders", "prepared")
    if size is not None and size >= MUCH_PREPARED:
        what = f"Large texts that were prepared take {as_bytes(int(size))} in the cache folder."
        yield Finding("note", what, command("corpus", "prepared", delete=True))


def temporary_folder(facts: Facts) -> Iterator[Finding]:
    """Whether what comes through a pipe can be kept for a while."""
    problem = at(facts, "folders", "temporary", "problem")
    if problem is not None:
        path = at(facts, "folders", "temporary", "path")
        what = f"Tables cannot be read from a pipe: '{path}' cannot be written: {problem}."
        yield Finding("limited", what, "Set TMPDIR to a folder that can be written.")


def runs(facts: Facts) -> Iterator[Finding]:
    """What processes that were ended left behind."""
    stopped, stale = at(facts, "runs", "stopped") or [], at(facts, "runs", "stale locks") or []
    path = at(facts, "folders", "runs", "path")
    folder = Path(path) if isinstance(path, str) else None
    for name in stopped[:NAMED]:
        what = f"The run '{name}' was being trained, and its process is gone."
        yield Finding("note", what, command("train", folder=folder, resume=name))
    left = [name for name in stale if name not in stopped]
    if left:
        named = ", ".join(f"'.{name}.lock'" for name in left[:NAMED])
        what = f"Locks of processes that are gone lie among the runs: {named}."
        yield Finding("note", what, "They lock nothing; the next training here removes them.")
    damaged = number_at(facts, "runs", "damaged")
    if damaged:
        what = f"{damaged:g} of the runs cannot be read."
        yield Finding("note", what, f"To see why: {command('runs', 'list', folder=folder)}")


def terminal(facts: Facts) -> Iterator[Finding]:
    """What a terminal cannot show."""
    variables = at(facts, "environment") or {}
    if at(facts, "terminal", "utf-8") is False:
        what = "The locale is not UTF-8, and charlm writes UTF-8: letters may look wrong."
        yield Finding("note", what, "export LC_ALL=C.UTF-8")
    if at(facts, "terminal", "output to a terminal") is not True:
        return
    if at(facts, "terminal", "kind") in (None, "", "dumb"):
        what = "The terminal says that it can redraw nothing and has no colours."
        yield Finding("note", what, "If that is not so, set TERM, for example to xterm-256color.")
    elif variables.get("NO_COLOR"):
        yield Finding("note", "NO_COLOR is set, so nothing has colours.", "Unset it for colours.")


def network(facts: Facts) -> Iterator[Finding]:
    """What decides whether corpora can be downloaded."""
    variables = at(facts, "environment") or {}
    if variables.get("CHARLM_OFFLINE", "0") not in ("", "0"):
        what = "CHARLM_OFFLINE is set: no corpus is downloaded."
        yield Finding("note", what, "Unset it to train on a corpus that is not here yet.")
    names = [name for name in variables if name.upper() in ("HTTP_PROXY", "HTTPS_PROXY")]
    proxies = dict.fromkeys(variables[name] for name in names if variables[name])
    if proxies:
        yield Finding("note", f"Corpora are downloaded through the proxy {', '.join(proxies)}.")


PLACES = (runs_folder, cache_folder, prepared, temporary_folder, runs, terminal, network)
