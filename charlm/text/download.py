"""Downloading catalog corpora: mirrors in turn, checksums verified, moved into place whole."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from charlm.errors import CorpusError
from charlm.progress import ProgressCallback
from charlm.text.catalog import DEFAULT_CORPUS, CatalogEntry, corpus_path, is_available

if TYPE_CHECKING:
    from requests import Response

ADVICE = f"Name a text file of your own, or the bundled corpus '{DEFAULT_CORPUS}'."
LABELLED_ADVICE = "Name a table or a text of your own, or none for what comes with charlm."
NOT_THE_FILE = "what arrived is not the file the catalog describes"
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 30)  # seconds to connect, and to wait for the next bytes


class _MirrorError(Exception):
    """Why a mirror failed, worded as the end of a sentence."""


class _Progress:
    """A progress bar for pooch, which sets `total` and calls `update` after every write."""

    def __init__(self, file: Path, expected: int, report: ProgressCallback | None) -> None:
        self.total = 0  # bytes, from the server; 0 if it does not say
        self.file = file
        self.expected = expected
        self.report = report

    def update(self, _: int) -> None:
        # pooch counts whole chunks; the size of the file, which it flushes, is exact.
        if self.report:
            self.report(self.file.stat().st_size, self.total or self.expected)

    def reset(self) -> None: ...

    def close(self) -> None: ...


def fetch(entry: CatalogEntry, report: ProgressCallback | None = None) -> Path:
    """Return the path of the entry's file, and download it first if necessary.

    The file gets its final name only once it is complete and verified, also when several processes
    download it at once. Nothing is downloaded if CHARLM_OFFLINE is set to anything but 0.

    Args:
        entry: the corpus.
        report: called as bytes arrive, with the bytes received and their total: that of the
            archive if there is one, 0 if unknown.

    Raises:
        CorpusError: every mirror failed, downloading is forbidden, the cache folder cannot be
            written, or a bundled file is missing.
    """
    path = corpus_path(entry)
    if is_available(entry):
        return path
    if not entry.urls:
        raise CorpusError(
            f"The bundled corpus '{entry.name}' is missing or damaged ('{path}').",
            "Reinstall charlm, or name a text file of your own.",
        )
    if is_offline():
        raise CorpusError(
            f"'{entry.name}' is not downloaded yet, and CHARLM_OFFLINE forbids downloading.",
            f"Unset CHARLM_OFFLINE, or do without it. {advice(entry)}",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Inside the cache folder, because only a move within one file system is atomic.
        with tempfile.TemporaryDirectory(
            prefix=".download-", dir=path.parent, ignore_cleanup_errors=True
        ) as folder:
            _download(entry, Path(folder), report).replace(path)
    except OSError as error:
        # On Windows the move fails if a faster process has put the file there and reads it.
        if not is_available(entry):
            is_file = isinstance(error, FileExistsError)
            why = "it is a file" if is_file else error.strerror or error
            raise CorpusError(
                f"The cache folder '{path.parent}' cannot be written: {why}.",
                "Set CHARLM_CACHE_DIR to a folder that can, with enough room on its disk.",
            ) from error
    return path


def is_offline() -> bool:
    """Whether CHARLM_OFFLINE is set, to anything but 0."""
    return os.environ.get("CHARLM_OFFLINE", "") not in ("", "0")


def advice(entry: CatalogEntry) -> str:
    """What to do without the entry."""
    return LABELLED_ADVICE if entry.texts else ADVICE


def _download(entry: CatalogEntry, folder: Path, report: ProgressCallback | None) -> Path:
    """Download to a file within `folder` from the first mirror that works, and verify it."""
    failures = []
    for url in entry.urls:
        try:
            return _from_mirror(url, entry, folder, report)
        except _MirrorError as error:
            failures.append(f"from {urlsplit(url).hostname}: {error}")
    reasons = "; ".join(dict.fromkeys(failures))
    raise CorpusError(f"Could not download '{entry.name}' {reasons}.", advice(entry))


def _from_mirror(
    url: str, entry: CatalogEntry, folder: Path, report: ProgressCallback | None
) -> Path:
    import pooch  # here, because it and requests take long to import
    from requests.exceptions import RequestException

    arrived = folder / "arrived"
    progress = _Progress(arrived, 0 if entry.member else entry.size, report)
    # Uncompressed, so that Content-Length counts the bytes that are written.
    headers = {"User-Agent": "charlm", "Accept-Encoding": "identity"}
    get = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=CHUNK,
        timeout=TIMEOUT,
        headers=headers,
        hooks={"response": _stay_secure},
    )
    try:
        get(url, str(arrived), None)
    except (RequestException, ValueError) as error:
        raise _MirrorError(_reason(error, arrived.stat().st_size, progress.total)) from error
    # Older versions of urllib3 take a connection that closes early for the end of the file.
    if arrived.stat().st_size < progress.total:
        raise _MirrorError(_cut_off(progress.total))
    if not entry.member:
        _check(arrived, entry.sha256)
        return arrived
    _check(arrived, entry.archive_sha256)
    text = folder / "text"
    with (
        zipfile.ZipFile(arrived) as archive,
        archive.open(entry.member) as member,
        text.open("wb") as unpacked,
    ):
        shutil.copyfileobj(member, unpacked)
    _check(text, entry.sha256)
    return text


def _stay_secure(response: "Response", **_: Any) -> None:
    """Raise _MirrorError if an https server sends on to an address without encryption."""
    target = urljoin(response.url, response.headers.get("Location", ""))
    schemes = urlsplit(response.url).scheme, urlsplit(target).scheme
    if response.is_redirect and schemes == ("https", "http"):
        raise _MirrorError("it sends on to an address without encryption")


def _check(file: Path, sha256: str) -> None:
    """Raise _MirrorError unless the file has this checksum."""
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() == sha256:
            return
        stream.seek(0)
        start = stream.read(CHUNK).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise _MirrorError("a web page came in its place (a proxy's login page, perhaps)")
    raise _MirrorError(NOT_THE_FILE)


def _reason(error: Exception, received: int, total: int) -> str:
    """Why a request failed after `received` of `total` bytes, in words."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        answer = f"{error.response.status_code} {error.response.reason}"
        return f"the server answered {answer.rstrip()}"
    if received or total or isinstance(error, exceptions.ChunkedEncodingError):
        return _cut_off(total)
    if isinstance(error, exceptions.Timeout):
        return "the server did not answer in time"
    if isinstance(error, exceptions.ProxyError):
        return "the proxy did not let it through"
    if isinstance(error, exceptions.SSLError):
        return "no secure connection could be made"
    if isinstance(error, exceptions.ConnectionError):
        return "the connection failed"
    return "the server's answer made no sense"


def _cut_off(total: int) -> str:
    # The bytes received are not named: the last, incomplete chunk never reaches the file.
    return f"it was cut off before {f'all {total:,} bytes had come' if total else 'its end'}"
