"""What is copied from the training text, for texts of which that is known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charlm
from charlm.config import SamplingConfig
from charlm.errors import RunError, SettingError, UsageError
from charlm.inspection.copying import CONTEXT, SIZES, ComparedText, Copying, compare
from charlm.tasks.language_modeling.inspector import Inspector
from charlm.text.corpus import Corpus

BOOK = "".join(f"سطر {n}: the {n * n % 97}th fox, and\ta 🦊 of {n % 7}.\n" for n in range(120))
SETTINGS: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 16, "max_steps": 2}


def compared(text: str, training: str) -> ComparedText:
    return compare([("it", text)], training)[0]


def copying(text: str, training: str) -> Copying:
    return Copying(compared(text, training), None, training)


small = st.text("ab", max_size=30)


@settings(deadline=None)
@given(small, small, st.integers(1, 6))
def test_the_share_of_ngrams_is_that_of_a_search(text: str, training: str, n: int) -> None:
    grams = [text[start : start + n] for start in range(len(text) - n + 1)]
    wanted = sum(each in training for each in grams) / len(grams) if grams else None
    assert compared(text, training).share(n) == wanted


def spans_by_search(text: str, training: str) -> list[tuple[int, int]]:
    """All stretches that stand in the training text and can be extended to no side; then those
    that are left of them when the longest, and of equals the first, is taken again and again.
    """
    maximal = [
        (start, stop)
        for start in range(len(text))
        for stop in range(start + 1, len(text) + 1)
        if text[start:stop] in training
        and (start == 0 or text[start - 1 : stop] not in training)
        and (stop == len(text) or text[start : stop + 1] not in training)
    ]
    kept: list[tuple[int, int]] = []
    for start, stop in sorted(maximal, key=lambda span: (span[0] - span[1], span[0])):
        if all(stop <= begin or end <= start for begin, end in kept):
            kept.append((start, stop))
    return [(start, stop - start) for start, stop in kept]


@settings(deadline=None)
@given(small, small)
def test_spans_are_those_of_a_search(text: str, training: str) -> None:
    found = compared(text, training)
    wanted = spans_by_search(text, training)
    assert found.longest_spans(100) == wanted
    assert found.longest_spans(2) == wanted[:2]
    assert found.longest_spans(0) == []
    assert found.longest == max((length for _, length in wanted), default=0)


def test_the_training_text_is_one_span() -> None:
    result = copying(BOOK, BOOK)
    assert [result.text.share(n) for n in SIZES] == [1.0] * len(SIZES)
    (span,) = result.spans(10)
    assert (span.text, span.start, span.place, span.line) == (BOOK, 0, 0, 1)
    assert (span.before, span.after) == ("", "")


def test_characters_that_do_not_occur_are_not_copied() -> None:
    result = copying("XYZ" * 50, BOOK)
    assert [result.text.share(n) for n in SIZES] == [0.0] * len(SIZES)
    assert result.spans(10) == []
    assert result.text.longest == 0


def test_a_span_says_where_it_comes_from() -> None:
    place = BOOK.index("سطر 57")
    copied = BOOK[place : place + 50]
    (span,) = copying(f"\0\0{copied}\0", BOOK).spans(1)
    assert (span.text, span.start, span.place, span.line) == (copied, 2, place, 58)
    assert span.before == BOOK[place - CONTEXT : place]
    assert span.after == BOOK[place + 50 : place + 50 + CONTEXT]


def test_a_short_text_has_no_long_ngrams() -> None:
    found = compared(BOOK[:10], BOOK)
    assert [found.share(n) for n in (4, 8, 12)] == [1.0, 1.0, None]


# Of a run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "book.txt").write_text(BOOK, encoding="utf-8")
    for name, share in (("r", 0.1), ("whole", 0.0)):
        charlm.train(folder / "book.txt", run=name, runs_dir=folder, val_fraction=share, **SETTINGS)
    return folder


@pytest.fixture
def run(home: Path) -> charlm.Run:
    return charlm.load("r", runs_dir=home)


@pytest.fixture
def training(run: charlm.Run) -> str:
    return run.language.spans.of_text(BOOK, "train")


def test_of_a_text_that_is_given(run: charlm.Run, training: str) -> None:
    result = run.inspect.copying(Corpus.from_text(training[100:200]))
    assert result.text.share(32) == 1.0
    assert result.spans()[0].place == 100
    assert result.training == training
    assert result.held_out is not None
    assert result.held_out.text == run.language.spans.of_text(BOOK, "val")[:100]
    assert result.corpus == "book"


def test_a_model_that_recites(
    run: charlm.Run, training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recite(_: object, sampling: SamplingConfig) -> Iterator[Iterator[str]]:
        half = sampling.length // 2
        yield iter([training[:half], training[half : sampling.length]])

    monkeypatch.setattr("charlm.tasks.language_modeling.copying.stream_samples", recite)
    told: list[tuple[int, int]] = []
    inspector = Inspector(run.language, lambda *_: pytest.fail("no model is needed"))
    result = inspector.copying(length=600, seed=3, report=lambda *each: told.append(each))
    assert [len(each.text) for each in result.spans()] == [600]
    assert result.text.name == "written by the run, temperature 1.0, seed 3"
    assert told[:2] == [(300, 600), (600, 600)]


def test_the_run_writes_what_generate_writes(run: charlm.Run) -> None:
    sampling: dict[str, Any] = {"length": 200, "temperature": 0.7, "seed": 5}
    result = run.inspect.copying(**sampling)
    assert result.text.text == run.generate(**sampling)
    again = run.inspect.copying(length=50).text
    seed = int(again.name.split("seed ")[1])
    assert run.generate(length=50, seed=seed) == again.text


def test_nothing_was_held_out(home: Path) -> None:
    result = charlm.load("whole", runs_dir=home).inspect.copying(length=50, seed=1)
    assert result.held_out is None
    assert result.to_json()["held_out"] is None


def test_what_cannot_be(run: charlm.Run) -> None:
    text = Corpus.from_text("some text")
    with pytest.raises(SettingError, match="seed is of a text that the run writes"):
        run.inspect.copying(text, seed=1)
    with pytest.raises(SettingError, match="encoding is of a text that is named"):
        run.inspect.copying(encoding="latin-1")
    with pytest.raises(SettingError, match="encoding"):
        run.inspect.copying(text, encoding="latin-1")
    with pytest.raises(SettingError, match="num_samples must be 1"):
        run.inspect.copying(num_samples=2)
    with pytest.raises(SettingError, match="does nothing at"):
        run.inspect.copying(temperature=0, seed=1)
    with pytest.raises(UsageError, match="nothing in"):
        run.inspect.copying(length=0)
    with pytest.raises(UsageError, match="nothing in"):
        run.inspect.copying(Corpus.from_text(""))


def test_the_training_text_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text(BOOK, encoding="utf-8")
    run = charlm.train(file, run="r", runs_dir=tmp_path, **SETTINGS)
    file.write_text("another text\n" * 100)
    with pytest.raises(RunError, match="has changed since") as changed:
        run.inspect.copying(length=10)
    file.unlink()
    with pytest.raises(RunError, match="cannot be read") as missing:
        run.inspect.copying(Corpus.from_text("a text"))
    for error in (changed.value, missing.value):
        assert error.hint.startswith("Copies are looked for in it: put it back, or name it: charlm")


def test_json_has_only_plain_values(run: charlm.Run, training: str) -> None:
    result = run.inspect.copying(Corpus.from_text(training[:60])).to_json(1)
    assert json.loads(json.dumps(result)) == result
    assert result["text"]["shares"]["32"] == 1.0
    assert result["training_characters"] == len(training)
    assert result["spans"][0]["characters"] == 60
