"""Weights in a page: rounded to 16 bits where the model then writes the same, else as they are."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portable import CONFIGS, made, run_of

from charlm.export import export, weights
from charlm.export.page import packed
from charlm.export.weights import after_rounding, rounded, scales_of, writes_alike


@given(st.integers(0, 2**32), st.integers(-140, 100))
def test_a_number_moves_by_half_a_step_of_its_row_at_most(seed: int, exponent: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(3, 5)).astype(np.float32)
    matrix = np.ldexp(matrix, exponent)
    back = after_rounding({"w": matrix})["w"].astype(np.float64)
    numbers, scales = rounded(matrix), scales_of(matrix).astype(np.float64)
    assert numbers.dtype == np.dtype("<i2")
    # And by the rounding of the product. The tiniest scales are themselves rounded, by as much as
    # half the smallest number that there is.
    smallest = np.finfo(np.float32).smallest_subnormal.astype(np.float64)
    allowed = 0.5 * scales + np.abs(matrix) * np.finfo(np.float32).eps
    allowed += (np.abs(numbers.astype(np.float64)) + 1) * smallest
    assert (np.abs(back - matrix) <= allowed).all()


def unpacked(tensors: list[dict[str, Any]], content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The inverse of `packed`, by its description."""
    found, at = {}, 0

    def take(kind: str, count: int) -> np.ndarray[Any, Any]:
        nonlocal at
        assert at % 4 == 0
        taken = np.frombuffer(content, kind, count, at)
        at += -(-taken.nbytes // 4) * 4
        return taken

    for each in tensors:
        shape = each["shape"]
        if each["scaled"]:
            scales = take("<f4", shape[0])[:, None]
            found[each["name"]] = take("<i2", shape[0] * shape[1]).reshape(shape) * scales
        else:
            found[each["name"]] = take("<f4", int(np.prod(shape))).reshape(shape)
    assert at == len(content)
    return found


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("scaled", [True, False])
def test_packed_weights_come_back(name: str, scaled: bool) -> None:
    kept = {name: each.numpy() for name, each in made(CONFIGS[name]).weights().items()}
    expected = after_rounding(kept) if scaled else kept
    back = unpacked(*packed(kept, scaled))
    assert back.keys() == expected.keys()
    for each, array in back.items():
        np.testing.assert_array_equal(array, expected[each])


def tensors_of(page: bytes) -> list[dict[str, Any]]:
    about = re.search(rb'id="about">(.*?)</script>', page)
    assert about is not None
    found: list[dict[str, Any]] = json.loads(about[1])["tensors"]
    return found


def test_what_would_write_otherwise_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, made(CONFIGS["gru-layers"]))
    config, kept = run.settings.model, run.load_weights()
    assert writes_alike(config, kept)
    assert all(
        each["scaled"] == (len(each["shape"]) == 2) for each in tensors_of(export(run, "page"))
    )
    # With two bits a number, as a stand-in for a model that hangs on the last ones.
    monkeypatch.setattr(weights, "LARGEST", 1)
    assert not writes_alike(config, kept)
    page = export(run, "page")
    assert not any(each["scaled"] for each in tensors_of(page))
    content = re.search(rb'id="weights">(.*?)</script>', page)
    assert content is not None
    for name, array in unpacked(tensors_of(page), base64.b64decode(content[1])).items():
        np.testing.assert_array_equal(array, kept[name])
