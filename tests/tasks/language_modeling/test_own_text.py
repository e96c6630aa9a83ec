"""A run knows its own text again, however it comes, and counts the bytes that were read."""

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import charlm
from charlm.errors import RunError, SettingError
from charlm.text.corpus import Corpus, sha256_of

TEXT = "Le temps passe, déjà vu; the time traveller was expounding it again.\n" * 20
TINY: dict[str, Any] = {
    "hidden_size": 6,
    "batch_size": 4,
    "seq_length": 8,
    "max_steps": 4,
    "precision": "fp32",
}
FORMS: dict[str, tuple[bytes, str]] = {
    "plain": (TEXT.encode(), "utf-8"),
    "marked": (b"\xef\xbb\xbf" + TEXT.encode(), "utf-8"),
    "windows": (TEXT.replace("\n", "\r\n").encode(), "utf-8"),
    "mac": (TEXT.replace("\n", "\r").encode(), "utf-8"),
    "latin": (TEXT.encode("latin-1"), "latin-1"),
    "wide": (TEXT.replace("\n", "\r\n").encode("utf-16"), "utf-16"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text in all forms, and a run on each."""
    folder = tmp_path_factory.mktemp("own")
    for name, (content, encoding) in FORMS.items():
        (folder / f"{name}.txt").write_bytes(content)
        charlm.train(
            folder / f"{name}.txt", run=name, runs_dir=folder / "runs", encoding=encoding, **TINY
        )
    return folder


def load(home: Path, name: str) -> charlm.Run:
    return charlm.load(name, runs_dir=home / "runs")


@pytest.mark.parametrize("trained", FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_the_text_is_its_own_in_every_form(home: Path, trained: str, form: str) -> None:
    run, (content, encoding) = load(home, trained), FORMS[form]
    own = run.evaluate()
    given = run.evaluate(home / f"{form}.txt", encoding=encoding)
    assert (given.split, given.text) == ("val", own.text)
    assert given.score == own.score
    start, stop = run.directory.spans.val
    held_out = TEXT[start + 1 : stop]
    if b"\r\n" in content.replace(b"\0", b""):
        held_out = held_out.replace("\n", "\r\n")
    bits = given.score.nats / math.log(2)
    spelling = "utf-16-le" if encoding == "utf-16" else encoding
    assert given.bits_per_byte == pytest.approx(bits / len(held_out.encode(spelling)))
    assert run.evaluate(split="train").bits_per_byte is not None


def test_a_string_and_standard_input_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = load(home, "latin")
    own = run.evaluate()
    for text in (TEXT, "\ufeff" + TEXT.replace("\n", "\r\n")):
        assert run.evaluate(Corpus.from_text(text)).score == own.score
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run.evaluate("-").score == own.score


def test_a_text_that_was_normalized_before_is_still_the_same_source(home: Path) -> None:
    run = load(home, "plain")
    for form, (content, encoding) in FORMS.items():
        corpus = charlm.Corpus.from_text(content.decode(encoding), form, normalization="letters")
        assert run.evaluate(corpus).text == run.evaluate().text


def test_a_text_that_differs_in_one_character_is_another(home: Path) -> None:
    run = load(home, "plain")
    for text in (TEXT + "\n", TEXT[:-1], TEXT.replace("vu", "vû", 1)):
        assert run.evaluate(Corpus.from_text(text)).split == "all"
    with pytest.raises(SettingError, match="split is for the text"):
        run.evaluate(Corpus.from_text(TEXT[:-1]), split="val")


def test_a_text_that_begins_like_the_runs_own_is_spoken_of(home: Path) -> None:
    run = load(home, "windows")
    train = TEXT[: run.directory.spans.train[1]]
    for text in (train, TEXT + "more", train[:1100]):
        (note,) = run.evaluate(Corpus.from_text(text, "part")).notes
        assert note.startswith("part begins as the text that 'windows' was trained on")
    for text in (TEXT[500:], "x" + TEXT, "something else", TEXT):
        assert run.evaluate(Corpus.from_text(text)).notes == ()


def test_a_text_in_place_that_changed_its_line_ends_only_is_still_there(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(TEXT.encode())
    run = charlm.train(path, run="a", runs_dir=tmp_path, **TINY)
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert charlm.resume(run.path, max_steps=6).evaluate().split == "val"


# Several texts


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two texts that end in no line end."""
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path in paths:
        path.write_text(TEXT + path.stem)
    return paths


def test_texts_are_kept_apart_and_the_line_end_between_them_is_no_byte(
    pair: list[Path], tmp_path: Path
) -> None:
    run = charlm.train(pair, run="a", runs_dir=tmp_path, **TINY)
    scored = run.evaluate(pair, split="all")
    assert scored.text == TEXT + "one\n" + TEXT + "two"
    assert "'" + str(pair[0]) + "'" in scored.notes[0]
    bits = scored.score.nats / math.log(2)
    read = sum(len(path.read_bytes()) for path in pair) - 1
    assert scored.bits_per_byte == pytest.approx(bits / read)
    assert charlm.resume(run.path, max_steps=6).evaluate().split == "val"


def made_by_the_first_version(run: charlm.Run, text: str) -> charlm.Run:
    """The run as that version would have written it down, with this text."""
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    for name in ("characters_sha256", "beginning_sha256"):
        del record["corpus"][name]
    record["corpus"] |= {"text_sha256": sha256_of(text), "characters": len(text)}
    path.write_text(json.dumps(record))
    return charlm.load(run.path)


def test_a_run_of_the_first_version_keeps_its_fused_texts(pair: list[Path], tmp_path: Path) -> None:
    fused = "".join(path.read_text() for path in pair)
    run = charlm.train(pair, run="a", runs_dir=tmp_path, **TINY)
    old = made_by_the_first_version(run, fused)
    assert old.evaluate(split="all").text == fused
    assert old.evaluate(pair).split == "val"
    assert charlm.resume(old.path, max_steps=6).result["steps"] == 6
    pair[0].write_text(TEXT + "another")
    with pytest.raises(RunError, match="has changed since"):
        charlm.resume(old.path, max_steps=8)


def test_a_run_of_the_first_version_knows_its_text_by_its_characters(home: Path) -> None:
    old = made_by_the_first_version(load(home, "mac"), TEXT)
    for form, (_, encoding) in FORMS.items():
        assert old.evaluate(home / f"{form}.txt", encoding=encoding).split == "val"
    assert old.evaluate(Corpus.from_text(TEXT[:-1])).notes == ()
