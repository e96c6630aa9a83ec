"""Archives read file by file: what counts, and what hostile and damaged ones come to."""

import gzip
import random
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from archives import pack
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CorpusError
from charlm.files import archives
from charlm.files.archives import archive_suffix, members

SUFFIXES = [".tar", ".tar.gz", ".tgz", ".zip"]
FILES = {"top/a.txt": b"first", "b.txt": b"", "top/deep/c.bin": bytes(range(256)) * 100}


def contents(path: Path) -> dict[str, bytes]:
    return {"/".join(each.parts): each.read() for each in members(path)}


def refused(path: Path, problem: str) -> None:
    """One sentence and a hint, wherever in the archive it is noticed."""
    with pytest.raises(CorpusError, match=problem) as caught:
        contents(path)
    assert caught.value.message.count("\n") == 0
    assert str(path) in caught.value.message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_come_in_order_and_again(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path / f"a{suffix}", FILES)
    assert archive_suffix(path) == suffix
    assert contents(path) == contents(path) == FILES
    assert list(contents(path)) == list(FILES)
    # A file need not be read.
    assert ["/".join(each.parts) for each in members(path)] == list(FILES)
    assert [*contents(pack(tmp_path / f"none{suffix}", {}))] == []


def test_an_ending_says_what_is_an_archive() -> None:
    assert archive_suffix(Path("a.TAR.GZ")) == ".tar.gz"
    assert [archive_suffix(Path(f"a{each}")) for each in (".gz", ".csv", "", ".zip.txt")] == [
        ""
    ] * 4


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_kind_of_tar(tmp_path: Path, style: int) -> None:
    name = "ä" * 40 + "/" + "b" * 60
    with tarfile.open(tmp_path / "a.tar", "w", format=style) as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert contents(tmp_path / "a.tar") == {name: b""}


def test_links_devices_and_folders_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.txt")
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("../folder.txt")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.addfile(tarfile.TarInfo("./real.txt"))
    assert contents(path) == {"real.txt": b""}
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(link, "../../etc/passwd")
        zipped.writestr("folder.txt/", "")
        zipped.writestr("real.txt", "")
    assert contents(tmp_path / "a.zip") == {"real.txt": b""}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["/etc/x.txt", "../x.txt", "a/../../x.txt"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    refused(pack(tmp_path / f"a{suffix}", {"a.txt": b"", name: b""}), "a path that leads out of it")
    assert [each.name for each in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_than_an_archive_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = pack(tmp_path / f"a{suffix}", {"a": b"x" * 900, "b": b"x" * 1100, "c": b""})
    monkeypatch.setattr(archives, "LARGEST_FILE", 1099)
    refused(path, "'b', of more than 1,099 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_BYTES", 1999)
    refused(path, "more than 1,999 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_ENTRIES", 2)
    refused(path, "more than 2 files")
    monkeypatch.undo()
    assert len(contents(path)) == 3


def bomb(path: Path, kind: bytes, size: int) -> Path:
    """Zeros packed a thousandfold, as a file or as what precedes one."""
    info = tarfile.TarInfo("x.txt")
    info.size, info.type = size, kind
    with gzip.open(path, "wb") as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(size))
    return path


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_bomb_is_cut_by_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    """Whatever it calls what it unpacks to, no more of that is read than the limit."""
    path = bomb(tmp_path / "a.tar.gz", kind, 50 << 20)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(archives, "LARGEST_FILE", 1 << 20)
    read: list[int] = []

    class Counted(gzip.GzipFile):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            read.append(len(content))
            return content

    monkeypatch.setattr(archives.gzip, "GzipFile", Counted)  # type: ignore[attr-defined]
    refused(path, f"more than {1 << 20 if kind == tarfile.REGTYPE else 1 << 13:,} bytes")
    assert sum(read) < 2 << 20


def test_what_follows_the_end_is_limited_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pack(tmp_path / "a.tar", FILES).read_bytes()
    (tmp_path / "a.tgz").write_bytes(gzip.compress(plain + bytes(3 << 20)))
    assert contents(tmp_path / "a.tgz") == FILES
    monkeypatch.setattr(archives, "LARGEST_FILE", 1 << 20)
    refused(tmp_path / "a.tgz", "in one piece")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"text,label\na,b\n" * 100, b"PK\3\4", b"\x1f\x8b\x08"])
def test_what_is_no_archive(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    refused(tmp_path / f"a{suffix}", "is damaged, cut off, locked, or no")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_off_anywhere_it_is_no_shorter_archive(tmp_path: Path, suffix: str) -> None:
    """No file is lost in silence: only zeros at the end of a tar may be missing."""
    rng = random.Random(0)
    files = {f"{n}.txt": rng.randbytes(700) for n in range(9)}
    whole = pack(tmp_path / f"a{suffix}", files).read_bytes()
    last = len(whole.rstrip(b"\0")) if suffix == ".tar" else len(whole) - 1
    last = -(-last // 512) * 512 if suffix == ".tar" else last  # the last file's last block
    cut = tmp_path / f"b{suffix}"
    for size in (*range(0, last, 97), *range(last - 20, last + 1)):
        cut.write_bytes(whole[:size])
        refused(cut, "is damaged")


def test_a_bad_header_is_no_end(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", {"a.txt": b"first", "b.txt": b"second"})
    content = bytearray(path.read_bytes())
    content[1024 + 100] ^= 1  # within the second header
    path.write_bytes(content)
    refused(path, "is damaged")


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_a_sentence_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(pack(folder / f"a{suffix}", FILES).read_bytes())
    headers = min(len(content), 1200)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, headers - 1) | st.integers(-300, -1))
        content[at] = data.draw(st.integers(0, 255))
    (folder / f"b{suffix}").write_bytes(content)
    try:
        contents(folder / f"b{suffix}")
    except CorpusError as error:
        assert error.message.endswith(".")


def test_a_locked_zip(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.txt": b"secret"})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    refused(path, "locked")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    refused(tmp_path / "a.zip", "Cannot read")
    refused(tmp_path / "none.tar", "no such file")


def test_members_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tar of any number of files takes the memory of one."""
    kept: list[int] = []
    following = tarfile.TarFile.next

    def counted(self: tarfile.TarFile) -> tarfile.TarInfo | None:
        kept.append(len(vars(self)["members"]))
        return following(self)

    monkeypatch.setattr(tarfile.TarFile, "next", counted)
    contents(pack(tmp_path / "a.tar.gz", {f"{n}.txt": b"x" for n in range(50)}))
    assert len(kept) > 50
    assert max(kept) <= 1


def test_a_gzipped_file_whose_checksum_is_wrong(tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "a.tar.gz", FILES).read_bytes())
    content[-6] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    refused(tmp_path / "a.tar.gz", "is damaged")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_are_not_unpacked_piece_by_piece(tmp_path: Path, method: int) -> None:
    """Of which a few bytes may be gigabytes, whatever size they claim."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a/b.txt", "x")
    refused(tmp_path / "a.zip", "packed in a way that is not read")


@pytest.mark.parametrize("claimed", [0, 10, 1 << 20])
def test_a_zip_that_lies_about_a_size(tmp_path: Path, claimed: int) -> None:
    """No more is unpacked than it claims; less or more fails its checksum."""
    path, content = tmp_path / "a.zip", bytes(8 << 20)
    pack(path, {"a/b.txt": content})
    true, lie = (number.to_bytes(4, "little") for number in (len(content), claimed))
    path.write_bytes(path.read_bytes().replace(true, lie))
    tracemalloc.start()
    try:
        refused(path, "is damaged, cut off, locked, or no")
        assert tracemalloc.get_traced_memory()[1] < (1 << 20) + 4 * claimed
    finally:
        tracemalloc.stop()


def test_a_list_of_files_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at before Python reads it whole."""
    path = pack(tmp_path / "a.zip", {f"a/{number}.txt": b"" for number in range(100)})
    monkeypatch.setattr(archives, "LARGEST_LIST", 1000)
    refused(path, "a list of files of more than 1,000 bytes")


def test_a_file_without_a_name(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x": b"1"})
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    assert contents(path) == {}  # it is passed over


def test_all_that_a_tar_unpacks_to_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what belongs to no file, such as a note for each."""
    long = {f"{'a' * 200}/{number}.txt": b"" for number in range(50)}
    path = pack(tmp_path / "a.tgz", long)
    assert len(contents(path)) == 50
    monkeypatch.setattr(archives, "MOST_BYTES", 0)
    monkeypatch.setattr(archives, "MOST_HEADERS", 20_000)
    refused(path, "more than 0 bytes")
