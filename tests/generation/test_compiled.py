"""What is compiled writes the NumPy engine's texts, and is imported for long ones only."""

import subprocess
import sys
from itertools import chain, islice, product
from typing import Any

import numpy as np
import pytest
from cell_forms import CELL_FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_compiled_code
from streams import sample_blocks, sample_ids, sample_texts, stream_text
from tolerances import alike

needs_compiled_code()

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation import choice, sampler
from charlm.generation.choice import cpu_engine
from charlm.generation.compiled_engine import CACHE_LINE, CompiledEngine, aligned
from charlm.generation.engine import BlockEngine
from charlm.generation.filters import NotFiniteError, distribution
from charlm.generation.numpy_engine import NumpyEngine
from charlm.generation.sampler import draw
from charlm.kernels.writing import draw as compiled_draw
from charlm.text.vocabulary import UNKNOWN_ID, Vocabulary

V = 11
VOCABULARY = Vocabulary("abcdefghij", [1] * 10)
PREFIX = VOCABULARY.encode("bad")
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FORMS = {name: form for name, form in CELL_FORMS.items() if form["cell"] in GATES}
INPUTS = {
    "one-hot": lambda H: {},
    "embedding": lambda H: {"embedding_size": 5},
    "tied": lambda H: {"embedding_size": H, "tie_weights": True},
    "tied-projected": lambda H: {"embedding_size": H + 2, "tie_weights": True},
}
CONFIGS = [
    pytest.param(
        ModelConfig(V, hidden_size=H, num_layers=layers, **form, **values(H)),
        id=f"{name}-{H}-{layers}-{inputs}",
    )
    for (name, form), H, layers, (inputs, values) in product(
        FORMS.items(), (1, 7, 33), (1, 2, 3), INPUTS.items()
    )
]
SOME = [
    pytest.param(ModelConfig(V, hidden_size=20, num_layers=layers, **form), id=f"{name}-{layers}")
    for (name, form), layers in product(FORMS.items(), (1, 2))
]
TEMPERATURES = (0, 0.3, 1, 5)


def made(config: ModelConfig) -> dict[str, np.ndarray]:
    """Weights of which all matter, and under which rounding errors fade."""
    H, E = config.hidden_size, config.embedding_size or V
    sizes: dict[str, tuple[int, ...]] = {"output.bias": (V,)}
    if config.embedding_size:
        sizes["embedding.weight"] = (V, E)
    if not config.tie_weights:
        sizes["output.weight"] = (V, H)
    elif E != H:
        sizes["projection.weight"] = (E, H)
    for layer in range(config.num_layers):
        G = GATES[config.cell]
        sizes |= {
            f"rnn.weight_ih_l{layer}": (G * H, H if layer else E),
            f"rnn.weight_hh_l{layer}": (G * H, H),
            f"rnn.bias_ih_l{layer}": (G * H,),
            f"rnn.bias_hh_l{layer}": (G * H,),
        }
    random = np.random.default_rng(1)
    scales = {name: 1.0 if "rnn" not in name else 0.8 / np.sqrt(H) for name in sizes}
    return {
        name: random.normal(0, scales[name], size).astype(np.float32)
        for name, size in sizes.items()
    }


def pair(config: ModelConfig) -> tuple[NumpyEngine, CompiledEngine]:
    weights = made(config)
    return NumpyEngine(config, weights), CompiledEngine(config, weights)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("texts", [1, 3])
def test_logits_and_states_are_the_numpy_engines(config: ModelConfig, texts: int) -> None:
    engine, compiled = pair(config)
    near = alike(20, config.hidden_size + V, config.num_layers)
    first = np.array([3, 1, 0])[:texts]
    logits, state = engine.step(first, engine.initial_state(texts))
    ours, ours_state = logits, state
    for draws in np.random.default_rng(0).random((20 // texts, 5, texts)):
        ids, ours, ours_state = compiled.generate_block(ours, ours_state, draws, 1.0)
        assert ids.shape == (5, texts)
        assert ours.shape == (texts, V)
        for each in ids:
            logits, state = engine.step(each, state)
        # What the logits differ in, a probability differs in relative to itself.
        pair_of = [distribution(each, SamplingConfig()) for each in (ours, logits)]
        np.testing.assert_allclose(*pair_of, **near)
        for layer, ours_layer in zip(state, ours_state, strict=True):
            for tensor, ours_tensor in zip(layer, ours_layer, strict=True):
                np.testing.assert_allclose(ours_tensor, tensor, **near)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_same_seed_gives_the_same_text(config: ModelConfig) -> None:
    engine, compiled = pair(config)
    for seed, temperature in enumerate(TEMPERATURES):
        sampling = SamplingConfig(temperature=temperature, seed=seed, length=300)
        (text,) = sample_texts(engine, VOCABULARY, PREFIX, sampling)
        assert sample_texts(compiled, VOCABULARY, PREFIX, sampling) == [text]
        assert "".join(stream_text(compiled, VOCABULARY, PREFIX, sampling)) == text


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("texts", [2, 7, 14])
def test_several_texts_are_the_numpy_engines(config: ModelConfig, texts: int) -> None:
    engine, compiled = pair(config)
    compiled.cores = 3
    for seed, temperature in enumerate(TEMPERATURES):
        sampling = SamplingConfig(temperature=temperature, seed=seed, length=70, num_samples=texts)
        expected = sample_texts(engine, VOCABULARY, PREFIX, sampling)
        assert sample_texts(compiled, VOCABULARY, PREFIX, sampling) == expected


@pytest.mark.parametrize("config", SOME)
@pytest.mark.parametrize("texts", [1, 3])
def test_writing_leaves_what_it_is_given_untouched(config: ModelConfig, texts: int) -> None:
    _, compiled = pair(config)
    logits, state = compiled.step(np.full(texts, 3), compiled.initial_state(texts))
    before = [logits.copy(), *(each.copy() for layer in state for each in layer)]
    draws = np.random.default_rng(0).random((9, texts))
    first, after, _ = compiled.generate_block(logits, state, draws, 1.0)
    for ours, kept in zip([logits, *chain(*state)], before, strict=True):
        np.testing.assert_array_equal(ours, kept)
    again, after_again, _ = compiled.generate_block(logits, state, draws, 1.0)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(after, after_again)


@pytest.mark.parametrize("config", SOME)
def test_where_a_block_ends_decides_nothing(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, compiled = pair(config)
    texts = set()
    for blocks in ((1,), (2,), (1, 2, 3, 64), (7,), (300,)):
        monkeypatch.setattr(sampler, "BLOCKS", blocks)
        ids = islice(sample_ids(compiled, PREFIX, SamplingConfig(), seed=3), 300)
        texts.add(VOCABULARY.decode(np.concatenate(list(ids))))
    assert len(texts) == 1


def test_the_first_block_is_short_and_none_is_long() -> None:
    _, compiled = pair(ModelConfig(V, "gru", 8))
    blocks = list(islice(sample_blocks(compiled, PREFIX, SamplingConfig(), 0), 9))
    sizes = [len(each) for each in blocks]
    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert max(sizes) <= 64
    pieces = list(stream_text(compiled, VOCABULARY, PREFIX, SamplingConfig(length=200, seed=0)))
    assert [len(each) for each in pieces[:-1]] == sizes[: len(pieces) - 1]
    assert sum(map(len, pieces)) == 200


@pytest.mark.parametrize("stop", ["a", "ab", "hc", "jjj", "aaaaaaaaaaaa"])
def test_a_text_ends_before_its_stop_string(stop: str) -> None:
    engine, compiled = pair(ModelConfig(V, "gru", 20))
    for seed in range(10):
        sampling = SamplingConfig(length=300, seed=seed, stop=stop)
        expected = sample_texts(engine, VOCABULARY, PREFIX, sampling)
        pieces = list(stream_text(compiled, VOCABULARY, PREFIX, sampling))
        assert sample_texts(compiled, VOCABULARY, PREFIX, sampling) == expected
        assert "".join(pieces) == expected[0]
        assert all(pieces)


@pytest.mark.parametrize(
    "values", [{"top_k": 3}, {"top_p": 0.7}, {"min_p": 0.1}, {"top_k": 3, "num_samples": 3}]
)
def test_filters_go_the_numpy_engines_way(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, compiled = pair(ModelConfig(V, "lstm", 20))

    def unwanted(*arguments: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(CompiledEngine, "generate_block", unwanted)
    sampling = SamplingConfig(**values, length=100, seed=1)
    expected = sample_texts(engine, VOCABULARY, PREFIX, sampling)
    assert sample_texts(compiled, VOCABULARY, PREFIX, sampling) == expected


# One draw

rows = st.lists(
    st.one_of(
        st.floats(-30, 30, width=32),
        st.sampled_from([0.0, 1.0, 1e30, -1e30, 88.0]),
        st.integers(-4, 4).map(float),
    ),
    min_size=2,
    max_size=12,
).map(lambda row: np.array(row, dtype=np.float32))
draws = st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 1 - 2.0**-53, 0.5]))
temperatures = st.one_of(
    st.sampled_from([*map(float, TEMPERATURES), 5e-324, 1e-310, 1e-30, 1e300]), st.floats(0.01, 10)
)


@settings(deadline=None, max_examples=500)
@given(rows, draws, temperatures)
def test_a_draw_is_that_from_the_distribution(
    logits: np.ndarray, uniform: float, temperature: float
) -> None:
    (probabilities,) = distribution(logits[None], SamplingConfig(temperature=temperature))
    drawn = compiled_draw(logits, uniform, temperature, np.empty(len(logits)))
    assert probabilities[drawn] > 0
    cumulative = probabilities.cumsum()
    # Where the draw falls on a border, rounding decides.
    if np.abs(cumulative - uniform).min() > 1e-12:
        assert drawn == draw(probabilities[None], np.array([uniform]))[0]
    else:
        assert cumulative[drawn] - probabilities[drawn] - 1e-12 <= uniform
        assert uniform <= cumulative[drawn] + 1e-12


def test_draws_at_the_extremes() -> None:
    logits = np.array([50, -1e30, 1, 2, 3, -1e30], dtype=np.float32)
    for temperature in TEMPERATURES[1:]:
        ends = [
            compiled_draw(logits, uniform, float(temperature), np.empty(6))
            for uniform in (0.0, 1 - 2.0**-53)
        ]
        assert ends == [2, 4]
    assert compiled_draw(logits, 0.0, 0.0, np.empty(6)) == 4
    # Of equals the lower id, as argmax has it.
    assert compiled_draw(np.zeros(6, dtype=np.float32), 0.9, 0.0, np.empty(6)) == 1


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("wrong", [slice(1, None), slice(1, 2), slice(4, 5), slice(5, 6)])
def test_from_logits_that_are_not_finite_nothing_is_drawn(
    wrong: slice, temperature: float, number: float
) -> None:
    logits = np.arange(6, dtype=np.float32)
    logits[wrong] = number
    with pytest.raises(NotFiniteError):
        distribution(logits[None], SamplingConfig(temperature=temperature))
    assert compiled_draw(logits, 0.5, float(temperature), np.empty(6)) == UNKNOWN_ID
    nowhere = np.full(6, -np.inf, dtype=np.float32)
    with pytest.raises(NotFiniteError):
        distribution(nowhere[None], SamplingConfig(temperature=temperature))
    assert compiled_draw(nowhere, 0.5, float(temperature), np.empty(6)) == UNKNOWN_ID


# Which engine


@pytest.mark.parametrize(
    ("values", "compiled"),
    [
        ({"length": 400}, False),
        ({"length": choice.LONG - 1}, False),
        ({"length": choice.LONG}, True),
        ({"length": choice.LONG, "temperature": 0, "stop": "x"}, True),
        ({"length": choice.LONG, "num_samples": 2}, False),
        ({"length": choice.LONG_TOGETHER // 64 + 1, "num_samples": 64}, True),
        ({"length": choice.LONG_TOGETHER // 64 - 1, "num_samples": 64}, False),
        ({"length": choice.LONG, "top_k": 5}, False),
        ({"length": choice.LONG, "top_p": 0.9}, False),
        ({"length": choice.LONG, "min_p": 0.1}, False),
    ],
)
def test_what_is_long_is_compiled(values: dict[str, Any], compiled: bool) -> None:
    config = ModelConfig(V, "gru", 8)
    engine = cpu_engine(config, made(config), SamplingConfig(**values))
    assert isinstance(engine, CompiledEngine) is compiled
    assert isinstance(engine, BlockEngine) is compiled
    assert type(cpu_engine(config, made(config))) is NumpyEngine


def test_large_models_are_left_to_numpys_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(V, "gru", 8)
    weights = made(config)
    monkeypatch.setattr(choice, "LARGE", sum(each.size for each in weights.values()) - 1)
    sampling = SamplingConfig(length=choice.LONG)
    assert type(cpu_engine(config, weights, sampling)) is NumpyEngine


SHORT = """
import sys
import numpy as np
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.choice import LONG, cpu_engine
from charlm.generation.reading import read
from charlm.generation.texts import sample_texts
from charlm.text.vocabulary import Vocabulary

V, H = 11, 8
sizes = {"rnn.weight_ih_l0": (H, V), "rnn.weight_hh_l0": (H, H), "rnn.bias_ih_l0": H,
         "rnn.bias_hh_l0": H, "output.weight": (V, H), "output.bias": V}
weights = {name: np.ones(size, dtype=np.float32) for name, size in sizes.items()}
vocabulary = Vocabulary("abcdefghij", [1] * 10)
for length in (400, LONG):
    sampling = SamplingConfig(length=length, seed=0)
    engine = cpu_engine(ModelConfig(V, "rnn", H), weights, sampling)
    beginning = read(engine, [np.array([1])])
    assert len(sample_texts(engine, vocabulary, beginning, sampling)[0]) == length
    print(*(name for name in ("torch", "numba") if name in sys.modules))
"""


def test_short_texts_import_no_numba_and_long_ones_no_torch() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", SHORT], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout) == (0, "\nnumba\n"), finished.stderr


def test_arrays_begin_where_a_line_of_the_cache_does() -> None:
    for size in (1, 7, 100, 5000):
        array = np.arange(size, dtype=np.float64).reshape(1, size)
        copy = aligned(array)
        assert copy.ctypes.data % CACHE_LINE == 0
        assert copy.dtype == np.float32
        np.testing.assert_array_equal(copy, array)
