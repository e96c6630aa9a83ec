"""Archives for tests, and a small one that lies as aclImdb does."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from charlm.text.catalog import CATALOG, CatalogEntry, corpus_path

WORDS = {"neg": "dull", "pos": "lovely", "unsup": "odd"}


def reviews() -> dict[str, bytes]:
    """The files of a small aclImdb, in an order of their own; texts by their paths."""
    files = {"aclImdb/README": b"Cite Maas et al. 2011.", "aclImdb/imdbEr.txt": b"0.1\n0.2\n"}
    for part, labels in (("test", ("neg", "pos")), ("train", ("unsup", "neg", "pos"))):
        for label in labels:
            for number in range(20):
                film = f"{part} {label} {number}"
                text = f"Film {film}: a {WORDS[label]} film.<br /><br />So {WORDS[label]} – it was."
                files[f"aclImdb/{part}/{label}/{number}_{len(label)}.txt"] = text.encode()
        files[f"aclImdb/{part}/urls_pos.txt"] = b"http://example.org\n"
        files[f"aclImdb/{part}/labeledBow.feat"] = b"9 0:9 1:1\n"
    return files


def pack(path: Path, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar, a tar.gz or a zip, as the path's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = files.items() if isinstance(files, Mapping) else files
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in pairs:
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as packed:
        for name, content in pairs:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def describe(path: Path, *urls: str) -> CatalogEntry:
    """The catalog's entry of imdb, for another archive."""
    content = path.read_bytes()
    known = sha256(content).hexdigest()
    return replace(CATALOG["imdb"], size=len(content), sha256=known, urls=urls or ("http://x/",))


def put_imdb_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, bytes] | None = None
) -> Path:
    """Have a small archive in the cache folder, as if downloaded; nothing can be downloaded."""
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    path = pack(corpus_path(CATALOG["imdb"]), reviews() if files is None else files)
    monkeypatch.setitem(CATALOG, "imdb", describe(path))
    return path
