"""Training on a large text and scoring it: the same numbers as of a small one, bit for bit."""

import json
from pathlib import Path
from typing import Any

import large_text
import numpy as np
import pytest
from cli_runner import charlm

import charlm as package
from charlm.text.corpus import open_corpus
from charlm.text.large import LargeCorpus

NET = ("--hidden-size", "8", "--num-layers", "1", "--embedding-size", "4", "--max-steps", "6")
OPTIONS = (*NET, "--batch-size", "4", "--seq-length", "16", "--eval-characters", "300", "-q")


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(tmp_path / "runs"))
    path = tmp_path / "big.txt"
    content = next(large_text.blocks(1, mixed=True))[:60_000].decode("utf-8", "ignore")
    path.write_bytes(content.replace("\n", "\r\n").encode())
    return path


def run(*arguments: str) -> Any:
    done = charlm(*arguments)
    assert done.code == 0, done.err
    return done


def record(path: Path) -> dict[str, Any]:
    """What a run says of itself, but for its name and its times."""
    told = json.loads((path / "run.json").read_text("utf-8"))
    for name in ("name", "created"):
        del told[name]
    for name in ("seconds", "peak_memory"):
        del told["result"][name]
    return dict(told)


@pytest.mark.parametrize(
    "more",
    [
        ("--min-count", "30", "--train-characters", "9000", "--random-lengths"),
        ("--units", "words", "--test-fraction", "0.2"),
        pytest.param((), marks=pytest.mark.slow),
        pytest.param(("--units", "bytes"), marks=pytest.mark.slow),
        pytest.param(("--normalize", "letters", "--sampling", "random"), marks=pytest.mark.slow),
    ],
)
def test_a_large_text_trains_the_same_net(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    run("train", str(text), "--run", "small", *OPTIONS, *more)
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000")
    run("train", str(text), "--run", "large", *OPTIONS, *more)
    small, large = (tmp_path / "runs" / name for name in ("small", "large"))
    for name in ("vocabulary.json", "best/model.safetensors", "last/training.safetensors"):
        assert (small / name).read_bytes() == (large / name).read_bytes(), name
    assert record(small) == record(large)
    assert (tmp_path / "cache" / "prepared").is_dir()
    # Each scores what the other was trained on as its own, and another text too.
    other = tmp_path / "other.txt"
    other.write_text(text.read_text("utf-8")[5000:20_000] + "Ω unknown", encoding="utf-8")
    for given in ((), (str(text),), (str(other),)):
        scored = run("eval", *given, "--run", "small", "--json").json
        monkeypatch.delenv("CHARLM_LARGE_TEXT")
        expected = run("eval", *given, "--run", "small", "--json").json
        monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000")
        assert scored == expected
    # Resumed from memory, it goes on as from the map.
    for name in ("small", "large"):
        run("train", "--resume", name, "--max-steps", "9", "-q")
        monkeypatch.delenv("CHARLM_LARGE_TEXT", raising=False)
    assert (small / "last/training.safetensors").read_bytes() == (
        large / "last/training.safetensors"
    ).read_bytes()


def test_commands_about_a_text(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [
        ("corpus", "show", str(text), "--json"),
        ("vocab", str(text), "--json"),
        ("vocab", str(text), "--units", "words", "--json"),
        ("vocab", str(text), "--units", "bytes", "--json"),
    ]
    small = [run(*each).json for each in commands]
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000")
    assert [run(*each).json for each in commands] == small
    assert run("corpus", "prepared", "--json").json["texts"]
    assert "big.txt" in run("corpus", "prepared").out
    run("corpus", "prepared", "--delete")
    assert run("corpus", "prepared", "--json").json["texts"] == []


def test_what_a_large_text_is_refused_for(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, which says what to do."""
    run("train", str(text), "--run", "a", *OPTIONS)
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000")
    refused = {
        ("eval", "--per-line"): "too large to be scored line by line",
        ("eval", "--dynamic"): "too large for --dynamic",
        ("eval", "--calibrate"): "too large for --calibrate",
        ("inspect", "surprise"): "too large to be held in memory",
        ("inspect", "copying"): "too large to be held in memory",
    }
    for command, said in refused.items():
        done = charlm(*command, "--run", "a")
        assert done.code in (1, 2), command
        assert said in done.err
        assert "Traceback" not in done.err
    cut = text.with_name("cut.txt")
    cut.write_text("Ωmega " * 400, encoding="utf-8")
    for policy, said in (("error", "lacks"), ("skip", "too large to leave out")):
        done = charlm("eval", str(cut), "--run", "a", "--unknown", policy)
        assert done.code in (1, 2)
        assert said in done.err


def test_from_python(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000")
    corpus = open_corpus(text)
    assert isinstance(corpus, LargeCorpus)
    made = package.train(corpus, hidden_size=8, max_steps=2, batch_size=2, seq_length=8)
    scored = made.evaluate(corpus, split="val")
    assert scored.score.tokens == corpus.characters - made.language.spans.val[0] - 1
    assert np.isfinite(scored.interval.value)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """Of a text of 200 MB no more is held than of one of 70 MB, give or take what is mapped."""
    import os

    peaks = []
    for size in (70, 200):
        path = tmp_path / f"{size}.txt"
        large_text.make_text(path, size * 1_000_000)
        environment = {**os.environ, "CHARLM_CACHE_DIR": str(tmp_path / "cache")}
        told = large_text.measured(["corpus", "show", str(path)], environment)
        assert told["code"] == 0
        peaks.append(told["peak"])
    assert peaks[1] < peaks[0] + 50_000_000
