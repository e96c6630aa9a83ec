"""What a notebook shows of an object."""

from collections.abc import Iterable

from charlm.sections import Section


class HasSections:
    """What tells of itself in sections; a notebook shows them as HTML."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that belong behind the sections."""
        return ()

    def sections(self) -> Iterable[Section]:
        """What there is to say of it."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from charlm.html.rendering import render

        return render("fragment.html", sections=[*self.sections(), *self.notes])
