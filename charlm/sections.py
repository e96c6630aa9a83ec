"""What there is to say of something, for whoever shows it: a terminal, a notebook, a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Of numbers with a decimal point four digits are shown; None is a dash.
Value = str | int | float | None


@dataclass(frozen=True)
class Facts:
    """Names and values, one below the other."""

    pairs: Sequence[tuple[str, Value]]


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        columns: their names; the first `names` of them hold words.
        caption: what it shows, for pages; a terminal leaves it out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    names: int = 1
    caption: str = ""


# A string is a sentence.
Section = Facts | Grid | str
# What a run is called where its name is not known.
THIS_RUN = "this run"


class HasSections:
    """What tells of itself in sections; a notebook shows them as HTML."""

    notes: tuple[str, ...] = ()

    def sections(self) -> Iterable[Section]:
        """What there is to say of it."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from charlm.html import render

        return render("fragment.html", sections=[*self.sections(), *self.notes])
