"""Strange texts, from train to generate: each command works, or refuses in a sentence."""

import string
from pathlib import Path

import pytest
from cli_runner import charlm
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import COMMANDS, TEXTS, outcomes

from charlm.errors import CorpusError, UsageError
from charlm.text.corpus import Corpus, Reading, open_corpus
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.vocabulary import Vocabulary

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--max-steps", "2")
# The others take seconds: they compile, write hundreds of characters, or draw.
QUICK = tuple(
    each
    for each in COMMANDS
    if each.split()[0] in ("train", "eval", "generate", "vocab", "corpus", "runs")
)
ODDEST = ("one-character", "two-characters", "every-plane", "blanks", "shortest", "empty", "nul")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)


@pytest.mark.parametrize("name", ODDEST)
def test_quick_commands_on_the_oddest_texts(name: str, tmp_path: Path) -> None:
    failed = [each for each in outcomes(TEXTS[name], tmp_path, QUICK) if each.problem]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_every_command_on_every_text(name: str, tmp_path: Path) -> None:
    failed = [each for each in outcomes(TEXTS[name], tmp_path) if each.problem]
    assert not failed


def test_of_one_character_everything_is_known(tmp_path: Path) -> None:
    Path("text.txt").write_bytes(TEXTS["one-character"])
    more = ("--run", "r", "--learning-rate", "0.1", "--min-learning-rate", "0.1")
    made = charlm("train", "text.txt", *more[:4], *SMALL[:6], "--max-steps", "40")
    assert made.code == 0, made.err
    score = charlm("eval", "--run", "r", "--json").json
    assert score["perplexity"] == pytest.approx(1, abs=0.05)
    assert (
        charlm("generate", "--run", "r", "--length", "9", "--temperature", "0").out
        == "a" * 9 + "\n"
    )


def test_a_vocabulary_too_large_for_the_memory_is_refused_with_advice(tmp_path: Path) -> None:
    points = [point for point in range(0x21, 0x30000) if not 0xD800 <= point <= 0xDFFF]
    Path("text.txt").write_text("".join(map(chr, points)), encoding="utf-8")
    refused = charlm("train", "text.txt", "--batch-size", "4096", "--max-steps", "1")
    assert refused.code == 1
    for option in ("--max-vocabulary", "--min-count", "--units bytes"):
        assert option in refused.err
    told = charlm(
        *("train", "text.txt", "--batch-size", "1", "--seq-length", "2", "--max-steps", "1"),
        *("--hidden-size", "2", "--embedding-size", "2", "--val-fraction", "0"),
    )
    assert told.code == 0, told.err
    assert "every step computes a probability for each" in told.err


# Round trips

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
ODD = st.text(
    st.one_of(CHARACTERS, st.sampled_from("\r\n\x85\u2028\u2029\ufeff\u200d\u0301\u202e"))
)


def with_line_feeds(text: str) -> str:
    """The text as it is read: without a mark in front, and with \\n as the only line end."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


@settings(deadline=None)
@given(ODD, st.sampled_from(sorted(NORMALIZATIONS)), st.sampled_from(["characters", "words"]))
def test_what_is_normalized_is_encoded_and_comes_back(text: str, form: str, units: str) -> None:
    corpus = Corpus.from_text(text, normalization=form)
    vocabulary = Vocabulary.build(corpus.text, units=units)
    assert vocabulary.decode(vocabulary.encode(corpus.text).tolist()) == corpus.text
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    # Once normalized, it stays as it is.
    assert NORMALIZATIONS[form](corpus.text) == corpus.text or form == "letters-by-line"
    if form.startswith("letters"):
        assert set(corpus.text) <= set(string.ascii_lowercase + " ")


@settings(deadline=None, max_examples=50)
@given(ODD, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "auto"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(text.encode("utf-8" if encoding == "auto" else encoding))
    try:
        corpus = open_corpus(path, Reading(encoding=encoding))
    except (CorpusError, UsageError):
        assert not with_line_feeds(text)
        return
    expected = with_line_feeds(text)
    # A mark of utf-8-sig, utf-16 and utf-32 is one more than the text's own.
    assert corpus.text in (expected, with_line_feeds("\ufeff" + text).removeprefix("\ufeff"))
