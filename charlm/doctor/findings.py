"""What is slow, missing or broken on this machine: every check over the facts, in plain words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from charlm.doctor.checks.finding import LEVELS, Finding
from charlm.doctor.checks.installation import INSTALLATION
from charlm.doctor.checks.machine import MACHINE
from charlm.doctor.checks.places import PLACES
from charlm.doctor.guard import said

Check = Callable[[Mapping[str, Any]], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (*INSTALLATION, *MACHINE, *PLACES)


def diagnose(facts: Mapping[str, Any], checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """The findings of all checks, the worst first.

    A check that fails is a finding too, and keeps no other from being made.
    """
    found = [finding for check in checks for finding in findings_of(check, facts)]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def findings_of(check: Check, facts: Mapping[str, Any]) -> Iterator[Finding]:
    """What a check finds."""
    try:
        yield from list(check(facts))
    except Exception as error:  # The doctor itself must not fall ill.
        name = getattr(check, "__name__", "a check").replace("_", " ")
        yield Finding(
            "note", f"The check of {name} failed ({said(error)}).", "It says nothing of charlm."
        )


def works(findings: Iterable[Finding]) -> bool:
    """Whether nothing is broken."""
    return all(finding.level != "broken" for finding in findings)
