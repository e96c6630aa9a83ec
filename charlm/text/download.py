"""Fetching a corpus of the catalog: mirrors in turn, checked, and moved into place whole."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from charlm.errors import CorpusError
from charlm.progress import ProgressCallback
from charlm.text.catalog import DEFAULT_CORPUS, CatalogEntry, corpus_path, is_available

ADVICE = f"Name a text file of your own, or the bundled corpus '{DEFAULT_CORPUS}'."
NOT_THE_FILE = "what arrived is not the file the catalog describes"
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 30)  # seconds to connect, and to wait for the next bytes


class _MirrorError(Exception):
    """Why one mirror would not do: the end of a sentence."""


class _Progress:
    """A progress bar in pooch's sense: pooch sets `total` and calls `update` after every write."""

    def __init__(self, file: Path, expected: int, report: ProgressCallback | None) -> None:
        self.total = 0  # bytes, as the server says; 0 where it does not
        self.file = file
        self.expected = expected
        self.report = report

    def update(self, _: int) -> None:
        # pooch counts in whole chunks; the size of the file, which it flushes, is exact.
        if self.report:
            self.report(self.file.stat().st_size, self.total or self.expected)

    def reset(self) -> None: ...

    def close(self) -> None: ...


def fetch(entry: CatalogEntry, report: ProgressCallback | None = None) -> Path:
    """The path of the entry's text file, downloaded first where it is not there.

    The file appears under its final name only when it is whole and its checksum is right, also when
    several processes fetch it at once. With CHARLM_OFFLINE set, and not to 0, nothing is requested.

    Args:
        entry: the corpus.
        report: called with the bytes received and the bytes in all (of the archive, where there is
            one; 0 where the server does not say) as they come in.

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
    if os.environ.get("CHARLM_OFFLINE", "") not in ("", "0"):
        raise CorpusError(
            f"'{entry.name}' is not downloaded yet, and CHARLM_OFFLINE forbids downloading.",
            f"Unset CHARLM_OFFLINE, or do without it. {ADVICE}",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Inside the cache folder, because only a move within one file system is atomic.
        with tempfile.TemporaryDirectory(
            prefix=".download-", dir=path.parent, ignore_cleanup_errors=True
        ) as folder:
            _download(entry, Path(folder), report).replace(path)
    except OSError as error:
        # Windows refuses to replace a file that another process, which was faster, is reading.
        if not is_available(entry):
            is_file = isinstance(error, FileExistsError)
            why = "it is a file" if is_file else error.strerror or error
            raise CorpusError(
                f"The cache folder '{path.parent}' cannot be written: {why}.",
                "Set CHARLM_CACHE_DIR to a folder that can, with enough room on its disk.",
            ) from error
    return path


def _download(entry: CatalogEntry, folder: Path, report: ProgressCallback | None) -> Path:
    """The text from the first mirror that has it, checked, in a file within `folder`."""
    failures = []
    for url in entry.urls:
        try:
            return _from_mirror(url, entry, folder, report)
        except _MirrorError as error:
            failures.append(f"from {urlsplit(url).hostname}: {error}")
    reasons = "; ".join(dict.fromkeys(failures))
    raise CorpusError(f"Could not download '{entry.name}' {reasons}.", ADVICE)


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
        progressbar=progress, chunk_size=CHUNK, timeout=TIMEOUT, headers=headers
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
    """What a failed request comes down to, after `received` of `total` bytes."""
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
    # The bytes that did come are not counted: the last, incomplete chunk of them is lost.
    return f"it was cut off before {f'all {total:,} bytes had come' if total else 'its end'}"
