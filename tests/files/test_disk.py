"""Changes of the disk: lines appended whole, folders synced at the right time."""

import os
from pathlib import Path

import pytest
from recorded_disk import Recorder, after_a_crash, pending
from test_files import files

from charlm.files import disk
from charlm.files.whole import finish_in, replace_folder, whole_folder, write


def test_what_a_crash_left_of_a_line_goes_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    disk.append_line(path, "one")
    long = "x" * 10_000
    for torn in ("tw", '{"step": 4, "lo', "\0" * 500, long):
        whole = path.read_bytes()
        path.write_bytes(whole + torn.encode())
        disk.append_line(path, "next")
        assert path.read_bytes() == whole + b"next\n"
    path.write_bytes(b"never a whole line")
    disk.append_line(path, "first")
    assert path.read_bytes() == b"first\n"


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_line_that_cannot_be_written_leaves_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows"
    disk.append_line(path, "one")
    original = os.write

    def half(handle: int, content: bytes) -> int:
        if len(content) < 4:
            raise OSError(28, "No space left on device")
        return original(handle, content[:3])

    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, half if call == "write" else refuse)
        with pytest.raises(OSError, match=r"No space|Input/output"):
            disk.append_line(path, "two and")
    assert path.read_bytes() == b"one\n"


def test_a_folder_that_cannot_be_synced_is_no_error_where_none_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, number: int = 22) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    disk.sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda handle: refuse(handle, 5))
    if os.name != "nt":
        with pytest.raises(OSError, match="Input/output"):
            disk.sync_folder(tmp_path)


def test_after_a_crash_there_is_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    """At every moment of replacing one, whatever of the steps that were not synced is lost."""
    place = tmp_path / "place"
    place.mkdir()
    recorder = Recorder(place)
    old, new = files(a="old", b="older"), files(a="new", c="newer")
    with recorder.recording():
        replace_folder(place / "best", old)
        before = len(recorder.steps)
        replace_folder(place / "best", new)
        write(place / "file", "content")
    assert pending(recorder.steps[:before]) == []
    for length in range(before, len(recorder.steps) + 1):
        for tree in after_a_crash(recorder.steps[:length]):
            name = "best" if "best" in tree else ".best.old"
            found = {
                path.partition("/")[2]: content
                for path, content in tree.items()
                if path.startswith(f"{name}/")
            }
            assert found in (dict(old), dict(new)), (length, tree)
            assert tree.get("file", b"content") == b"content"


def test_what_was_cut_off_is_finished_or_undone(tmp_path: Path) -> None:
    replace_folder(tmp_path / "best", files(a="new"))
    replace_folder(tmp_path / ".best.old", files(a="old"))
    replace_folder(tmp_path / ".last.old", files(a="old"))
    (tmp_path / ".last.draft-1").mkdir()
    (tmp_path / ".run.json.draft-2").write_text("{")
    finish_in(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last"]
    assert whole_folder(tmp_path / "last") == tmp_path / "last"
    assert (tmp_path / "best" / "a").read_text() == "new"
