"""What a notebook shows of an object."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from charlm.sections import Section


class HasSections(ABC):
    """What tells of itself in sections; a notebook shows them as HTML."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that belong behind the sections."""
        return ()

    @abstractmethod
    def sections(self) -> Iterable[Section]:
        """What there is to say of it."""

    def _repr_html_(self) -> str:
        from charlm.html.rendering import render

        return render("fragment.html", sections=[*self.sections(), *self.notes])
