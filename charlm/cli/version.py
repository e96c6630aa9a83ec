"""charlm --version, and with --verbose all that a bug report needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from charlm.cli import console
from charlm.errors import UsageError
from charlm.machine.memory import as_bytes
from charlm.version import __version__

# Facts that are numbers of bytes.
BYTES = ("total", "free", "memory")


def show_version(verbose: bool, json: bool) -> None:
    """Print the version; with `verbose` also what charlm runs on."""
    if not verbose:
        if json:
            console.write_json({"charlm": __version__})
        else:
            console.write(f"charlm {__version__}\n")
        return
    from charlm.doctor.facts import gather
    from charlm.doctor.guard import plain

    facts = gather()
    if json:
        console.write_json(plain(facts))
    else:
        console.facts(rows_of(facts))


def rows_of(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Facts as rows of a name and a value."""
    for name, value in facts.items():
        whole = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from rows_of(value, f"{whole}: ")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            for number, each in enumerate(value):
                yield from rows_of(each, f"{whole} {number}: ")
        else:
            yield whole, in_words(name, value)


def in_words(name: str, value: Any) -> str:
    """A fact for people."""
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name in BYTES and isinstance(value, int):
        return as_bytes(value)
    return str(value)


def check_version_options(version: bool, verbose: bool, json: bool) -> None:
    """Raise UsageError for an option that does nothing without --version."""
    for name, given in (("--verbose", verbose), ("--json", json)):
        if given and not version:
            raise UsageError(f"{name} before a command goes with --version only.", "Add --version.")
