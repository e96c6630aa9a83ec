"""Runs over words and bytes compress too; those over documents do not."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charlm
from charlm import Corpus, Run
from charlm.errors import SettingError, UsageError

pytest.importorskip("constriction", reason="constriction is not installed")

TINY: dict[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 4,
    "batch_size": 2,
    "seq_length": 5,
    "max_steps": 4,
    "precision": "fp32",
}
TEXT = "the time traveller smiled, and\nthe machine was gone.\n" * 9


@pytest.fixture(scope="module", params=["words", "bytes"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return charlm.train(Corpus.from_text(TEXT), runs_dir=folder, units=request.param, **TINY)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=40)
    | st.text(max_size=20).map(str.encode)
    | st.text(st.sampled_from("the time,\r\n xé"), max_size=60).map(str.encode)
)
def test_whatever_it_is_comes_back(run: Run, content: bytes) -> None:
    assert run.decompress(run.compress(content)) == content


def test_what_was_learned_takes_less(run: Run, tmp_path: Path) -> None:
    longer = TINY | {"max_steps": 60, "learning_rate": 0.02}
    units = run.vocabulary.units
    run = charlm.train(Corpus.from_text(TEXT), runs_dir=tmp_path, units=units, **longer)
    learned = len(run.compress(TEXT.encode()))
    assert learned < len(run.compress(TEXT.upper().encode()))


def test_bytes_have_no_encoding(run: Run) -> None:
    from charlm.compression.compress import compress

    if run.vocabulary.units == "bytes":
        with pytest.raises(SettingError, match="is of characters"):
            compress(run.language, b"text", encoding="utf-16")


def test_documents_and_normalized_words_are_refused(tmp_path: Path) -> None:
    lines = Corpus.from_text("an\nbe\nci\n" * 20 + "do\nek\n")
    documents = charlm.train(lines, runs_dir=tmp_path, documents="lines", **TINY)
    with pytest.raises(UsageError, match="reads documents"):
        documents.compress(b"an\n")
    words = charlm.train(
        Corpus.from_text(TEXT), runs_dir=tmp_path, units="words", normalize="letters", **TINY
    )
    with pytest.raises(UsageError, match="compresses only if its text was not normalized"):
        words.compress(b"the time")
