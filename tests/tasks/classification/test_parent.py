"""Classifiers that start from a language model."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import charlm
from charlm.errors import CharlmError, CorpusError, SettingError, UsageError
from charlm.tasks.classification.parent import SHORTEST, found_in

TEXT = "it was so odd, and then it was not. The zoo was yellow; a box was there. " * 20
LABELS: dict[str, Any] = {"task": "classification", "epochs": 2, "batch_size": 8}


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> charlm.Run:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text(TEXT)
    tiny = {"hidden_size": 9, "embedding_size": 5, "batch_size": 2, "seq_length": 8}
    return charlm.train("book.txt", normalize="lower", run="lm", max_steps=20, **tiny)


def rows(number: int = 60) -> list[dict[str, str]]:
    rng = random.Random(0)
    words = ("it", "WAS", "so", "odd")
    texts = [" ".join(rng.choice(words) for _ in range(rng.randrange(1, 6))) for _ in range(number)]
    return [{"text": text, "label": "odd" if "odd" in text else "even"} for text in texts]


def weights(run: str, file: str = "last/model") -> dict[str, np.ndarray[Any, Any]]:
    return load_file(f"runs/{run}/{file}.safetensors")


def test_it_begins_with_the_parents_layers_alphabet_and_case(parent: charlm.Run) -> None:
    about: dict[str, Any] = {**LABELS, "epochs": None, "max_steps": 1, "learning_rate": 1e-12}
    run = charlm.train(rows(), init_from="lm", run="child", **about)
    assert run.directory.vocabulary == parent.vocabulary  # type: ignore[attr-defined]
    assert run.directory.record.parent == "lm"
    mine, theirs = weights("child"), weights("lm", "best/model")
    shared = [name for name in mine if not name.startswith("output.")]
    assert len(shared) == 5
    for name in shared:
        np.testing.assert_allclose(mine[name], theirs[name], atol=1e-9)
    one, other = run.predict(["It was ODD", "it was odd"])
    assert one.label == other.label
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    for name in ("cell", "hidden_size", "embedding_size"):
        assert getattr(run.config, name) == getattr(parent.config, name)


def test_a_second_direction_begins_afresh() -> None:
    told: list[str] = []
    run = charlm.train(
        rows(),
        init_from="lm",
        run="child",
        bidirectional=True,
        listener=lambda event: told.append(str(getattr(event, "text", ""))),
        **LABELS,
    )
    assert "'lm' reads in one direction: the other one begins afresh." in told
    assert run.config.bidirectional  # type: ignore[attr-defined]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_frozen_encoder_stays_and_its_head_goes_on_bit_for_bit(pooling: str) -> None:
    about = {**LABELS, "epochs": 12, "freeze": True, "encoder_pooling": pooling}
    whole = charlm.train(rows(), init_from="lm", run="whole", **about)
    for name, each in weights("whole").items():
        if not name.startswith("output."):
            np.testing.assert_array_equal(each, weights("lm", "best/model")[name], err_msg=name)
    steps = iter(range(1000))
    charlm.train(
        rows(), init_from="lm", run="parted", should_stop=lambda: next(steps) >= 31, **about
    )
    charlm.resume("parted")
    for file in ("last/model", "last/training", "best/model"):
        mine, theirs = weights("parted", file), weights("whole", file)
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=name)
    # What the head saw is what the whole net says.
    assert whole.evaluate(split="val").score.loss == pytest.approx(
        whole.result["score"]["log_loss"], rel=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"cell": "gru"}, "is lstm in the run 'lm'"),
        ({"hidden_size": 10}, "is 9 in the run 'lm'"),
        ({"units": "words"}, "are characters in the run 'lm'"),
        ({"min_count": 2}, "is that of the run"),
    ],
)
def test_what_the_parent_is_not_cannot_be_asked_for(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        charlm.train(rows(), init_from="lm", **{**LABELS, **settings})


def test_other_parents_and_none() -> None:
    charlm.train(rows(), run="labels", hidden_size=4, **LABELS)
    with pytest.raises(UsageError, match="a classifier starts from a language model"):
        charlm.train(rows(), init_from="labels", **LABELS)
    with pytest.raises(SettingError, match="give --init-from"):
        charlm.train(rows(), freeze=True, **LABELS)
    with pytest.raises(CharlmError, match="of the task 'classification'"):
        charlm.train("book.txt", task="language-model", init_from="labels", max_steps=1)


def test_what_the_parent_has_read_is_not_held_out() -> None:
    seen = [
        {"text": "and then it was not. The zoo was yellow", "label": label}
        for label in ("a", "b")
        for _ in range(20)
    ]
    with pytest.raises(CorpusError, match="which has read them"):
        charlm.train(seen, init_from="lm", **LABELS)
    Path("book.txt").unlink()
    told: list[str] = []
    charlm.train(
        seen,
        init_from="lm",
        listener=lambda event: told.append(str(getattr(event, "text", ""))),
        **LABELS,
    )
    assert any("cannot be checked" in each for each in told)


@given(
    st.text("ab", min_size=60, max_size=400),
    st.lists(st.tuples(st.integers(0, 399), st.integers(SHORTEST, 90)), max_size=5),
    st.lists(st.text("ab", min_size=SHORTEST, max_size=90), max_size=3),
)
@example("ab" * 30, [(0, SHORTEST)], [])
def test_texts_are_found_wherever_they_stand(
    text: str, spans: list[tuple[int, int]], others: list[str]
) -> None:
    parts = [text[start : start + size] for start, size in spans]
    wanted = [each for each in (*parts, *others) if len(each) >= SHORTEST]
    assert found_in(text, wanted) == {each for each in wanted if each in text}
