"""Files and folders appear whole or not at all, whatever happens while they are written."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from charlm.errors import RunError
from charlm.files.reading import load_arrays, read
from charlm.files.whole import replace_folder, save_arrays, whole_folder, write, writing


class Crash(BaseException):
    """What no code catches."""


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def raising(*_: object, **__: object) -> None:
    raise Crash


# Single files


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    for content in ("", "plain\n", "a\r\nb\rc\n", "Все — 👍\u2028\x85", "\ufeffmark"):
        write(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content.encode()
        assert read(tmp_path / "file") == content
    write(tmp_path / "file", b"\x00\xff")
    assert (tmp_path / "file").read_bytes() == b"\x00\xff"
    assert contents_names(tmp_path) == ["file"]


def contents_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "file", "old")
    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], raising)
        with pytest.raises(Crash):
            write(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": "old"}


def test_a_file_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("fsync"), fsync(fd)))
    monkeypatch.setattr(
        Path, "replace", lambda path, to: (done.append("replace"), replace(path, to))[1]
    )
    write(tmp_path / "file", "new")
    assert done[:2] == ["fsync", "replace"]


def test_what_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write(tmp_path / "folder", "a file where a folder is")
    assert contents_names(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    write(tmp_path / "file", "shared")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        read(tmp_path / "nothing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="is damaged"):
        read(tmp_path / "binary")
    with pytest.raises(RunError):
        read(tmp_path)
    with pytest.raises(RunError):
        read(tmp_path / "binary" / "below a file")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="Cannot write to") as caught,
        writing(tmp_path / "file" / "below", "Name another folder."),
    ):
        write(tmp_path / "file" / "below" / "name", "content")
    assert caught.value.hint == "Name another folder."
    assert caught.value.message.endswith(".")


# Folders


def files(**contents: str) -> list[tuple[str, bytes]]:
    return [(name, content.encode()) for name, content in contents.items()]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "best"
    replace_folder(path, files(a="1", b="2"))
    assert contents(tmp_path) == {"best/a": "1", "best/b": "2"}
    replace_folder(path, files(a="3"))
    assert contents(tmp_path) == {"best/a": "3"}
    assert contents_names(tmp_path) == ["best"]
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("first", [True, False], ids=["nothing before", "something before"])
def test_a_crash_while_filling_leaves_what_was_there(first: bool, tmp_path: Path) -> None:
    before = {} if first else {"best/a": "old"}
    if not first:
        replace_folder(tmp_path / "best", files(a="old"))

    def crashing() -> Iterator[tuple[str, bytes]]:
        yield "a", b"new"
        raise Crash

    with pytest.raises(Crash):
        replace_folder(tmp_path / "best", crashing())
    assert contents(tmp_path) == before
    assert contents_names(tmp_path) == ([] if first else ["best"])


@pytest.mark.parametrize("doomed", [1, 2])
def test_an_error_in_either_renaming_leaves_what_was_there(
    doomed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_folder(tmp_path / "best", files(a="old"))
    rename, calls = Path.rename, iter(range(1, 10))

    def failing(path: Path, target: Path) -> Path:
        if next(calls) == doomed:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises(OSError, match="Input/output"):
            replace_folder(tmp_path / "best", files(a="new"))
    assert contents(tmp_path) == {"best/a": "old"}
    assert contents_names(tmp_path) == ["best"]


def test_power_lost_between_the_renamings_leaves_the_old_folder(tmp_path: Path) -> None:
    path, old = tmp_path / "best", tmp_path / ".best.old"
    replace_folder(path, files(a="old"))
    path.rename(old)
    assert whole_folder(path) == old
    replace_folder(path, files(a="new"))
    assert whole_folder(path) == path
    assert contents(tmp_path) == {"best/a": "new"}


def test_power_lost_after_the_renamings_leaves_the_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "best"
    replace_folder(path, files(a="new"))
    replace_folder(tmp_path / ".best.old", files(a="old"))
    assert whole_folder(path) == path
    replace_folder(path, files(a="newer"))
    assert contents(tmp_path) == {"best/a": "newer"}


def test_drafts_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".best.draftabc").mkdir()
    (tmp_path / ".other.draftabc").mkdir()
    replace_folder(tmp_path / "best", files(a="new"))
    assert contents_names(tmp_path) == [".other.draftabc", "best"]


def test_a_new_folder_can_be_written_where_a_replacement_was_cut_off(tmp_path: Path) -> None:
    replace_folder(tmp_path / ".best.old", files(a="old"))
    replace_folder(tmp_path / "best", files(a="new"))
    assert contents_names(tmp_path) == ["best"]
    assert contents(tmp_path) == {"best/a": "new"}


def test_a_folder_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert whole_folder(tmp_path / "best") is None


# Arrays

DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8])


@settings(deadline=None, max_examples=40)
@given(DTYPES.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0))))
def test_arrays_come_back_bit_for_bit_in_shape_and_type(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "model"
    save_arrays(path, {"name/of.it": array, "transposed": array.T})
    loaded = load_arrays(path)
    assert loaded.keys() == {"name/of.it", "transposed"}
    for got, wanted in ((loaded["name/of.it"], array), (loaded["transposed"], array.T)):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        assert got.tobytes() == wanted.tobytes()
    assert contents_names(path.parent) == ["model.safetensors"]


def test_arrays_are_read_by_any_reader_of_safetensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    save_arrays(tmp_path / "model", {"w": np.array([[1.5, -2.0]], dtype=np.float32)})
    assert torch.equal(load_file(tmp_path / "model.safetensors")["w"], torch.tensor([[1.5, -2.0]]))


def test_no_arrays_are_arrays_too(tmp_path: Path) -> None:
    save_arrays(tmp_path / "model", {})
    assert load_arrays(tmp_path / "model") == {}


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=100))
def test_what_is_no_safetensors_file_is_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "model"
    path.with_suffix(".safetensors").write_bytes(content)
    with pytest.raises(RunError, match="is damaged") as caught:
        load_arrays(path)
    assert "\n" not in caught.value.message


def test_a_safetensors_file_cut_off_anywhere_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_arrays(path, {"w": np.arange(5.0), "b": np.arange(3)})
    whole = (tmp_path / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(RunError, match="is damaged"):
            load_arrays(path)


def test_missing_arrays_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        load_arrays(tmp_path / "model")
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(RunError, match="is a folder"):
        load_arrays(tmp_path / "model")
