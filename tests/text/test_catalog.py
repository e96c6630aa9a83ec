"""The catalog says of every corpus what it is and how to know it."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from charlm.text.catalog import (
    CATALOG,
    DEFAULT_CORPUS,
    CatalogEntry,
    cache_folder,
    corpus_path,
    is_available,
)
from charlm.text.normalize import NORMALIZATIONS

CHECKSUM = re.compile("[0-9a-f]{64}")


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_says_what_it_is(name: str) -> None:
    entry = CATALOG[name]
    assert entry.name == name
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)
    assert entry.title
    assert entry.licence
    assert entry.source
    assert entry.size > 0
    assert entry.normalization in NORMALIZATIONS
    assert CHECKSUM.fullmatch(entry.sha256)


@pytest.mark.parametrize("name", CATALOG)
def test_every_address_is_one_and_archives_are_known(name: str) -> None:
    entry = CATALOG[name]
    for url in entry.urls:
        assert urlsplit(url).scheme == "https"
        assert urlsplit(url).hostname
        assert url.endswith(".zip") == bool(entry.member)
        assert url.endswith(".tar.gz") == bool(entry.texts)
    assert bool(entry.member) == bool(CHECKSUM.fullmatch(entry.archive_sha256))
    assert len({each.sha256 for each in CATALOG.values()}) == len(CATALOG)


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if not entry.urls])
def test_bundled_files_are_the_ones_described(name: str) -> None:
    entry = CATALOG[name]
    contents = corpus_path(entry).read_bytes()
    assert len(contents) == entry.size
    assert hashlib.sha256(contents).hexdigest() == entry.sha256
    assert is_available(entry)


def test_the_default_corpus_needs_no_network() -> None:
    assert CATALOG[DEFAULT_CORPUS].urls == ()


def test_an_installed_package_is_preferred_to_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "charlm" / "files" / "paths.py"
    monkeypatch.setattr("charlm.files.paths.__file__", str(module))
    entry = CATALOG[DEFAULT_CORPUS]
    assert corpus_path(entry) == tmp_path / "data" / f"{entry.name}.txt"
    assert not is_available(entry)
    installed = tmp_path / "charlm" / "data" / f"{entry.name}.txt"
    installed.parent.mkdir(parents=True)
    installed.write_bytes(bytes(entry.size))
    assert corpus_path(entry) == installed
    assert is_available(entry)


def test_the_cache_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("CHARLM_CACHE_DIR", "~/texts")
    assert cache_folder() == Path.home() / "texts"
    monkeypatch.delenv("CHARLM_CACHE_DIR")
    assert cache_folder().is_absolute()
    assert "charlm" in str(cache_folder())


def test_a_file_of_another_size_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path))
    entry: CatalogEntry = replace(CATALOG["time-machine"], size=5)
    assert not is_available(entry)
    corpus_path(entry).write_bytes(b"half")
    assert not is_available(entry)
    corpus_path(entry).write_bytes(b"whole")
    assert is_available(entry)
