"""charlm from Python: train, resume, load, generate, evaluate."""

import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streams import stream_text
from tolerances import of_window, rounding

import charlm
from charlm import Corpus
from charlm.errors import (
    CharlmError,
    CorpusError,
    RunError,
    SettingError,
    UnknownCharacterError,
    UsageError,
)
from charlm.rnn.backends.choice import BACKENDS, choose_backend
from charlm.rnn.cells import CELLS
from charlm.scoring.exact import score
from charlm.sessions.session import Chosen, Concluded, Illustrated, Notice, Prepared
from charlm.training.events import Evaluated, Progressed, Stopped

# The same text scored in pieces of other lengths, by a model of some 16 units.
NEAR = rounding(torch.float32, of_window(1, 16))
TEXT = "The time traveller (for so it will be convenient to speak of him)\nwas expounding.\n" * 6
TINY: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "precision": "fp32",
    "max_steps": 6,
    "eval_every": 2,
}
# At this rate and without clipping, scores go up and down.
WILD: dict[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 20.0,
    "schedule": "constant",
    "clip_norm": 0.0,
    "max_steps": 30,
}
# Every cell with every backend that has it.
PAIRS = [(c, b) for c in CELLS for b in BACKENDS if BACKENDS[b].supports(CELLS[c]())]


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def __call__(self, event: object) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.of(Notice)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written to the current folder by mistake lands where nobody looks."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> charlm.Run:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "book.txt").write_text(TEXT, encoding="utf-8")
    return charlm.train(
        folder / "book.txt",
        run="trained",
        runs_dir=folder / "runs",
        cell="gru",
        test_fraction=0.2,
        **TINY,
    )


def weights_of(run: charlm.Run) -> dict[str, np.ndarray]:
    return run.directory.load_weights()


def same_weights(one: charlm.Run, other: charlm.Run) -> bool:
    mine, theirs = weights_of(one), weights_of(other)
    return mine.keys() == theirs.keys() and all(
        mine[name].tobytes() == theirs[name].tobytes() for name in mine
    )


# Training


def test_training_makes_a_run_that_says_everything(trained: charlm.Run) -> None:
    assert trained.name == "trained"
    assert trained.path.is_dir()
    assert (trained.config.cell, trained.config.hidden_size) == ("gru", 6)
    assert trained.config.vocabulary_size == len(trained.vocabulary) == len(set(TEXT)) + 1
    assert "trained" in repr(trained)
    assert trained.result["steps"] == 6
    assert trained.result["split"] == "test"
    assert trained.result["score"]["perplexity"] > 1
    assert set(trained.result["baselines"]) >= {"uniform", "unigram", "xz"}
    assert [row["step"] for row in trained.metrics()] == [2, 4, 6]
    record = trained.directory.record
    assert record.status == "done"
    assert record.corpus["characters"] == len(TEXT)
    assert record.splits == {"train": [0, 344], "val": [344, 394], "test": [394, 492]}
    assert record.parameters == trained.model().parameter_count


@pytest.mark.parametrize(("cell", "backend"), [*PAIRS, *((cell, "auto") for cell in CELLS)])
def test_every_cell_trains_on_every_backend(
    cell: str, backend: str, book: Path, tmp_path: Path
) -> None:
    run = charlm.train(book, runs_dir=tmp_path / "runs", cell=cell, backend=backend, **TINY)
    assert run.name == f"book-{cell}-1"
    assert run.config.cell == cell
    before, after = run.metrics()[0], run.metrics()[-1]
    assert after["nats_per_character"] < before["nats_per_character"]


def test_backends_train_alike(book: Path, tmp_path: Path) -> None:
    nats = {
        (cell, backend): charlm.train(
            book, runs_dir=tmp_path, cell=cell, backend=backend, **TINY
        ).result["score"]["nats"]
        for cell, backend in PAIRS
    }
    for (cell, _), each in nats.items():
        assert each == pytest.approx(nats[cell, "scratch"], rel=NEAR)


def test_the_same_seed_trains_the_same_model(book: Path, tmp_path: Path) -> None:
    runs = [charlm.train(book, runs_dir=tmp_path, seed=seed, **TINY) for seed in (1, 1, 2)]
    assert [run.name for run in runs] == ["book-lstm-1", "book-lstm-2", "book-lstm-3"]
    assert same_weights(runs[0], runs[1])
    assert not same_weights(runs[0], runs[2])


def test_the_best_weights_are_those_that_are_kept(book: Path, tmp_path: Path) -> None:
    settings = {**TINY, **WILD}
    run = charlm.train(book, runs_dir=tmp_path, **settings)
    rows = run.metrics()
    best = min(row["nats_per_character"] for row in rows)
    assert best < rows[-1]["nats_per_character"]
    assert [row["step"] for row in rows if row["best"]][-1] == next(
        row["step"] for row in rows if row["nats_per_character"] == best
    )
    assert run.result["score"]["nats_per_character"] == pytest.approx(best, rel=NEAR)
    assert run.evaluate(split="val").score.nats_per_character == pytest.approx(best, rel=NEAR)


def test_an_average_that_scores_better_is_what_is_kept(book: Path, tmp_path: Path) -> None:
    settings = {**TINY, **WILD, "weight_drop": 0.0, "output_dropout": 0.0}
    run = charlm.train(book, runs_dir=tmp_path, ema_decay=0.8, **settings)
    for row in run.metrics():
        scores = {kind: row[f"{kind}_nats_per_character"] for kind in ("raw", "ema")}
        assert row["nats_per_character"] == scores[row["weights"]] == min(scores.values())
    best = [row for row in run.metrics() if row["best"]][-1]
    assert best["weights"] == "ema"
    assert run.evaluate(split="val").score.nats_per_character == pytest.approx(
        best["ema_nats_per_character"], rel=NEAR
    )
    plain = charlm.train(book, runs_dir=tmp_path, ema_decay=0.0, **settings)
    assert {row["weights"] for row in plain.metrics()} == {"raw"}
    assert not any("raw_nats_per_character" in row for row in plain.metrics())
    assert plain.result["score"]["nats"] > run.result["score"]["nats"]


def test_events_come_in_order(book: Path, tmp_path: Path) -> None:
    heard = Heard()
    charlm.train(book, runs_dir=tmp_path, listener=heard, **TINY)
    kinds = [
        type(event) for event in heard.events if not isinstance(event, Progressed | Notice | Chosen)
    ]
    assert kinds == [Prepared, *[Evaluated, Illustrated] * 3, Stopped, Concluded]
    assert [event.step for event in heard.of(Evaluated)] == [2, 4, 6]
    assert all(len(event.text) == 72 for event in heard.of(Illustrated))


def test_training_is_silent(book: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = charlm.train(book, runs_dir=tmp_path, **TINY)
    charlm.resume(run.path, max_steps=8)
    run.generate("The ", length=9)
    run.evaluate()
    assert capfd.readouterr() == ("", "")


def test_nothing_held_out_is_nothing_to_score(book: Path, tmp_path: Path) -> None:
    run = charlm.train(book, runs_dir=tmp_path, val_fraction=0.0, epochs=1, **TINY)
    assert "score" not in run.result
    assert all("nats" not in row for row in run.metrics())
    assert run.evaluate().split == "train"


def test_the_vocabulary_is_that_of_the_training_split(tmp_path: Path) -> None:
    corpus = Corpus.from_text("abcab" * 20 + "abЖcabЖ§ab")
    heard = Heard()
    run = charlm.train(corpus, runs_dir=tmp_path, listener=heard, **TINY)
    assert set(run.vocabulary.entries) == set("abc")
    (notice,) = [text for text in heard.notices if "held-out" in text]
    assert "3 characters" in notice
    assert "'Ж', '§'" in notice
    evaluation = run.evaluate()
    assert (evaluation.split, evaluation.unknown_characters) == ("val", 3)
    assert evaluation.score.characters == 10


def test_the_folder_of_runs_may_come_from_the_environment(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(tmp_path / "there"))
    run = charlm.train(book, **TINY)
    assert run.path == tmp_path / "there" / "book-lstm-1"
    assert charlm.load().name == charlm.load("book-lstm-1").name == "book-lstm-1"


def test_the_newest_run_is_loaded_unless_one_is_named(book: Path, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        charlm.train(book, run=name, runs_dir=tmp_path, **TINY)
    assert charlm.load(runs_dir=tmp_path).name == "c"
    assert charlm.load("b", runs_dir=tmp_path).name == "b"
    assert charlm.load(tmp_path / "a").name == "a"


def test_a_relative_path_is_found_from_anywhere(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.parent)
    run = charlm.train("book.txt", runs_dir=tmp_path / "runs", **TINY)
    monkeypatch.chdir("/")
    assert charlm.load(run.path).evaluate().score.characters > 0
    charlm.resume(run.path, max_steps=8)


def test_an_encoding_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "livre.txt"
    path.write_bytes(("déjà vu, çà et là\n" * 20).encode("latin-1"))
    run = charlm.train(path, runs_dir=tmp_path / "runs", encoding="latin-1", **TINY)
    assert "é" in run.vocabulary
    assert run.evaluate().score.characters == 35
    charlm.resume(run.path, max_steps=8)


# What is refused


REFUSED = [
    ({"hiden_size": 7}, "Did you mean 'hidden_size'"),
    ({"vocabulary_size": 7}, "vocabulary_size is no setting"),
    ({"cell": "gruu"}, "Did you mean 'gru'"),
    ({"backend": "scrach"}, "Did you mean 'scratch'"),
    ({"device": "gpu"}, "no device called 'gpu'"),
    ({"preset": "d2"}, "Did you mean 'd2l'"),
    ({"normalize": "leters"}, "Did you mean 'letters'"),
    ({"hidden_size": 0}, "hidden_size must be at least 1"),
    ({"hidden_size": 2.5}, "hidden_size cannot be 2.5"),
    ({"learning_rate": math.nan}, "learning_rate must be"),
    ({"dropout": 1.0}, "dropout must be"),
    ({"optimizer": "lion"}, "optimizer must be"),
    ({"min_count": 10_000}, "min_count leaves no character"),
    ({"val_fraction": 0.6, "test_fraction": 0.6}, "leave nothing to train on"),
    ({"run": "a/b"}, "cannot be a run's name"),
    ({"run": ".."}, "cannot be a run's name"),
    ({"run": ""}, "cannot be a run's name"),
    ({"init_from": "nobody"}, "no run called 'nobody'"),
    ({"cell": "gru", "reset_after": False, "backend": "builtin"}, "resets before"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED, ids=str)
def test_what_makes_no_sense_is_refused_before_a_run_is_made(
    settings: dict[str, Any], words: str, book: Path, tmp_path: Path
) -> None:
    with pytest.raises(CharlmError, match=words):
        charlm.train(book, runs_dir=tmp_path / "runs", **{**TINY, **settings})
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("learning_rate", [1e30, 1e39, 1e300])
def test_an_absurd_learning_rate_is_one_sentence(
    learning_rate: float, optimizer: str, book: Path, tmp_path: Path
) -> None:
    settings = {**TINY, "learning_rate": learning_rate, "optimizer": optimizer, "warmup_steps": 0}
    with pytest.raises(CharlmError, match=r"learning_rate|diverged"):
        charlm.train(book, runs_dir=tmp_path, **settings)


def test_a_taken_name_is_refused(trained: charlm.Run, book: Path) -> None:
    before = weights_of(trained)
    with pytest.raises(UsageError, match="is a run called 'trained' already"):
        charlm.train(book, run="trained", runs_dir=trained.path.parent, **TINY)
    assert weights_of(trained).keys() == before.keys()


def test_a_missing_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file and no corpus"):
        charlm.train(tmp_path / "nothing.txt", runs_dir=tmp_path, **TINY)


def test_a_folder_that_cannot_be_written_is_one_sentence(book: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot write to"):
        charlm.train(book, runs_dir=tmp_path / "file" / "runs", **TINY)


@pytest.mark.parametrize("fractions", [{}, {"val_fraction": 0.0}, {"test_fraction": 0.25}], ids=str)
def test_a_text_too_short_is_told_the_length_it_needs(
    fractions: dict[str, float], tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match="The text has 1 character;") as caught:
        charlm.train(Corpus.from_text("a"), runs_dir=tmp_path, **{**TINY, **fractions})
    needed = int(caught.value.message.split("at least ")[1].rstrip("."))
    for characters in range(2, needed):
        with pytest.raises(CorpusError, match=f"at least {needed}"):
            text = ("ab" * needed)[:characters]
            charlm.train(Corpus.from_text(text), runs_dir=tmp_path, **{**TINY, **fractions})
    run = charlm.train(
        Corpus.from_text(("ab" * needed)[:needed]), runs_dir=tmp_path, **{**TINY, **fractions}
    )
    assert run.result["steps"] == 6


def test_a_tiny_text_shrinks_batch_and_window_and_says_so(tmp_path: Path) -> None:
    heard = Heard()
    settings = {**TINY, "batch_size": 32, "seq_length": 64}
    run = charlm.train(Corpus.from_text("ab" * 40), runs_dir=tmp_path, listener=heard, **settings)
    too_small, notice = heard.notices
    assert "too few to learn to write from" in too_small
    assert "72 characters" in notice
    assert "batch size 1 and windows of 64 in place of 32 and 64" in notice
    train = run.directory.record.train
    assert (train["batch_size"], train["seq_length"]) == (1, 64)
    assert run.result["steps"] == 6


# Stopping


def test_a_run_stopped_at_once_can_be_used_and_resumed(book: Path, tmp_path: Path) -> None:
    run = charlm.train(book, run="a", runs_dir=tmp_path, should_stop=lambda: True, **TINY)
    assert run.directory.record.status == "interrupted"
    assert (run.result["steps"], run.result["train_perplexity"]) == (0, None)
    assert run.metrics() == []
    # A model that has learned nothing is about as good as none.
    assert run.evaluate().score.perplexity == pytest.approx(len(run.vocabulary), rel=0.2)
    assert len(run.generate("The ", length=9, seed=0)) == 13
    resumed = charlm.resume("a", runs_dir=tmp_path)
    straight = charlm.train(book, run="b", runs_dir=tmp_path, **TINY)
    assert same_weights(resumed, straight)


def test_a_listener_that_fails_leaves_a_run_that_can_go_on(book: Path, tmp_path: Path) -> None:
    def failing(event: object) -> None:
        if isinstance(event, Evaluated) and event.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        charlm.train(book, run="a", runs_dir=tmp_path, listener=failing, **TINY)
    resumed = charlm.resume("a", runs_dir=tmp_path)
    straight = charlm.train(book, run="b", runs_dir=tmp_path, **TINY)
    assert same_weights(resumed, straight)
    assert [row["step"] for row in resumed.metrics()] == [2, 4, 6]


def test_a_text_from_python_is_kept_for_later(tmp_path: Path) -> None:
    text = TEXT + "a\nb\u2028c\x85d" * 5
    given = "\ufeff" + TEXT.replace("\n", "\r\n") + "a\rb\u2028c\x85d" * 5
    run = charlm.train(Corpus.from_text(given, "mine"), runs_dir=tmp_path, **TINY)
    assert run.name == "mine-lstm-1"
    loaded = charlm.load(run.path)
    assert loaded.evaluate(split="all").text == text
    assert loaded.evaluate().score.nats == pytest.approx(run.result["score"]["nats"], rel=NEAR)
    resumed = charlm.resume(run.path, max_steps=9)
    straight = charlm.train(Corpus.from_text(text), runs_dir=tmp_path, **{**TINY, "max_steps": 9})
    assert resumed.result["steps"] == straight.result["steps"] == 9
    last = [run.directory.load_last()[0] for run in (resumed, straight)]
    assert last[0].keys() == last[1].keys()


def test_a_text_from_standard_input_is_kept_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe(content: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))

    pipe(TEXT)
    run = charlm.train(
        "-", run="a", runs_dir=tmp_path, should_stop=iter([0, 0, 1]).__next__, **TINY
    )
    pipe("something else")
    resumed = charlm.resume("a", runs_dir=tmp_path)
    assert resumed.result["steps"] == 6
    assert resumed.evaluate(split="all").text == TEXT
    pipe(TEXT)
    straight = charlm.train("-", run="b", runs_dir=tmp_path, **TINY)
    assert same_weights(run, resumed)
    assert same_weights(resumed, straight)


def test_a_text_from_python_whose_normalization_lost_something_has_no_bits_per_byte(
    tmp_path: Path,
) -> None:
    whole = charlm.train(Corpus.from_text(TEXT), runs_dir=tmp_path, **TINY)
    lower = charlm.train(Corpus.from_text(TEXT, normalization="lower"), runs_dir=tmp_path, **TINY)
    assert whole.evaluate().bits_per_byte is not None
    assert lower.evaluate().bits_per_byte is None


# Generating


def test_generated_text_is_a_string_that_begins_with_the_prefix(trained: charlm.Run) -> None:
    text = trained.generate("The time ", length=30, seed=0)
    assert isinstance(text, str)
    assert text.startswith("The time ")
    assert len(text) == 9 + 30
    assert set(text) <= set(TEXT)
    assert trained.generate("The time ", length=0) == "The time "


def test_the_same_seed_draws_the_same_text(trained: charlm.Run) -> None:
    texts = [trained.generate("The ", length=40, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    unseeded = {trained.generate("The ", length=40) for _ in range(3)}
    assert len(unseeded) == 3


def test_a_stream_joins_to_the_text(trained: charlm.Run) -> None:
    for settings in ({}, {"stop": "e "}, {"temperature": 0.5, "top_k": 3}, {"min_p": 0.2}):
        pieces = list(trained.stream("The ", length=60, seed=3, **settings))
        assert pieces[0] == "The "
        assert len(pieces) > 3
        assert "".join(pieces) == trained.generate("The ", length=60, seed=3, **settings)


def test_samples_are_as_many_as_asked_for(trained: charlm.Run) -> None:
    texts = trained.samples("The ", length=30, seed=3, num_samples=4)
    assert len(set(texts)) == 4
    assert all(text.startswith("The ") and len(text) == 34 for text in texts)
    # However many there are, the first is the one that `generate` gives.
    assert texts[0] == trained.generate("The ", length=30, seed=3)
    assert texts[:2] == trained.samples("The ", length=30, seed=3, num_samples=2)
    assert len(trained.samples(length=5)) == 1


def test_without_a_prefix_the_model_begins_by_itself(trained: charlm.Run) -> None:
    text = trained.generate(length=25, seed=0)
    assert len(text) == 25
    assert text == trained.generate(length=25, seed=0)


def test_torch_and_numpy_write_the_same(trained: charlm.Run) -> None:
    from charlm.config import SamplingConfig
    from charlm.generation.torch_engine import TorchEngine

    ids = trained.vocabulary.encode("The ")
    config = SamplingConfig(length=50, seed=5)
    by_torch = stream_text(TorchEngine(trained.model()), trained.vocabulary, ids, config)
    assert "The " + "".join(by_torch) == trained.generate("The ", length=50, seed=5)


def test_a_prefix_with_unknown_characters_is_refused_replaced_or_thinned(
    trained: charlm.Run,
) -> None:
    with pytest.raises(UnknownCharacterError, match="'Ж', '7'"):
        trained.generate("tЖi7Жme", length=3)
    with pytest.raises(UnknownCharacterError):
        trained.samples("Ж", length=3)
    assert trained.generate("tЖime", length=3, unknown="skip").startswith("time")
    assert trained.generate("tЖime", length=3, unknown="replace").startswith("t\ufffdime")
    with pytest.raises(UsageError, match="Did you mean 'skip'"):
        trained.generate("tЖime", unknown="skipp")
    with pytest.raises(UsageError, match="prefix is empty"):
        trained.generate("Ж", unknown="skip")
    with pytest.raises(UsageError, match="prefix is empty"):
        trained.generate("")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temprature": 1.0}, "temprature is no setting"),
        ({"temperature": -1.0}, "temperature must be at least 0"),
        ({"length": -1}, "length must be"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"num_samples": 0}, "num_samples must be"),
    ],
    ids=str,
)
def test_sampling_settings_are_checked(
    settings: dict[str, Any], words: str, trained: charlm.Run
) -> None:
    with pytest.raises(SettingError, match=words):
        trained.generate("The ", **settings)
    with pytest.raises(SettingError, match=words):
        trained.samples("The ", **settings)


def test_a_prefix_is_normalized_as_the_text_was(book: Path, tmp_path: Path) -> None:
    run = charlm.train(book, runs_dir=tmp_path, normalize="letters", **TINY)
    assert run.directory.record.corpus["normalization"] == "letters"
    with pytest.warns(UserWarning, match="knows no ',', '1', '8', '9', '5', ':'.*as 'time '"):
        assert run.generate("TIME, 1895:", length=4, seed=1).startswith("time ")
    with pytest.raises(UnknownCharacterError, match=r"Nothing of the prefix is left.*'1', '8'"):
        charlm.train(book, runs_dir=tmp_path, normalize="letters-by-line", **TINY).generate("1895")


# Scoring


def test_a_split_is_scored_exactly(trained: charlm.Run) -> None:
    model = trained.model()
    spans = {"train": (0, 344), "val": (344, 394), "test": (394, 492), "all": (0, 492)}
    for split, (start, stop) in spans.items():
        evaluation = trained.evaluate(split=split)
        wanted = score(model, trained.vocabulary.encode(TEXT[start:stop]))
        assert wanted is not None
        assert (evaluation.split, evaluation.text) == (split, TEXT[start:stop])
        assert evaluation.score.characters == wanted.characters == stop - start - 1
        assert evaluation.score.nats == pytest.approx(wanted.nats, rel=1e-12)
        assert evaluation.bits_per_byte == pytest.approx(evaluation.score.bits_per_character)
    assert trained.evaluate().split == "test"
    assert trained.evaluate().score.nats == pytest.approx(trained.result["score"]["nats"], rel=NEAR)


def test_backends_score_alike(trained: charlm.Run) -> None:
    nats = [trained.evaluate(backend=each).score.nats for each in ("scratch", "builtin")]
    assert nats[0] == pytest.approx(nats[1], rel=NEAR)


def test_another_text_is_scored_as_a_whole(trained: charlm.Run, tmp_path: Path) -> None:
    text = "The time traveller was so expounding\nconvenient"
    path = tmp_path / "other.txt"
    path.write_text(text)
    from_file, from_text = trained.evaluate(path), trained.evaluate(Corpus.from_text(text))
    assert (from_file.split, from_text.split) == ("all", "all")
    assert (from_file.corpus, from_text.corpus) == ("other", "text")
    np.testing.assert_array_equal(from_file.surprise, from_text.surprise)
    assert from_file.score.characters == len(text) - 1
    assert trained.evaluate([path, path]).text == text + "\n" + text


def test_its_own_text_is_known_again_wherever_it_comes_from(
    trained: charlm.Run, tmp_path: Path
) -> None:
    path = tmp_path / "copy.txt"
    path.write_text(TEXT, encoding="utf-8")
    for source in (path, Corpus.from_text(TEXT)):
        assert trained.evaluate(source).split == "test"
        assert trained.evaluate(source, split="val").text == TEXT[344:394]


def test_splits_that_are_not_there_are_refused(
    trained: charlm.Run, book: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Did you mean 'test'"):
        trained.evaluate(split="tset")
    with pytest.raises(SettingError, match="split is for the text that the run was trained on"):
        trained.evaluate(Corpus.from_text("The time"), split="val")
    assert trained.evaluate(Corpus.from_text("The time"), split="all").score.characters == 7
    without = charlm.train(book, runs_dir=tmp_path, **TINY)
    with pytest.raises(UsageError, match="0 characters to score"):
        without.evaluate(split="test")


def test_a_text_of_fewer_than_two_characters_is_refused(
    trained: charlm.Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="1 character to score"):
        trained.evaluate(Corpus.from_text("T"))
    (tmp_path / "one.txt").write_text("T")
    with pytest.raises(UsageError, match="1 character to score"):
        trained.evaluate(tmp_path / "one.txt")
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(CorpusError, match="is empty"):
        trained.evaluate(tmp_path / "none.txt")


def test_unknown_characters_are_refused_replaced_or_left_out(trained: charlm.Run) -> None:
    corpus = Corpus.from_text("The ЖtЖime7")
    replaced = trained.evaluate(corpus)
    assert (replaced.unknown_characters, replaced.score.characters) == (3, 10)
    assert replaced.text == corpus.text
    assert replaced.bits_per_byte is None
    skipped = trained.evaluate(corpus, unknown="skip")
    assert (skipped.unknown_characters, skipped.text) == (3, "The time")
    np.testing.assert_array_equal(
        skipped.surprise, trained.evaluate(Corpus.from_text("The time")).surprise
    )
    with pytest.raises(UnknownCharacterError, match="'Ж', '7'"):
        trained.evaluate(corpus, unknown="error")
    with pytest.raises(UsageError, match="no policy"):
        trained.evaluate(corpus, unknown="forget")


def test_a_text_of_which_nothing_is_left_is_refused(trained: charlm.Run) -> None:
    for text in ("ЖЖЖЖ", "ЖtЖ"):
        with pytest.raises(UsageError, match=r"[01] characters? to score"):
            trained.evaluate(Corpus.from_text(text), unknown="skip")


def test_any_text_given_to_a_run_is_normalized_as_its_own_was(book: Path, tmp_path: Path) -> None:
    run = charlm.train(book, runs_dir=tmp_path / "runs", normalize="letters", **TINY)
    path = tmp_path / "other.txt"
    path.write_text("The TIME, 1895: traveller\n")
    from_file = run.evaluate(path)
    assert from_file.text == "the time traveller "
    assert from_file.bits_per_byte is None
    from_text = run.evaluate(Corpus.from_text(path.read_text()))
    assert from_text.text == from_file.text
    # The run's own text is its own in whatever form it comes.
    own = run.evaluate(Corpus.from_text(TEXT), split="val")
    assert own.text == run.evaluate(split="val").text


def test_a_text_that_has_changed_is_refused(book: Path, tmp_path: Path) -> None:
    run = charlm.train(book, runs_dir=tmp_path / "runs", **TINY)
    book.write_text(TEXT + "!")
    with pytest.raises(RunError, match="has changed since"):
        run.evaluate()
    book.unlink()
    with pytest.raises(RunError, match="cannot be read") as caught:
        run.evaluate()
    assert "charlm eval FILE" in caught.value.hint
    assert run.evaluate(Corpus.from_text("The time")).score.characters == 7


def test_the_model_is_a_torch_module_that_is_ready(trained: charlm.Run) -> None:
    model = trained.model()
    assert isinstance(model, torch.nn.Module)
    assert not model.training
    assert model.rnn.backend == choose_backend(trained.config)
    assert trained.model(backend="scratch").rnn.backend == "scratch"
    for name, weight in weights_of(trained).items():
        np.testing.assert_array_equal(model.weights()[name].numpy(), weight)


# Starting from another run


@pytest.fixture
def parent(tmp_path: Path, book: Path) -> charlm.Run:
    return charlm.train(
        book, run="parent", runs_dir=tmp_path / "runs", cell="lstm", normalize="lower", **TINY
    )


WITHOUT_MODEL = {
    name: value for name, value in TINY.items() if name not in ("hidden_size", "embedding_size")
}


def test_a_child_inherits_weights_vocabulary_and_normalization(
    parent: charlm.Run, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("IT WAS SO CONVENIENT to speak with him. " * 8)
    child = charlm.train(
        other,
        runs_dir=tmp_path / "runs",
        init_from="parent",
        should_stop=lambda: True,
        **WITHOUT_MODEL,
    )
    assert child.config == parent.config
    assert child.vocabulary == parent.vocabulary
    assert child.directory.record.parent == "parent"
    assert child.directory.record.corpus["normalization"] == "lower"
    assert same_weights(child, parent)
    resumed = charlm.resume(child.path)
    assert resumed.result["steps"] == 6
    assert not same_weights(resumed, parent)


def test_a_child_is_named_after_the_cell_that_it_has(parent: charlm.Run, tmp_path: Path) -> None:
    child = charlm.train(
        Corpus.from_text("time " * 30, "more"),
        runs_dir=tmp_path / "runs",
        init_from=parent.path,
        **WITHOUT_MODEL,
    )
    assert child.name == "more-lstm-1"


def test_a_child_may_have_other_dropouts_and_nothing_else(
    parent: charlm.Run, book: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"runs_dir": tmp_path / "runs", "init_from": "parent", **WITHOUT_MODEL}
    child = charlm.train(book, weight_drop=0.5, cell="lstm", hidden_size=6, **how)
    assert child.config.weight_drop == 0.5
    before = sorted((tmp_path / "runs").iterdir())
    for name, value in (("cell", "gru"), ("hidden_size", 7), ("embedding_size", 0),
                        ("num_layers", 2), ("tie_weights", True)):  # fmt: skip
        with pytest.raises(SettingError, match=f"{name} is .* in the run 'parent'"):
            charlm.train(book, **{name: value}, **how)
    assert sorted((tmp_path / "runs").iterdir()) == before


def test_a_child_says_which_characters_its_parent_never_saw(
    parent: charlm.Run, tmp_path: Path
) -> None:
    heard = Heard()
    corpus = Corpus.from_text("time and Ж time and § " * 12, normalization="lower")
    child = charlm.train(
        corpus,
        runs_dir=tmp_path / "runs",
        init_from="parent",
        listener=heard,
        **WITHOUT_MODEL,
    )
    train_notice, held_out_notice = heard.notices
    assert "'ж', '§'" in train_notice
    assert "the vocabulary of 'parent'" in train_notice
    assert "held-out split (val)" in held_out_notice
    assert child.vocabulary == parent.vocabulary
    assert child.result["steps"] == 6


def test_a_normalization_that_is_asked_for_is_never_ignored(tmp_path: Path) -> None:
    """A Corpus brings its own; to ask for another one is done, or refused."""
    try:
        run = charlm.train(Corpus.from_text(TEXT), runs_dir=tmp_path, normalize="lower", **TINY)
    except UsageError:
        assert not list(tmp_path.glob("text-*"))
        return
    assert run.directory.record.corpus["normalization"] == "lower"
    assert "T" not in run.vocabulary


# The package


def test_the_package_offers_what_it_says() -> None:
    for name in charlm.__all__:
        assert getattr(charlm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = charlm.trian


def test_importing_the_package_imports_no_torch() -> None:
    program = "import sys, charlm; charlm.load; charlm.Corpus; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False\n", "")


# d2l.ai


def test_the_preset_d2l_trains_on_ten_thousand_letters(time_machine: Path, tmp_path: Path) -> None:
    run = charlm.train(time_machine, preset="d2l", epochs=2, runs_dir=tmp_path)
    record = run.directory.record
    assert record.corpus["normalization"] == "letters-by-line"
    assert record.corpus["characters"] == 170_580
    assert record.splits["train"] == [0, 10_000]
    # Letters and the space; of d2l's 28 only these 27 and <unk> there are.
    assert len(run.vocabulary) == 28
    assert (record.train["batch_size"], record.train["seq_length"]) == (32, 35)
    assert (run.config.hidden_size, run.config.embedding_size) == (256, 0)
    assert run.result["steps"] in (16, 17)  # 8 windows an epoch, or 9 at a small offset
    assert "score" not in run.result
    assert run.evaluate().split == "train"
    assert 10 < run.result["train_perplexity"] < 28


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({"cell": "gru", "reset_after": False, "backend": "scratch"}, 1.15),
        ({"cell": "gru", "backend": "builtin"}, 1.1),
        ({"cell": "lstm", "backend": "builtin"}, 1.1),
    ],
    ids=str,
)
def test_the_preset_d2l_reaches_the_perplexity_of_the_book(
    settings: dict[str, Any], bound: float, time_machine: Path, tmp_path: Path
) -> None:
    """Chapter 10: about 1.1 for the GRU from scratch, 1.0 for the built-in one."""
    run = charlm.train(time_machine, preset="d2l", runs_dir=tmp_path, eval_every=1000, **settings)
    assert run.directory.record.status == "done"
    assert run.result["train_perplexity"] <= bound


def test_along_the_way_less_is_scored_and_at_the_end_all(book: Path, tmp_path: Path) -> None:
    few = charlm.train(book, runs_dir=tmp_path, eval_characters=20, **TINY)
    every = charlm.train(book, runs_dir=tmp_path, **TINY)
    held_out = few.directory.spans.size("val")
    assert all(row["characters"] == 19 for row in few.metrics())
    assert few.result["score"]["characters"] == held_out - 1
    assert few.evaluate().score.nats == pytest.approx(few.result["score"]["nats"], rel=NEAR)
    assert all(row["characters"] == held_out - 1 for row in every.metrics())
