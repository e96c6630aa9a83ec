"""Runs that a stranger made, or a newer charlm: refused in one sentence, or safely used."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command

import charlm
from charlm.errors import RunError
from charlm.files.reading import load_arrays
from charlm.files.whole import save_arrays
from charlm.runs import versions
from charlm.runs.deletion import delete_run
from charlm.runs.versions import release

OLD = Path(__file__).parent / "old_formats"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose files may be changed."""
    shutil.copytree(OLD / "plateau", tmp_path / "runs" / "r")
    return tmp_path / "runs" / "r"


def change(run: Path, **values: Any) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **values}))


def refused(run: Path, problem: str) -> str:
    """Its sentence; every command says the same, without a traceback."""
    with pytest.raises(RunError, match=problem) as caught:
        charlm.load(run).model()
    for words in (["eval", "--run"], ["generate", "--run"], ["runs", "show"]):
        said = command(*words, str(run))
        # What stands in run.json is shown if that is as it should be.
        assert said.code == 1 or words == ["runs", "show"], said
    assert command("runs", "list", "--runs-dir", str(run.parent)).code == 0
    return str(caught.value)


# Newer and older versions


def test_a_newer_format_names_its_version(run: Path) -> None:
    change(run, format=2, charlm="7.1.0")
    assert "made by charlm 7.1.0, newer than this one" in refused(run, "format 2")
    # Whatever else such a file holds, or lacks.
    (run / "run.json").write_text('{"format": 99, "charlm": "8.0"}')
    assert "charlm 8.0, newer" in refused(run, "format 99")
    (run / "run.json").write_text('{"format": 99, "task": {"is": ["another"]}}')
    assert "Upgrade charlm" in refused(run, "made by a newer charlm than this one")


def test_an_older_format_names_its_version(run: Path) -> None:
    change(run, format=0, charlm="0.0.3")
    assert "Use the charlm that made it." in refused(run, r"charlm 0.0.3, too old for this one")


@pytest.mark.parametrize(
    "values",
    [
        {"sparkle": 1},
        {"splits": {"train": [0, 1], "holdout": [1, 2]}},
        {"parameters": "many"},
        {"data": {"units": "syllables"}},
        {"model": {"cell": "xlstm", "hidden_size": 3, "num_layers": 1, "vocabulary_size": 20}},
    ],
)
def test_what_is_not_understood_of_a_newer_one_is_not_called_damaged(
    run: Path, values: dict[str, Any]
) -> None:
    change(run, charlm="3.0.0", **values)
    sentence = refused(run, "made by charlm 3.0.0, newer than this one")
    assert "damaged" not in sentence
    assert "Upgrade charlm" in sentence


def test_the_version_that_wrote_last_counts_too(run: Path) -> None:
    """A run of this version that a newer one has gone on with."""
    change(run, written_by="3.0.0", new=1)
    refused(run, "made by charlm 3.0.0, newer than this one")


def test_unknown_entries_and_settings_of_the_same_version(run: Path) -> None:
    """As of what was not released yet."""
    change(run, new=1)
    refused(run, "which knows more than this one .* it says 'new'")
    shutil.copy(OLD / "plateau" / "run.json", run / "run.json")
    train = json.loads((run / "run.json").read_text())["train"]
    change(run, train={**train, "sparkle": 3})
    refused(run, "which knows more than this one .* sparkle is a setting")


def test_what_a_newer_charlm_will_write_is_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the other direction: this version's runs, as a later one sees them."""
    directory = charlm.load(run).directory
    monkeypatch.setattr(versions, "__version__", "9.0.0")
    directory.update(status="done")
    assert charlm.load(run).directory.record.written_by == charlm.__version__
    change(run, parameters="many")
    refused(run, "is damaged")  # since it is an older one's


def test_releases_are_compared_by_their_numbers() -> None:
    assert release("0.10.0") > release("0.9.9") > release("0.9") > release("x") == ()
    assert release("1.2.dev3+cpu") == (1, 2)


# Links, and what is no file


FILES = ["run.json", "vocabulary.json", "metrics.jsonl", "best/model.safetensors", "best", "last"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", ["/dev/zero", "/etc", "{}/outside", "../../outside"])
def test_links_that_lead_out(run: Path, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "outside").mkdir()
    place = run / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    os.symlink(target.format(tmp_path), place)  # noqa: PTH211
    with pytest.raises(RunError, match="is a link that leads out of the run"):
        charlm.load(run)
    with pytest.raises(RunError, match="is a link that leads out of the run"):
        charlm.resume(run, max_steps=20)
    # Deleting deletes the link, and nothing that it leads to.
    (tmp_path / "outside" / "mine").write_text("kept")
    delete_run(run)
    assert not run.exists()
    assert (tmp_path / "outside" / "mine").read_text() == "kept"


def test_a_run_may_be_a_link_and_links_within_it_are_followed(run: Path, tmp_path: Path) -> None:
    (run / "metrics.jsonl").rename(run / "rows")
    (run / "metrics.jsonl").symlink_to("rows")
    (tmp_path / "link").symlink_to(run)
    assert charlm.load(tmp_path / "link").metrics()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["run.json", "vocabulary.json", "best/model.safetensors"])
def test_pipes_are_not_waited_for(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    refused(run, "is no regular file")


@pytest.mark.parametrize("name", ["run.json", "vocabulary.json", "best/model.safetensors"])
def test_folders_and_holes_in_place_of_files(run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).mkdir()
    refused(run, "is a folder")
    (run / name).rmdir()
    with (run / name).open("wb") as file:
        file.truncate(5 << 30)
    refused(run, "at most|header")


# Settings and weights


def test_sizes_are_refused_before_anything_is_made(run: Path) -> None:
    model = json.loads((run / "run.json").read_text())["model"]
    for name in ("hidden_size", "num_layers", "embedding_size"):
        change(run, model={**model, name: 10**9})
        refused(run, "not this model's")
    change(run, model={**model, "vocabulary_size": 10**9})
    refused(run, "belongs to another run")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(run: Path, value: float) -> None:
    weights = load_arrays(run / "best" / "model")
    weights["output.bias"][3] = value
    save_arrays(run / "best" / "model", weights)
    refused(run, "output.bias holds NaN or infinity")


def test_large_weights_are_used_or_refused(run: Path) -> None:
    weights = load_arrays(run / "best" / "model")
    save_arrays(run / "best" / "model", {n: np.full_like(w, 1e30) for n, w in weights.items()})
    for words in (["eval"], ["generate", "--length", "5"]):
        said = command(*words, "--run", str(run))
        assert said.code in (0, 1)
        assert "Traceback" not in said.err


# Where the data lie


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("imdb", "is not downloaded"),
        ("/dev/zero", "no regular file"),
        ("relative.txt", "no place that a run can name"),
        ("~root/x", "no place that a run can name"),
        ("/no/such/*.txt", "no such file"),
        ("a\0b", "no place that a run can name"),
        ("\x1b[2J", "no place that a run can name"),
    ],
)
def test_what_is_read_on_a_runs_word(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, problem: str
) -> None:
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    (run / "corpus.txt").unlink()
    corpus = json.loads((run / "run.json").read_text())["corpus"]
    change(run, corpus={**corpus, "source": [place]})
    for words in (["eval", "--run"], ["train", "--max-steps", "20", "--resume"]):
        said = command(*words, str(run))
        assert said.code == 1
        assert problem in said.err
        assert "\x1b" not in said.err
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_not_the_text_is_told_nothing_of(run: Path, tmp_path: Path) -> None:
    (run / "corpus.txt").unlink()
    (tmp_path / "secret").write_text("secret words\n" * 10)
    corpus = json.loads((run / "run.json").read_text())["corpus"]
    change(run, corpus={**corpus, "source": [str(tmp_path / "secret")]})
    said = command("eval", "--run", str(run))
    assert "has changed since" in said.err
    assert "secret words" not in said.err + said.out


# What is printed

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


@pytest.mark.parametrize("columns", [None, 60, 200])
def test_names_in_files_drive_no_terminal(run: Path, columns: int | None) -> None:
    record = json.loads((run / "run.json").read_text())
    record["corpus"]["name"] = record["device"] = record["backend"] = ESCAPES
    record |= {"status": ESCAPES, "created": ESCAPES, "name": ESCAPES, "parent": ESCAPES}
    record["given"] = record["changes"] = {}
    change(run, **{**record, "given": {ESCAPES: ESCAPES}, "changes": [{ESCAPES: ESCAPES}]})
    folder = ("--runs-dir", str(run.parent))
    for words in (["list"], ["show", "r"], ["show", "r", "--json"], ["show", "r", "--toml"]):
        said = command("runs", *words, *folder, columns=columns)
        assert said.code == 0, said.err
        written = said.out + said.err
        assert not set(written.replace("\x1b[1m", "").replace("\x1b[0m", "")) & set("\x1b\x07\x9b")


def test_a_link_to_itself(run: Path) -> None:
    (run / "corpus.txt").unlink()
    (run / "corpus.txt").symlink_to("corpus.txt")
    for words in (["eval", "--run"], ["runs", "show", "--toml"], ["train", "--resume"]):
        said = command(*words, str(run))
        assert said.code in (0, 1), said.err
