"""Texts that are drawn from the mixture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charlm
from charlm.config import ModelConfig
from charlm.errors import RunError, SettingError, UsageError
from charlm.generation.filters import log_probabilities
from charlm.generation.mixed_engine import MixedEngine
from charlm.generation.numpy_engine import NumpyEngine
from charlm.mixing.mixture import Mixture
from charlm.run import Run
from charlm.text.corpus import Corpus

TEXT = "The time traveller (for so it will be convenient to speak of him) was expounding.\n" * 12
TINY: dict[str, Any] = {"hidden_size": 6, "batch_size": 4, "seq_length": 8, "max_steps": 6}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return charlm.train(Corpus.from_text(TEXT), runs_dir=tmp_path_factory.mktemp("runs"), **TINY)


def engines() -> tuple[NumpyEngine, MixedEngine, Any, Any]:
    draw, config = np.random.default_rng(0), ModelConfig(7, "gru", 5, 1, 3)
    shapes = {
        "embedding.weight": (7, 3),
        "rnn.weight_ih_l0": (15, 3),
        "rnn.weight_hh_l0": (15, 5),
        "rnn.bias_ih_l0": (15,),
        "rnn.bias_hh_l0": (15,),
        "output.weight": (7, 5),
        "output.bias": (7,),
    }
    weights = {name: draw.normal(size=shape).astype("f") for name, shape in shapes.items()}
    plain = NumpyEngine(config, weights)
    train, held_out = draw.integers(1, 7, 300), draw.integers(1, 7, 90)
    return plain, MixedEngine(plain, config, train, held_out), train, held_out


def wanted(text: list[int]) -> Any:
    """The mixture's ln p after a text, by the mixture itself."""
    plain, _, train, held_out = engines()
    mixture = Mixture(7, [len(held_out)], train)
    for mine, learns in ((held_out.tolist(), True), (text, False)):
        state, logs = plain.initial_state(1), None
        for each in mine:
            if logs is None or not learns:
                mixture.read(each)
            else:
                mixture.predict(logs)
                mixture.follow(each)
            logits, state = plain.step(np.array([each]), state)
            logs = log_probabilities(logits)[0].astype(np.float64)
        if learns:
            mixture = mixture.another()
    return np.log(mixture.predict(logs))


def test_its_predictions_are_the_mixtures_and_texts_are_their_own() -> None:
    _, engine, _, _ = engines()
    texts = [[1, 2, 3, 1, 2, 3, 1, 2], [4, 4, 4, 4, 4, 4, 4, 4]]
    state = engine.initial_state(2)
    for step in range(8):
        logits, state = engine.step(np.array([each[step] for each in texts]), state)
    for row, text in zip(logits, texts, strict=True):
        np.testing.assert_allclose(row, wanted(text), rtol=1e-5)


def test_texts_that_go_on_from_one_place_do_not_know_of_each_other() -> None:
    _, engine, _, _ = engines()
    state = engine.initial_state(1)
    for each in (3, 1, 2):
        _, state = engine.step(np.array([each]), state)
    both = engine.join([engine.select(state, np.array([0])), state])
    logits, _ = engine.step(np.array([5, 6]), both)
    again, _ = engine.step(np.array([6]), state)  # the old state is as it was
    np.testing.assert_allclose(logits[0], wanted([3, 1, 2, 5]), rtol=1e-5)
    np.testing.assert_allclose(logits[1], wanted([3, 1, 2, 6]), rtol=1e-5)
    np.testing.assert_array_equal(again[0], logits[1])


def test_a_text_is_the_same_alone_and_among_others(run: Run) -> None:
    how: dict[str, Any] = {"mix": True, "seed": 3, "length": 60}
    one = run.generate("The time", **how)
    assert run.samples("The time", num_samples=3, **how)[0] == one
    assert one != run.generate("The time", **how | {"mix": False})
    assert next(run.generate_each(["The time", "so it"], **how)) == [one]


def test_it_goes_on_as_the_training_text_did(run: Run) -> None:
    text = run.generate("The time trav", mix=True, temperature=0.3, seed=0, length=60)
    assert "eller (for so it" in text


def test_beams_and_the_best_of_several_take_it(run: Run) -> None:
    for how in ({"beams": 2}, {"best_of": 2, "seed": 1}):
        assert len(run.generate("The", mix=True, length=20, **how)) == 23


def test_what_it_cannot_do_is_refused(run: Run, tmp_path: Path) -> None:
    from charlm.config import SamplingConfig

    writer = run.writer(sampling=SamplingConfig(mix=True))
    writer.read("The")
    with pytest.raises(SettingError, match="do not go together"):
        writer.save_state("kept")
    book = tmp_path / "book.txt"
    book.write_text(TEXT)
    whole = charlm.train(book, runs_dir=tmp_path / "runs", val_fraction=0, **TINY)
    with pytest.raises(UsageError, match="holds out nothing"):
        whole.generate(mix=True)
    book.unlink()
    with pytest.raises(RunError, match="cannot be read") as caught:
        whole.generate(mix=True)
    assert "leave out --mix" in caught.value.hint
