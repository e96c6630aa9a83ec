"""What a check says."""

from dataclasses import dataclass

# broken: charlm does not work; slow: it could be faster here; limited: something that it could do,
# it cannot do here; note: worth knowing.
LEVELS = ("broken", "slow", "limited", "note")


@dataclass(frozen=True)
class Finding:
    """Something about this machine, and what to do about it.

    Args:
        level: one of LEVELS.
        what: one sentence.
        do: one sentence; "" where there is nothing to do.
    """

    level: str
    what: str
    do: str = ""
