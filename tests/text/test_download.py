"""Downloads from a server of our own: whole files, or one sentence that says what went wrong."""

import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from archives import describe, pack, reviews
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

import charlm.text.catalog
from charlm.errors import CorpusError
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS, CatalogEntry, corpus_path, is_available
from charlm.text.download import fetch

TEXT = b"The Time Traveller (for so it will be convenient to speak of him)\n" * 4000
PAGE = b"\n<!DOCTYPE html><html><body>Please log in.</body></html>"


def sha256(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def zipped(contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", contents)
    return buffer.getvalue()


@dataclass
class Answer:
    """What the server says at one address; `length` is what it claims, None: nothing."""

    body: bytes = b""
    status: int = 200
    length: int | None = -1
    location: str = ""
    barrier: threading.Barrier | None = None


@dataclass
class Server:
    address: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def offers(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return self.address + path


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        self.state.requests.append(self.path)
        answer = self.state.answers.get(self.path, Answer(b"no such thing", 404))
        if answer.barrier:
            answer.barrier.wait(timeout=60)
        self.send_response(answer.status)
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.length is not None:
            length = len(answer.body) if answer.length < 0 else answer.length
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    class Bound(Handler):
        state = Server("")

    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as running:
        Bound.state.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Bound.state
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("CHARLM_OFFLINE", raising=False)
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry_of(*urls: str, contents: bytes = TEXT) -> CatalogEntry:
    return replace(CATALOG["time-machine"], urls=urls, size=len(contents), sha256=sha256(contents))


def failure(entry: CatalogEntry, cache: Path) -> CorpusError:
    """The error of a fetch that leaves nothing behind."""
    with pytest.raises(CorpusError) as caught:
        fetch(entry)
    assert not is_available(entry)
    assert list(cache.glob("*")) == []
    assert "\n" not in str(caught.value)
    assert caught.value.message.endswith(".")
    assert "a text file of your own" in caught.value.hint
    return caught.value


def test_a_file_is_fetched_and_reported_as_it_comes(server: Server, cache: Path) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    reports: list[tuple[int, int]] = []
    path = fetch(entry, lambda *numbers: reports.append(numbers))
    assert path == corpus_path(entry) == cache / "time-machine.txt"
    assert path.read_bytes() == TEXT
    assert list(cache.iterdir()) == [path]
    received = [first for first, _ in reports]
    assert received == sorted(received)
    assert len(set(received)) > 1
    assert {in_all for _, in_all in reports} == {len(TEXT)}
    assert received[-1] == len(TEXT)


def test_a_file_that_is_there_is_not_requested(server: Server) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    assert fetch(entry) == fetch(entry)
    assert server.requests == ["/book.txt"]


def test_a_file_of_another_size_is_replaced(server: Server) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    corpus_path(entry).parent.mkdir()
    corpus_path(entry).write_bytes(b"an older edition")
    assert fetch(entry).read_bytes() == TEXT


def test_without_content_length_the_catalog_tells_the_total(server: Server) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT, length=None)))
    reports: list[tuple[int, int]] = []
    assert fetch(entry, lambda *numbers: reports.append(numbers)).read_bytes() == TEXT
    assert reports[-1] == (len(TEXT), len(TEXT))


def test_redirects_are_followed(server: Server) -> None:
    moved = server.offers("/book.txt", Answer(TEXT))
    entry = entry_of(server.offers("/old.txt", Answer(status=302, location=moved)))
    assert fetch(entry).read_bytes() == TEXT


def test_a_redirect_in_circles_ends(server: Server, cache: Path) -> None:
    circle = server.offers("/round", Answer(status=302, location="/round"))
    assert "made no sense" in failure(entry_of(circle), cache).message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_begins_encrypted_stays_so(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The servers of both schemes are one here: a certificate of our own would not be trusted."""

    class Plain(HTTPAdapter):
        def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
            address, request.url = (
                request.url,
                request.url and request.url.replace("https:", "http:"),
            )
            response = super().send(request, *args, **more)
            response.url = request.url = address or ""
            return response

    monkeypatch.setattr("requests.sessions.HTTPAdapter", Plain)
    moved = server.offers("/book.txt", Answer(TEXT)).replace("http:", f"{scheme}:")
    first = server.offers("/old.txt", Answer(status=302, location=moved)).replace("http", "https")
    if scheme == "https":
        assert fetch(entry_of(first)).read_bytes() == TEXT
    else:
        error = failure(entry_of(first), cache)
        assert error.message.endswith("127.0.0.1: it sends on to an address without encryption.")
        assert server.requests == ["/old.txt"]


def test_a_zip_leaves_only_its_text(server: Server, cache: Path) -> None:
    archive = zipped(TEXT)
    entry = replace(
        entry_of(server.offers("/book.zip", Answer(archive))),
        member="inside",
        archive_sha256=sha256(archive),
    )
    reports: list[tuple[int, int]] = []
    path = fetch(entry, lambda *numbers: reports.append(numbers))
    assert path.read_bytes() == TEXT
    assert list(cache.iterdir()) == [path]
    assert reports[-1] == (len(archive), len(archive))


def test_a_damaged_zip_is_not_opened(server: Server, cache: Path) -> None:
    archive = zipped(TEXT)
    entry = replace(
        entry_of(server.offers("/book.zip", Answer(archive[:-1] + b"?"))),
        member="inside",
        archive_sha256=sha256(archive),
    )
    assert "not the file the catalog describes" in failure(entry, cache).message


def test_an_archive_of_labelled_texts_is_kept_as_it_comes(
    server: Server, cache: Path, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "a.tar.gz", reviews())
    content = archive.read_bytes()
    bad = server.offers("/bad", Answer(content[:-1] + b"?"))
    entry = describe(archive, bad, server.offers("/good", Answer(content)))
    reports: list[tuple[int, int]] = []
    path = fetch(entry, lambda *numbers: reports.append(numbers))
    assert path == cache / "imdb.tar.gz"
    assert path.read_bytes() == content
    assert list(cache.iterdir()) == [path]
    assert reports[-1] == (len(content), len(content))
    assert is_available(entry)
    path.unlink()
    with pytest.raises(CorpusError, match=r"download 'imdb' .* a table or a text of your own"):
        fetch(replace(entry, urls=(bad,)))
    assert list(cache.iterdir()) == []


def test_the_next_mirror_is_tried(server: Server, cache: Path) -> None:
    good = server.offers("/good", Answer(TEXT))
    bad = server.offers("/bad", Answer(TEXT[::-1]))
    short = server.offers("/short", Answer(TEXT[:1000], length=len(TEXT)))
    path = fetch(entry_of(server.address + "/nowhere", bad, short, good))
    assert path.read_bytes() == TEXT
    assert list(cache.iterdir()) == [path]
    assert server.requests == ["/nowhere", "/bad", "/short", "/good"]


def test_every_mirror_is_named_once(server: Server, cache: Path) -> None:
    other = server.offers("/other", Answer(b"x"))
    missing = (server.address + "/nowhere", server.address + "/here-neither")
    assert failure(entry_of(*missing, other), cache).message == (
        "Could not download 'time-machine' from 127.0.0.1: the server answered 404 Not Found; "
        "from 127.0.0.1: what arrived is not the file the catalog describes."
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"gone", 404), "the server answered 404 Not Found"),
        (Answer(b"busy", 503), "the server answered 503 Service Unavailable"),
        (Answer(TEXT[::-1]), "what arrived is not the file the catalog describes"),
        (Answer(b""), "what arrived is not the file the catalog describes"),
        (Answer(PAGE), "a web page came in its place (a proxy's login page, perhaps)"),
        (Answer(TEXT[:9000], length=len(TEXT)), "it was cut off before all 264,000 bytes had come"),
        (Answer(b"", length=len(TEXT)), "it was cut off before all 264,000 bytes had come"),
    ],
    ids=["404", "503", "other", "empty", "page", "cut-off", "cut-off-at-once"],
)
def test_the_error_says_what_went_wrong(
    server: Server, cache: Path, answer: Answer, reason: str
) -> None:
    error = failure(entry_of(server.offers("/book.txt", answer)), cache)
    assert error.message == f"Could not download 'time-machine' from 127.0.0.1: {reason}."


def test_a_refused_connection(cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/book.txt"
        error = failure(entry_of(url), cache)
    assert error.message.endswith("from 127.0.0.1: the connection failed.")


def test_a_server_without_a_certificate(server: Server, cache: Path) -> None:
    url = server.offers("/book.txt", Answer(TEXT)).replace("http:", "https:")
    assert failure(entry_of(url), cache).message.endswith("no secure connection could be made.")


def test_a_server_that_says_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlm.text.download.TIMEOUT", (5, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(entry_of(f"http://127.0.0.1:{silent.getsockname()[1]}/book.txt"), cache)
    assert error.message.endswith("the server did not answer in time.")


@pytest.mark.parametrize("value", ["1", "yes"])
def test_offline_nothing_is_requested(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    monkeypatch.setenv("CHARLM_OFFLINE", value)
    assert "CHARLM_OFFLINE" in failure(entry, cache).message
    assert server.requests == []


@pytest.mark.parametrize("value", ["", "0"])
def test_offline_can_be_switched_off(
    server: Server, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CHARLM_OFFLINE", value)
    assert fetch(entry_of(server.offers("/book.txt", Answer(TEXT)))).read_bytes() == TEXT


def test_offline_what_is_there_can_be_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    path = fetch(entry)
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    assert fetch(entry) == path


def test_a_cache_folder_that_is_a_file_is_named(server: Server, cache: Path) -> None:
    cache.write_text("in the way")
    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    assert not is_available(entry)
    with pytest.raises(CorpusError) as caught:
        fetch(entry)
    assert caught.value.message == f"The cache folder '{cache}' cannot be written: it is a file."
    assert "CHARLM_CACHE_DIR" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_cache_folder_without_permission_is_named(server: Server, cache: Path) -> None:
    cache.mkdir(mode=0o500)
    with pytest.raises(CorpusError, match="cannot be written: Permission denied"):
        fetch(entry_of(server.offers("/book.txt", Answer(TEXT))))


def test_an_interruption_leaves_nothing_behind(server: Server, cache: Path) -> None:
    def interrupt(received: int, in_all: int) -> None:
        raise KeyboardInterrupt

    entry = entry_of(server.offers("/book.txt", Answer(TEXT)))
    with pytest.raises(KeyboardInterrupt):
        fetch(entry, interrupt)
    assert list(cache.iterdir()) == []


def test_bundled_corpora_are_there_at_once(server: Server, cache: Path) -> None:
    entry = CATALOG[DEFAULT_CORPUS]
    assert fetch(entry) == corpus_path(entry)
    assert not cache.exists()


def test_a_bundled_corpus_that_is_missing_is_named() -> None:
    with pytest.raises(CorpusError, match="bundled corpus 'lost' is missing or damaged"):
        fetch(replace(CATALOG[DEFAULT_CORPUS], name="lost"))


FETCH = """
import sys
from dataclasses import replace
from charlm.text.catalog import CATALOG
from charlm.text.download import fetch
url, size, sha256 = sys.argv[1:]
assert not {"pooch", "requests"} & set(sys.modules), "imported before it is needed"
print(fetch(replace(CATALOG["time-machine"], urls=(url,), size=int(size), sha256=sha256)), end="")
"""


def test_two_processes_at_once_both_succeed(server: Server, cache: Path) -> None:
    # The barrier holds the first answer back until both have asked.
    url = server.offers("/book.txt", Answer(TEXT, barrier=threading.Barrier(2)))
    checkout = Path(charlm.text.catalog.__file__).parents[2]
    command = [sys.executable, "-c", FETCH, url, str(len(TEXT)), sha256(TEXT)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    both = [
        subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    path = cache / "time-machine.txt"
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [printed for printed, _ in outputs] == [str(path)] * 2
    assert path.read_bytes() == TEXT
    assert list(cache.iterdir()) == [path]
    assert server.requests == ["/book.txt"] * 2
