"""Colours that stand for numbers, for whoever shows them: a terminal, a page, a picture.

They can be told apart by readers who do not see all colours, and printed without colour.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

# Steps of matplotlib's viridis, from little to much.
MAGNITUDES = (
    "#440154", "#482475", "#414487", "#355f8d", "#2a788e",
    "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725",
)  # fmt: skip
# Brewer's blue, white and red (RdBu, reversed): below zero, about zero, above zero.
SIGNED = (
    "#053061", "#2166ac", "#4393c3", "#92c5de", "#d1e5f0",
    "#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f",
)  # fmt: skip
BLACK, WHITE = "#000000", "#ffffff"


class Scale(NamedTuple):
    """A fixed scale: which colour a number has does not depend on the other numbers.

    Args:
        name: what is measured.
        colours: one for each step.
        bounds: where one step ends and the next begins, ascending, one fewer than the colours.
        labels: of the steps, for a legend.
    """

    name: str
    colours: Sequence[str]
    bounds: Sequence[float]
    labels: Sequence[str]

    @classmethod
    def between(cls, name: str, colours: Sequence[str], low: float, high: float) -> "Scale":
        """Steps of equal width; what lies outside has the first or the last colour."""
        width = (high - low) / len(colours)
        middles = [low + width * (step + 0.5) for step in range(len(colours))]
        bounds = [low + width * step for step in range(1, len(colours))]
        return cls(name, colours, bounds, [f"{each:.1f}" for each in middles])

    def step(self, value: float) -> int:
        """Number of the step of a value, from 0."""
        return bisect_right(self.bounds, value)


def luminance(colour: str) -> float:
    """Relative luminance of a colour such as "#21918c", 0 to 1, as WCAG 2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ink(background: str) -> str:
    """Black or white, whichever is easier to read on a background; the contrast is 4.5 or more."""
    return max((BLACK, WHITE), key=lambda each: contrast(each, background))


# Surprise in bits: a step for each bit, the last from ten bits on.
SURPRISE = Scale("surprise", MAGNITUDES, range(1, 11), [*map(str, range(10)), "10+"])
# An activity between -1 and 1.
ACTIVITY = Scale.between("activity", SIGNED, -1.0, 1.0)
# How much a prediction hangs on a character, as a share of the most; it falls off fast.
PERCENT = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 80)
SHARE = Scale(
    "share", MAGNITUDES, [each / 100 for each in PERCENT], ["less", *(f"{p:g}%" for p in PERCENT)]
)
SCALES = (SURPRISE, ACTIVITY, SHARE)
