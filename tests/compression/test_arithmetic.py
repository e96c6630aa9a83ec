"""Arithmetic that is the same everywhere: close to the true values, exact in its sums, strict."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charlm.compression.arithmetic import (
    INPUT_BITS,
    INPUT_RANGE,
    Reproducible,
    Table,
    exp_table,
    log1p_exp_table,
    tanh_table,
)
from charlm.compression.model import ReproducibleEngine
from charlm.config import ModelConfig
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS

# Of each table: the function, where it is taken, and the largest curvature there.
TABLES: dict[str, tuple[Table, Callable[[float], float], tuple[int, int], float]] = {
    "exp": (exp_table(), math.exp, (-20, 0), 1.0),
    "tanh": (tanh_table(), math.tanh, (-10, 10), 0.77),
    "log1p_exp": (log1p_exp_table(), lambda x: math.log1p(math.exp(x)), (-20, 0), 0.25),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_as_near_as_lines_can_be(name: str) -> None:
    table, function, (low, high), curvature = TABLES[name]
    x = np.linspace(low, high, 100_003)
    true = np.array([function(each) for each in x])
    # A line through two points of a curve is at most h² / 8 of its curvature off.
    most = curvature / Table.STEPS**2 / 8
    assert np.abs(table(x) - true).max() <= 1.001 * most
    assert table(np.array([low - 5.0]))[0] == table(np.array([float(low)]))[0]
    assert table(np.array([high + 5.0]))[0] == table(np.array([float(high)]))[0]


numbers = st.floats(-1e30, 1e30)


@given(st.integers(0, 2**32), st.sampled_from([1.0, 1e-20, 1e20, 300.0]), st.integers(1, 600))
def test_a_product_adds_up_exactly(seed: int, size: float, K: int) -> None:
    random = np.random.default_rng(seed)
    # Large, all of one sign: the worst that a sum can be.
    x = Reproducible.of(np.abs(random.standard_normal((2, K))) * random.choice([1e-3, 1.0, 1e9]))
    weights = Reproducible.of(np.abs(random.standard_normal((K, 3))) ** 3 * size)
    matrix, unit = weights.whole
    bound = 2 ** (INPUT_BITS + INPUT_RANGE)
    whole = [[max(-bound, min(bound, round(v * 2**INPUT_BITS))) for v in row] for row in x.tolist()]
    columns = [[int(v) for v in column] for column in matrix.T.tolist()]
    sums = [[sum(map(int.__mul__, row, column)) for column in columns] for row in whole]
    assert max(map(max, sums)) < 2**53
    expected = np.array(sums, dtype=np.float64) * (unit * 2.0**-INPUT_BITS)
    assert np.array_equal(x.dot(weights).plain, expected)


def test_a_product_is_near_the_true_one() -> None:
    random = np.random.default_rng(0)
    x, weights = random.uniform(-1, 1, (5, 300)), random.standard_normal((300, 40))
    found = Reproducible.of(x).dot(Reproducible.of(weights)).plain
    columns = np.abs(weights).sum(axis=0)
    unit = Reproducible.of(weights).whole[1]
    # Half a unit for each input, times its weight, and half a unit of each weight.
    most = columns * 2.0 ** -(INPUT_BITS + 1) + 300 * unit / 2
    assert (np.abs(found - x @ weights) <= 1.01 * most).all()
    assert unit <= columns.max() * 2.0**-21


@given(st.lists(numbers, min_size=1, max_size=50))
def test_a_mean_is_that_of_numbers_of_36_bits(row: list[float]) -> None:
    found = float(Reproducible.of(np.array([row])).mean(axis=-1, keepdims=True).plain[0, 0])
    true = sum(map(Fraction, row)) / len(row)
    largest = max(map(abs, row))
    assert abs(Fraction(found) - true) <= Fraction(largest) * Fraction(2) ** -35


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: np.exp(x),
        lambda x: np.add.reduce(x),
        lambda x: x + np.ones(3),
        lambda x: np.ones(3) - x,
        lambda x: np.add(x, x, dtype=np.float32),
    ],
)
def test_what_may_differ_between_machines_is_refused(operation: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        operation(Reproducible.of(np.ones(3)))


VARIANTS: list[dict[str, Any]] = [
    {},
    {"layer_norm": True},
    {"zoneout": 0.1},
    {"embedding_size": 0},
    {"reset_after": False},
    {"capped_gate": True},
    {"tie_weights": True, "embedding_size": 8},
]


def engine_and_model(cell: str, **variant: Any) -> tuple[ReproducibleEngine, LanguageModel]:
    sizes = {"vocabulary_size": 11, "hidden_size": 16, "num_layers": 2}
    config = ModelConfig(cell=cell, **{**sizes, **variant})
    model = LanguageModel(config, "scratch").eval()
    model.initialize("orthogonal", 0)
    weights = {name: each.detach().numpy() for name, each in model.state_dict().items()}
    return ReproducibleEngine(config, weights), model


@pytest.mark.parametrize(("cell", "variant"), list(product(CELLS, VARIANTS)))
def test_the_engine_computes_the_model(cell: str, variant: dict[str, Any]) -> None:
    engine, model = engine_and_model(cell, **variant)
    ids = np.random.default_rng(0).integers(0, 11, (30, 3))
    with torch.no_grad():
        expected, _ = model(torch.from_numpy(ids), model.initial_state(3))
    state, alone = engine.initial_state(3), engine.initial_state(1)
    for row, true in zip(ids, expected, strict=True):
        logits, state = engine.step(row, state)
        assert isinstance(logits, Reproducible)
        # Logits are of size 1; a step errs by 1e-6 or so, and these nets forget.
        assert np.abs(logits.plain - true.numpy()).max() < 1e-3
        one, alone = engine.step(row[1:2], alone)
        assert one.tobytes() == logits[1:2].tobytes(), "what is beside it changes it"


SCRIPT = """
import hashlib, numpy as np
from charlm.compression.model import ReproducibleEngine
from charlm.config import ModelConfig
random, H = np.random.default_rng(0), 384
def made(*shape):
    return (random.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)
weights = {"output.weight": made(60, H), "output.bias": made(60)}
for layer, inputs in enumerate((60, H)):
    weights[f"rnn.weight_ih_l{layer}"] = made(3 * H, inputs)
    weights[f"rnn.weight_hh_l{layer}"] = made(3 * H, H)
    weights[f"rnn.bias_ih_l{layer}"] = weights[f"rnn.bias_hh_l{layer}"] = made(3 * H)
config = ModelConfig(vocabulary_size=60, cell="gru", hidden_size=H, num_layers=2, embedding_size=0)
engine, digest = ReproducibleEngine(config, weights), hashlib.sha256()
for texts in (1, 64):
    state = engine.initial_state(texts)
    for _ in range(10):
        logits, state = engine.step(random.integers(0, 60, texts), state)
        digest.update(logits.tobytes())
print(digest.hexdigest())
"""


def digest_with(**variables: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_threads_compute_the_same_as_one() -> None:
    assert digest_with() == digest_with(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")


@pytest.mark.slow
def test_other_processors_compute_the_same() -> None:
    """OpenBLAS and NumPy, where they are in use, are told to be on older processors."""
    expected = digest_with()
    for kernels in ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"):
        assert digest_with(OPENBLAS_CORETYPE=kernels) == expected, kernels
    for features in ("AVX2 FMA3", "X86_V3 X86_V4", "AVX512F AVX512_SKX"):
        assert digest_with(NPY_DISABLE_CPU_FEATURES=features) == expected, features
