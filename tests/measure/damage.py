"""Ways to damage a file: bytes at random, JSON and safetensors by their structure, and the disk's.

Each takes a random generator and a content, and returns another content.
"""

import json
import os
import random
import socket
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

SNIPPETS = [b"9" * 30, b"-1", b"null", b"[]", b"{}", b"1e999", b'"\\u0000"', b"NaN", b'"x"', b"\n"]
# Values that a JSON file should not hold where others stand.
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**60,
    2**64,
    10**30,
    1e308,
    1e-320,
    -0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x1b]0;owned\x07\x1b[2J",
    "\ud800",
    "a\0b",
    "../../etc/passwd",
    "/dev/zero",
    "/etc",
    "\\\\server\\share\\x",
    "~root/x",
    "imdb",
    "-",
    "x" * 10_000,
    [],
    {},
    [[]],
    {"": None},
    [1, 2, 3],
    ["a", "a"],
    [0] * 1000,
    {"float": "nan"},
]


def bytes_at_random(rng: random.Random, content: bytes) -> bytes:
    """Change, leave out, repeat or put in some bytes, or cut the rest off."""
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        if not found:
            break
        at, kind = rng.randrange(len(found)), rng.randrange(6)
        if kind == 0:
            found[at] = rng.randrange(256)
        elif kind == 1:
            del found[at : at + rng.randrange(1, 20)]
        elif kind == 2:
            found[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 3:
            found[at:at] = rng.choice(SNIPPETS)
        elif kind == 4:
            found[at:at] = found[rng.randrange(len(found)) :][: rng.randrange(1, 40)]
        else:
            del found[at:]
    return bytes(found)


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and its key or number there."""
    places, left = [], [value]
    while left:
        holder = left.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                left.append(holder[key])
    return places


def json_changed(rng: random.Random, content: bytes) -> bytes:
    """Change a JSON text where it hurts: a value, a key, its depth, its length, twice the same."""
    try:
        value = json.loads(content)
    except ValueError:
        return bytes_at_random(rng, content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        places = places_in(value) if isinstance(value, dict | list) else []
        if not places:
            return json.dumps(rng.choice(ODD)).encode()
        holder, key = rng.choice(places)
        if isinstance(holder, dict) and key not in holder:
            continue
        kind = rng.randrange(8)
        if kind <= 3:
            holder[key] = deepcopy(rng.choice(ODD))
        elif kind == 4:
            del holder[key]
        elif kind == 5 and isinstance(holder, dict):
            holder[rng.choice(["x", "", "format", "\x1b[31m", key + "x"])] = holder.pop(key)
        elif kind == 6:
            holder[key] = [deepcopy(holder[key]) for _ in range(rng.choice([0, 2, 20]))]
        else:
            other, name = rng.choice(places)
            holder[key] = deepcopy(other[name])
    text = json.dumps(value)
    return as_text(rng, text).encode("utf-8", "surrogatepass")


def as_text(rng: random.Random, text: str) -> str:
    """A JSON text, now and then with what no JSON writer makes."""
    kind = rng.randrange(40)
    if kind == 0:
        deep = rng.choice([100, 100_000])
        return text.replace(":", ": " + "[" * deep + "]" * deep + ', "z":', 1)
    if kind == 1:
        return text.replace(":", ": " + "9" * rng.choice([30, 5000, 1_000_000]) + ', "z":', 1)
    if kind == 2:
        return text.replace("{", '{"format": 1, "name": "x", "counts": [], ', 1)
    if kind == 3:
        return "[" * 100_000 + text
    return text


def safetensors_changed(rng: random.Random, content: bytes) -> bytes:
    """Change a safetensors file: its header by structure, its length, or numbers in its data."""
    try:
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        names = [name for name in header if name != "__metadata__"]
        name = rng.choice(names)
    except (struct.error, ValueError, IndexError):
        return bytes_at_random(rng, content)
    data, entry = bytearray(content[8 + length :]), header[name]
    kind = rng.randrange(10)
    if kind == 0:
        entry["shape"] = rng.choice([[2**60], [2**31, 2**31], [], [0], [-1], [1] * 100, "x", [1.5]])
    elif kind == 1:
        entry["dtype"] = rng.choice(["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "x", 3])
    elif kind == 2:
        start, stop = entry["data_offsets"]
        odd = [[0, 4], [stop, start], [start, stop + 4], [0, 2**62], [-4, 4], [start], None]
        entry["data_offsets"] = rng.choice(odd)
    elif kind == 3:
        header[rng.choice(["x", "", "a/../../b", "\x1b[2J"])] = header.pop(name)
    elif kind == 4:
        header["more"] = rng.choice(
            [dict(entry), {}, {**entry, "shape": [0], "data_offsets": [0, 0]}]
        )
    elif kind == 5:
        header["__metadata__"] = rng.choice([{"format": "x" * 1000}, [], None, {"a": 1}])
    elif kind <= 7 and len(data) >= 4:
        values = [float("nan"), float("inf"), 1e30, -1e38, 1e-40]
        for _ in range(rng.choice([1, 100])):
            at = 4 * rng.randrange(len(data) // 4)
            data[at : at + 4] = struct.pack("<f", rng.choice(values))
    elif kind == 8:
        size = rng.choice([0, 1, length - 1, length + 1, 2**31, 2**63, 100_000_001])
        return struct.pack("<Q", size) + content[8:]
    else:
        return struct.pack("<Q", length) + json_changed(rng, content[8 : 8 + length]) + bytes(data)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + bytes(data)


def lines_changed(rng: random.Random, content: bytes) -> bytes:
    """Change a file of lines of JSON."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    if rng.random() < 0.7:
        lines[at] = json_changed(rng, lines[at])
    elif rng.random() < 0.5:
        lines[at:at] = [lines[at]] * rng.choice([1, 200])
    else:
        lines.reverse()
    return b"\n".join(lines)


def change_for(path: Path) -> Callable[[random.Random, bytes], bytes]:
    """The way to damage a file by its structure, if it has one."""
    kinds = {
        ".json": json_changed,
        ".jsonl": lines_changed,
        ".safetensors": safetensors_changed,
    }
    return kinds.get(path.suffix, bytes_at_random)


def replace_on_disk(rng: random.Random, file: Path) -> None:
    """Put something else in a file's place: a folder, a pipe, a link, nothing, a huge hole."""
    kind = rng.randrange(9)
    file.unlink()
    if kind == 0:
        file.mkdir()
    elif kind == 1 and hasattr(os, "mkfifo"):
        os.mkfifo(file)
    elif kind <= 4:
        with suppress(OSError):  # which Windows allows only some
            file.symlink_to(rng.choice(["/dev/zero", "/etc", "/etc/passwd", file.name, "..", "x"]))
    elif kind == 5 and hasattr(socket, "AF_UNIX") and len(str(file)) < 100:
        with closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(str(file))
    elif kind == 6:
        with file.open("wb") as hole:
            hole.truncate(rng.choice([200 << 20, 5 << 30, 1 << 40]))
    elif kind == 7:
        file.write_bytes(b"")
