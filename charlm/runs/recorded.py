"""Where a run says that its data lie: what is read on the word of whoever made the run.

Data are read only to be compared with what the run was trained on: they count if their hash is the
one in `run.json`. Nothing is downloaded on a run's word, no pattern is searched for, no pipe or
device is read, and no other machine is asked for a file unless the run itself lies there.
"""

import stat
from collections.abc import Iterable
from pathlib import Path

from charlm.errors import CorpusError
from charlm.runs.commands import command
from charlm.text.catalog import CATALOG, is_available


def recorded_sources(run: Path, sources: Iterable[str]) -> list[str]:
    """The places of a run's data, after checking that these may be read.

    Args:
        run: folder of the run.
        sources: as they stand in `run.json`: absolute paths, and names from the catalog.

    Raises:
        CorpusError: one is none of these, is not there, or is not here yet.
    """
    places = list(sources)
    for place in places:
        if place in CATALOG:
            if not is_available(CATALOG[place]):
                raise CorpusError(
                    f"The corpus '{place}' is not downloaded.",
                    f"Fetch it: {command('corpus', 'download', place)}",
                )
        else:
            check_place(place, run)
    return places


def check_place(place: str, run: Path) -> None:
    """Raise CorpusError unless a path is absolute, on a disk of this machine, a file or folder."""
    path = Path(place)
    if "\0" in place or not path.is_absolute():
        raise CorpusError(f"'{place}' is no place that a run can name.")
    if path.drive.startswith(("\\\\", "//")) and path.drive != run.resolve().drive:
        raise CorpusError(f"'{place}' is on another machine, which is not asked on a run's word.")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CorpusError(f"Cannot read '{place}': {why}.") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise CorpusError(f"'{place}' is no regular file, and a run names no other.")
