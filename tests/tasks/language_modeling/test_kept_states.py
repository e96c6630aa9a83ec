"""What a model knows after a prefix is kept with the run, and believed only if it is this run's."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charlm
from charlm.errors import CharlmError, RunError, SettingError, UsageError
from charlm.files.reading import load_arrays
from charlm.files.whole import save_arrays
from charlm.generation.torch_engine import TorchEngine
from charlm.tasks.language_modeling.kept_states import names
from charlm.tasks.language_modeling.writing import Writer

TEXT = charlm.Corpus.from_text("It was the best of times, it was the worst of times.\n" * 40, "a")
SMALL: dict[str, Any] = {"hidden_size": 8, "max_steps": 4, "precision": "fp32"}
LONG = "It was the worst. " * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    charlm.train(TEXT, run="one", runs_dir=folder, cell="lstm", num_layers=2, **SMALL)
    charlm.train(TEXT, run="other", runs_dir=folder, cell="lstm", num_layers=2, seed=1, **SMALL)
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> charlm.Run:
    shutil.copytree(folder / "one", tmp_path / "one")
    return charlm.load("one", runs_dir=tmp_path)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_samples": 3},
    {"best_of": 4},
    {"ban": ["it", "was t"]},
    {"repetition_penalty": 1.5, "repetition_window": 10},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_text_goes_on_as_if_the_prefix_were_read(
    run: charlm.Run, settings: dict[str, Any]
) -> None:
    how = {"length": 40, "seed": 3, **settings}
    run.save_state("book", LONG)
    assert [LONG + text for text in run.samples(from_state="book", **how)] == run.samples(
        LONG, **how
    )
    more = run.samples("It was t", from_state="book", **how)
    assert [LONG + text for text in more] == run.samples(LONG + "It was t", **how)
    each = list(run.generate_each(["It", "w", "the best"], from_state="book", **how))
    alone = [run.samples(prefix, from_state="book", **how) for prefix in ("It", "w", "the best")]
    assert each == alone


def test_beams_go_on_from_a_state(run: charlm.Run) -> None:
    run.save_state("book", LONG)
    how: dict[str, Any] = {"length": 10, "beams": 5, "ban": "e"}
    assert LONG + run.generate(from_state="book", **how) == run.generate(LONG, **how)


def test_a_state_goes_on_from_a_state_and_between_engines(run: charlm.Run) -> None:
    run.save_state("a", "It was ")
    run.save_state("b", "the best", from_state="a")
    assert names(run.language) == ["a", "b"]
    whole = run.generate("It was the best", length=30, seed=1)
    assert "It was the best" + run.generate(from_state="b", length=30, seed=1) == whole
    by_torch = Writer(run.language, TorchEngine(run.model()), from_state="b")  # type: ignore[arg-type]
    config = by_torch.config(charlm.config.SamplingConfig(length=30, seed=1))
    assert "It was the best" + "".join(next(by_torch.texts(config))) == whole


def test_a_state_that_has_the_name_is_replaced(run: charlm.Run) -> None:
    run.save_state("a", "It was ")
    run.save_state("a", "of times")
    how: dict[str, Any] = {"length": 20, "seed": 1}
    assert "of times" + run.generate(from_state="a", **how) == run.generate("of times", **how)


def test_one_of_other_weights_is_refused(run: charlm.Run, folder: Path) -> None:
    other = charlm.load("other", runs_dir=folder)
    other.save_state("theirs", LONG)
    (run.path / "states").mkdir()
    shutil.copy(other.path / "states" / "theirs.safetensors", run.path / "states")
    with pytest.raises(RunError, match="'theirs' is of other weights than those of 'one'"):
        run.generate(from_state="theirs")
    # So it is if the run was trained on since.
    run.save_state("mine", LONG)
    file = run.path / "best" / "model"
    weights = load_arrays(file)
    weights["output.bias"] = weights["output.bias"] + 1
    save_arrays(file, weights)
    with pytest.raises(RunError, match="of other weights"):
        charlm.load(run.path).generate(from_state="mine")


def test_damaged_ones_are_refused(run: charlm.Run) -> None:
    run.save_state("a", LONG)
    file = run.path / "states" / "a.safetensors"
    whole = load_arrays(file)
    for name, changed in (
        ("logits", whole["logits"][:, 1:]),
        ("logits", whole["logits"] * np.nan),
        ("state_0", whole["state_0"][:1]),
        ("state_1", whole["state_1"][..., 1:]),
        ("context", whole["context"] + 1000),
        ("context", -whole["context"]),
        ("context", whole["context"][:0]),
        ("context", whole["context"].astype(np.float32)),
        ("state_2", whole["state_1"]),
    ):
        save_arrays(file, {**whole, name: changed})
        with pytest.raises(RunError, match=r"a\.safetensors' is damaged"):
            run.generate(from_state="a")
    save_arrays(file, {name: each for name, each in whole.items() if name != "state_1"})
    with pytest.raises(RunError, match="is damaged"):
        run.generate(from_state="a")
    content = b"cos\nsystem\n(S'exit 1'\ntR."
    for each in (b"", content, file.read_bytes()[:-9]):
        file.write_bytes(each)
        with pytest.raises(RunError, match=r"is damaged.*Read its prefix again"):
            run.generate(from_state="a")


def test_names(run: charlm.Run) -> None:
    with pytest.raises(UsageError, match=r"keeps no state called 'a'\..*--save-state"):
        run.generate(from_state="a")
    run.save_state("book-1.5", LONG)
    run.save_state("کتاب", LONG)
    with pytest.raises(UsageError, match=r"Did you mean 'book-1\.5'"):
        run.generate(from_state="book-1")
    for name in ("", "../a", "a/b", "CON", ".a", "a."):
        with pytest.raises(UsageError, match="cannot be a state's name"):
            run.save_state(name, LONG)
        with pytest.raises(UsageError, match="cannot be a state's name"):
            run.generate(from_state=name)
    with pytest.raises(CharlmError, match="unknown is about a prefix"):
        run.generate(from_state="book-1.5", unknown="skip")


def test_a_run_is_deleted_with_its_states(run: charlm.Run) -> None:
    from charlm.runs.deletion import delete_run

    run.save_state("a", LONG)
    delete_run(run.path)
    assert not run.path.exists()


# A writer


def test_a_writer_carries_on_what_was_shown(run: charlm.Run) -> None:
    writer = run.writer()
    config = writer.config(charlm.config.SamplingConfig(length=30, seed=2, stop="wo"))
    read = writer.read("It was")
    first = "".join(writer.write(config))
    read += first + writer.read(" the")
    assert read + "".join(writer.write(config)) == run.generate(read, length=30, seed=2, stop="wo")
    # One that is not read to its end counts as far as it was.
    writer = run.writer()
    writer.read("It was")
    text = writer.write(config)
    part = next(text) + next(text)
    text.close()
    rest = "".join(writer.write(config))
    assert "It was" + part + rest == run.generate("It was" + part, length=30, seed=2, stop="wo")


def test_a_writer_begins_by_itself_and_writes_one_text(run: charlm.Run) -> None:
    writer = run.writer()
    with pytest.raises(UsageError, match="nothing was read yet"):
        writer.save_state("a")
    config = charlm.config.SamplingConfig(length=20, seed=1)
    assert "".join(writer.write(config)) == run.generate(length=20, seed=1)
    with pytest.raises(SettingError, match="num_samples must be 1"):
        next(writer.write(charlm.config.SamplingConfig(num_samples=2)))
