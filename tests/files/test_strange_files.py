"""What a stranger's file may be: its size, kind and header are looked at before it is believed."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.reading import LARGEST_HEADER, content_of, load_arrays, read
from charlm.files.schema import Count, check, quoted
from charlm.files.whole import save_arrays


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refused(tmp_path: Path, content: bytes, problem: str = "is damaged") -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=problem):
        load_arrays(tmp_path / "a")


@pytest.mark.parametrize(
    "header",
    [
        {"w": entry(shape=[2**60])},
        {"w": entry(shape=[2**31, 2**31])},
        {"w": entry(shape=[2**62, 4])},
        {"w": entry(shape=[-1])},
        {"w": entry(shape=[1] * 100)},
        {"w": entry(shape="x")},
        {"w": entry(shape=[2.0])},
        {"w": entry(shape=[True, 2])},
        {"w": entry(dtype="F8_E4M3", shape=[8])},
        {"w": entry(dtype="BOOL", shape=[8])},
        {"w": entry(dtype=["F32"])},
        {"w": entry(offsets=[4, 8])},
        {"w": entry(offsets=[8, 0])},
        {"w": entry(offsets=[0, 2**62])},
        {"w": entry(offsets=[0])},
        {"w": {"dtype": "F32", "shape": [2]}},
        {"w": entry(), "v": entry()},  # in the same place
        {"w": entry(shape=[1], offsets=[0, 4])},  # and four bytes of nobody's
        {"w": None},
        {"w": [1, 2]},
        [1],
        None,
    ],
)
def test_headers_that_cannot_be(tmp_path: Path, header: Any) -> None:
    refused(tmp_path, safetensors(header, bytes(8)))


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63, 2**64 - 1, LARGEST_HEADER + 1])
def test_lengths_of_headers_that_cannot_be(tmp_path: Path, length: int) -> None:
    refused(tmp_path, struct.pack("<Q", length) + b"{}")


def test_a_name_twice(tmp_path: Path) -> None:
    text = b'{"w": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "w": {}}'
    refused(tmp_path, struct.pack("<Q", len(text)) + text + bytes(4), "twice")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    save_arrays(tmp_path / "b", {"w": np.ones(3, np.float32), "v": np.ones((2, 2))})
    content = (tmp_path / "b.safetensors").read_bytes()
    for size in range(len(content)):
        refused(tmp_path, content[:size])
    refused(tmp_path, content + b"x")


@given(
    st.lists(
        st.sampled_from(["f2", "f4", "f8", "i1", "i8", "u1", "u4"]).flatmap(
            lambda dtype: st.lists(st.integers(0, 3), max_size=3).map(
                lambda shape: np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
            )
        ),
        max_size=5,
    )
)
def test_what_the_library_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, arrays: list[np.ndarray[Any, Any]]
) -> None:
    path = tmp_path_factory.mktemp("f") / "a"
    named = {f"w{number}": each for number, each in enumerate(arrays)}
    save_arrays(path, named)
    found = load_arrays(path)
    assert found.keys() == named.keys()
    for name, each in named.items():
        assert found[name].dtype == each.dtype
        assert np.array_equal(found[name], each)
        assert found[name].flags.writeable


def test_shapes_are_told_before_anything_is_read(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a", {"w": np.ones((2, 3), np.float32)})
    told = []
    load_arrays(tmp_path / "a", told.append)
    assert told == [{"w": (2, 3)}]


# Sizes and kinds of files


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(5 << 30)  # a hole, which takes no room
    with pytest.raises(RunError, match="has 5,368,709,120 bytes, and at most"):
        read(tmp_path / "run.json")


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="is a folder"):
        read(tmp_path / "folder")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(RunError, match="is no regular file"):
            read(tmp_path / "pipe")
    if Path("/dev/zero").exists():
        with pytest.raises(RunError, match="is no regular file"):
            read(Path("/dev/zero"))


def test_no_more_is_read_than_there_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert content_of(tmp_path / "a", 3) == b"abc"
    with pytest.raises(OSError, match="has 3 bytes"):
        content_of(tmp_path / "a", 2)


# JSON


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "[" * 33 + "]" * 33,
        '{"a":' * 33 + "1" + "}" * 33,
        '{"a": 1, "a": 1}',
        '[{"a": {"b": 1, "c": 2, "b": 3}}]',
        "9" * 10_000_000,
        "-" + "9" * 21,
        str(2**64 + 1),
        "[" + "[]," * 2_000_001 + "1]",
        "[" + "1," * 8_000_001 + "1]",
        "",
        "nul",
        "{",
        "\ufeff{}",
    ],
    ids=lambda each: f"{each[:6]}…{len(each)}",
)
def test_json_that_no_charlm_writes(content: str) -> None:
    with pytest.raises(ValueError):
        strict_json.loads(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=30,
    )
)
def test_other_json_is_read_as_python_does(value: Any) -> None:
    content = json.dumps(value)
    assert strict_json.loads(content) == json.loads(content)


def test_the_depth_that_is_read() -> None:
    value = strict_json.loads("[" * 32 + "]" * 32)
    assert strict_json.dumps(value) == "[" * 32 + "]" * 32
    assert strict_json.loads('"' + "[" * 100 + '"') == "[" * 100


def test_a_schema_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"a\[1\] cannot be 'x'"):
        check([1, "x"], list[int], "a")
    with pytest.raises(ValueError, match=r"a.b cannot be -1"):
        check({"b": -1}, dict[str, Count], "a")
    with pytest.raises(ValueError, match="a cannot be True"):
        check(True, float | None, "a")
    check({"b": [1, 2.5, None]}, dict[str, list[float | None]])


@given(st.text() | st.integers() | st.lists(st.text()) | st.floats())
def test_quotes_are_short_and_steer_nothing(value: Any) -> None:
    assert len(quoted(value)) < 80
    assert quoted(value).isprintable()


def test_a_number_without_end_is_not_written_out() -> None:
    assert quoted(1 << 100_000) == "so large a number"
