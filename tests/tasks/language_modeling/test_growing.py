"""A vocabulary that grows keeps what it had, and begins what is new at the mean."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import charlm
from charlm import Corpus, Run
from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS
from charlm.rnn.weights import model_shapes
from charlm.tasks.language_modeling.growing import grown_vocabulary, grown_weights
from charlm.text.tokens import DOCUMENT
from charlm.text.vocabulary import Vocabulary

TINY = {"hidden_size": 6, "batch_size": 2, "seq_length": 5, "max_steps": 3, "precision": "fp32"}


def test_new_entries_follow_by_frequency() -> None:
    vocabulary = Vocabulary.build("bbba")
    grown = grown_vocabulary(vocabulary, Counter("abcddddee"), 2)
    assert grown.entries == ("b", "a", "d", "e")
    assert grown.counts == (3, 1, 4, 2)
    assert grown_vocabulary(vocabulary, Counter("ab"), 1) == vocabulary


@pytest.mark.parametrize("embedding", [0, 3])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell", list(CELLS))
def test_what_was_there_stays_bit_for_bit(cell: str, tied: bool, embedding: int) -> None:
    if tied and not embedding:
        pytest.skip("there are no vectors to tie")
    sizes = {"cell": cell, "hidden_size": 4, "embedding_size": embedding, "tie_weights": tied}
    small, large = (ModelConfig(vocabulary_size=V, **sizes) for V in (5, 8))  # type: ignore[arg-type]
    model = LanguageModel(small, "scratch")
    model.initialize("uniform", 0)
    before = {name: each.detach().numpy() for name, each in model.weights().items()}
    after = grown_weights(before, large)
    assert {name: each.shape for name, each in after.items()} == dict(model_shapes(large))
    for name, old in before.items():
        new = after[name]
        inside = tuple(slice(size) for size in old.shape)
        np.testing.assert_array_equal(new[inside], old)
        if new.shape == old.shape:
            continue
        axis = int(np.argmax(np.array(new.shape) != np.array(old.shape)))
        mean = old.take(range(1, 5), axis).mean(axis)
        for place in range(5, 8):
            np.testing.assert_allclose(new.take(place, axis), mean, rtol=1e-6, atol=1e-9)


def begun(tmp_path: Path, **settings: object) -> Run:
    text = Corpus.from_text("the time traveller " * 20, "old")
    return charlm.train(text, run="old", runs_dir=tmp_path, **{**TINY, **settings})  # type: ignore[arg-type]


def test_a_run_grows_and_says_what_it_added(tmp_path: Path) -> None:
    begun(tmp_path)
    told: list[str] = []
    run = charlm.train(
        Corpus.from_text("ZZ the Xime " * 30, "new"),
        init_from="old",
        runs_dir=tmp_path,
        grow_vocabulary=True,
        max_steps=1,
        learning_rate=1e-30,
        listener=lambda event: told.append(getattr(event, "text", "")),
    )
    assert "3 entries added to the vocabulary of 'old': 'Z', 'X', 'i'." not in told
    assert any("added to the vocabulary of 'old': 'Z', 'X'" in each for each in told)
    old = charlm.load("old", runs_dir=tmp_path).directory.load_weights()
    new = run.directory.load_weights()
    V = len(old["output.bias"])
    np.testing.assert_allclose(new["output.bias"][:V], old["output.bias"], rtol=1e-6)
    assert run.config.vocabulary_size == V + 2
    assert set(run.generate(length=20, seed=0)) <= set(run.vocabulary.entries)


def test_a_run_over_running_text_learns_where_documents_end(tmp_path: Path) -> None:
    begun(tmp_path)
    names = Corpus.from_text("tim\nella\nravel\nteller\nam\nmel\n" * 4, "names")
    with pytest.raises(SettingError, match="a mark that the run 'old' lacks: give --grow"):
        charlm.train(names, init_from="old", runs_dir=tmp_path, documents="lines", max_steps=1)
    run = charlm.train(
        names,
        init_from="old",
        runs_dir=tmp_path,
        documents="lines",
        grow_vocabulary=True,
        max_steps=2,
    )
    assert run.vocabulary.document_id == run.config.document_id > 1
    assert DOCUMENT not in run.generate(length=50, seed=1)


def test_growing_without_a_parent_and_other_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="give --init-from"):
        begun(tmp_path, grow_vocabulary=True)
    begun(tmp_path)
    for name, value, problem in (
        ("units", "words", "are characters in the run 'old'"),
        ("max_vocabulary", 3, "has been decided in the run 'old'"),
    ):
        with pytest.raises(SettingError, match=problem):
            charlm.train(
                Corpus.from_text("the time " * 30),
                init_from="old",
                runs_dir=tmp_path,
                **{name: value},  # type: ignore[arg-type]
            )
