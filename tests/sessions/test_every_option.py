"""Each setting in each situation changes what comes out, or is an error that names it.

What comes out is all that is on the disk, but for the settings themselves and the clock. The value
that a setting is given differs from the situation's own.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file

import charlm
from charlm.errors import RunError, SettingError, TrainingError
from charlm.keywords import LimitKeywords
from charlm.presets import PRESETS, SECTIONS, setting_names
from charlm.rnn.cells import CELLS
from charlm.rnn.weights import NOT_RECURRENT
from charlm.sessions.session import Chosen
from charlm.tasks.language_modeling import dataset

NAMES = setting_names()

TEXT = "The time traveller smiled round at us. Then, still smiling faintly, he went. " * 9 + "é§"
# Scores that go up and down, so that patience and averages have something to do.
BASE: dict[str, Any] = {
    "hidden_size": 5,
    "embedding_size": 4,
    "batch_size": 3,
    "seq_length": 7,
    "max_steps": 12,
    "eval_every": 1,
    "learning_rate": 8.0,
    "ema_decay": 0.0,
    "precision": "fp32",
}
VALUES: dict[str, Any] = {
    "units": "words",
    "documents": ". ",
    "max_vocabulary": 5,
    "grow_vocabulary": True,
    "normalize": "lower",
    "encoding": "latin-1",
    "min_count": 12,
    "val_fraction": 0.3,
    "test_fraction": 0.2,
    "val_characters": 20,
    "train_characters": 300,
    "cell": "minlstm",
    "hidden_size": 6,
    "num_layers": 3,
    "embedding_size": 3,
    "tie_weights": True,
    "reset_after": False,
    "capped_gate": False,
    "layer_norm": True,
    "mogrifier_rounds": 2,
    "mogrifier_rank": 3,
    "input_dropout": 0.5,
    "dropout": 0.5,
    "output_dropout": 0.4,
    "weight_drop": 0.4,
    "zoneout": 0.5,
    "batch_size": 2,
    "seq_length": 5,
    "sampling": "random",
    "random_lengths": True,
    "reset_probability": 0.5,
    "optimizer": "adam",
    "learning_rate": 0.25,
    "schedule": "cosine",
    "plateau_patience": 1,
    "plateau_factor": 0.1,
    "min_learning_rate": 0.6,
    "warmup_steps": 30,
    "weight_decay": 0.3,
    "momentum": 0.5,
    "activation_penalty": 2.0,
    "temporal_penalty": 2.0,
    "ema_decay": 0.5,
    "average_after": 1,
    "clip_norm": 0.01,
    "initialization": "normal",
    "epochs": 1,
    "max_steps": 9,
    "max_minutes": 1e-9,
    "eval_every": 5,
    "eval_characters": 9,
    "patience": 1,
    "precision": "bf16",
    "cuda_graphs": True,
    "seed": 7,
}
SITUATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one layer of an lstm": {"cell": "lstm", "capped_gate": False},
    "rnn": {"cell": "rnn"},
    "mogrifier": {"cell": "mogrifier", "capped_gate": False},
    "mogrifier in no rounds": {"cell": "mogrifier", "capped_gate": False, "mogrifier_rounds": 0},
    "mingru": {"cell": "mingru", "learning_rate": 6.0},
    "two layers": {"num_layers": 2},
    "one-hot": {"embedding_size": 0},
    "sgd": {"optimizer": "sgd", "learning_rate": 60.0},
    "plateau": {
        "schedule": "plateau",
        "plateau_patience": 2,
        "learning_rate": 2.0,
        "warmup_steps": 0,
        "val_fraction": 0.2,
    },
    "shuffled windows": {"sampling": "random"},
    "windows of one step": {"seq_length": 1, "batch_size": 20},
    "nothing held out": {"val_fraction": 0.0},
    "only a test split": {"val_fraction": 0.0, "test_fraction": 0.1},
    "from another run": {"init_from": "parent", "schedule": "constant", "learning_rate": 4.0},
}
# The other situations take minutes.
OFTEN = ("plain", "nothing held out", "from another run")
# Alone, these do not change what is done in so short a run, however much they count elsewhere.
LONGER = {
    "epochs": {"max_steps": None},
    "max_minutes": {"max_steps": None},
    # Else there is nothing that the other run's vocabulary lacks.
    "grow_vocabulary": {"val_fraction": 0.0},
}
BY_SITUATION = [
    each if each in OFTEN else pytest.param(each, marks=pytest.mark.slow) for each in SITUATIONS
]


def left_by(run: charlm.Run) -> Any:
    """All that training left, but for settings, names and the clock."""
    clock = {"seconds", "characters_per_second"}
    rows = [{n: v for n, v in row.items() if n not in clock} for row in run.metrics()]
    arrays = {
        f"{path.relative_to(run.path)} {name}": (each.shape, each.tobytes())
        for path in sorted(run.path.rglob("*.safetensors"))
        for name, each in load_file(path).items()
    }
    record = run.directory.record
    return rows, arrays, record.splits, record.status, run.vocabulary.entries


def train(folder: Path, situation: str, **settings: Any) -> charlm.Run:
    values = {**BASE, **SITUATIONS[situation], **settings}
    if "init_from" in values:
        # The parent decides these.
        values = {n: v for n, v in values.items() if n not in ("hidden_size", "embedding_size")}
        values |= {n: v for n, v in settings.items() if n not in BASE or v != BASE[n]}
    return charlm.train(folder / "book.txt", runs_dir=folder / "runs", **values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    (folder / "book.txt").write_text(TEXT, encoding="utf-8")
    charlm.train(folder / "book.txt", run="parent", runs_dir=folder / "runs", **BASE)
    return folder


@pytest.fixture(scope="module")
def before(folder: Path) -> dict[str, Any]:
    """What situations leave by themselves, filled as they are met."""
    return {}


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "baselines", lambda *_: {})


def test_every_setting_has_a_value_here() -> None:
    assert VALUES.keys() == NAMES.keys()


@pytest.mark.parametrize("situation", BY_SITUATION)
@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_used_or_an_error_that_names_it(
    name: str, situation: str, folder: Path, before: dict[str, Any]
) -> None:
    if situation not in before:
        before[situation] = left_by(train(folder, situation))
    value = VALUES[name]
    if SITUATIONS[situation].get(name) == value:
        usual = BASE.get(name, getattr(SECTIONS[NAMES[name]], name))
        value = not value if isinstance(value, bool) else usual
    try:
        run = train(folder, situation, **{name: value}, **LONGER.get(name, {}))
    except SettingError as error:
        # What the situation asked for by name may be what no longer does anything.
        assert error.setting in (name, *SITUATIONS[situation])
    except TrainingError:
        pass  # At rates as high as here it diverges by this setting, as it did not before.
    else:
        assert left_by(run) != before[situation]


@pytest.mark.slow
@pytest.mark.parametrize("split", [0.1, 0.0], ids=["held out", "nothing held out"])
@pytest.mark.parametrize("name", NAMES)
def test_on_resume_a_setting_is_used_or_an_error_that_names_it(
    name: str, split: float, tmp_path: Path
) -> None:
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    runs = []
    for run in ("a", "b"):
        asked = iter([False] * 12)
        charlm.train(
            tmp_path / "book.txt",
            run=run,
            runs_dir=tmp_path,
            val_fraction=split,
            should_stop=lambda asked=asked: next(asked, True),  # type: ignore[misc]
            **BASE,
        )
        changes = {name: VALUES[name]} if run == "b" else {}
        try:
            runs.append(charlm.resume(run, runs_dir=tmp_path, **changes))
        except SettingError as error:
            assert error.setting == name
            assert name not in LimitKeywords.__annotations__ or not split
            return
        except RunError:
            assert name == "encoding"  # the text is another one
            return
    assert name in LimitKeywords.__annotations__
    assert left_by(runs[0]) != left_by(runs[1])


def test_cells_without_a_recurrent_matrix_are_known() -> None:
    assert set(NOT_RECURRENT) == {
        name for name, cell in CELLS.items() if "U" not in cell().weight_shapes(1, 1)
    }


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("situation", BY_SITUATION)
def test_what_only_a_preset_says_is_never_refused(
    preset: str, situation: str, folder: Path
) -> None:
    values = {"max_steps": 1, "seq_length": 5, "batch_size": 2, **SITUATIONS[situation]}
    if "init_from" not in values:
        values["hidden_size"] = 5
    if preset == "large" and "num_layers" not in values and "init_from" not in values:
        values["num_layers"] = 2
    charlm.train(folder / "book.txt", preset=preset, runs_dir=folder / "runs", **values)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("situation", BY_SITUATION)
def test_the_presets_line_is_true(
    preset: str, situation: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every option in it stands in the record as it says, and given by name it is not refused."""
    values = {"max_steps": 1, "seq_length": 5, "batch_size": 2, **SITUATIONS[situation]}
    if "init_from" not in values:
        values["hidden_size"] = 5
    heard: list[Any] = []
    run = charlm.train(
        folder / "book.txt",
        preset=preset,
        runs_dir=folder / "runs",
        listener=heard.append,
        **values,
    )
    # What is better for a small text stands in a line of its own, and goes before.
    lines = [each.text for each in heard if isinstance(each, Chosen)]
    assert [line.split()[0] for line in lines] in (["Preset"], ["Preset", "For"])
    words = " ".join(line.partition(": ")[2] for line in reversed(lines)).split()
    record = run.directory.record
    settings = {**record.data, **record.model, **record.train}
    assert not {word[2:].replace("-", "_") for word in words if word[:2] == "--"} & values.keys()
    seen: set[str] = set()
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option in seen:
            continue
        seen.add(option)
        if option.startswith("--") and not value.startswith("--") and value:
            name = option[2:].replace("-", "_")
            if (name, value) not in (("precision", "auto"), ("initialization", "d2l")):
                assert str(settings[name]) == value, option


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    charlm.train("book.txt", run="a", **BASE)
    charlm.train("book.txt", run="b", **BASE)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("generate", "--unknown", "skip"), "--unknown"),
        (("generate", "--unknown", "nonsense"), "--unknown"),
        (("generate", "--temperature", "0", "--seed", "3"), "--seed"),
        (("generate", "--temperature", "0", "--top-k", "3"), "--top-k"),
        (("eval", "--encoding", "latin-1"), "--encoding"),
        (("eval", "--encoding", "latin-1", "--run", "a", "--run", "b"), "--encoding"),
        (("eval", "--dynamic-rate", "0.1"), "--dynamic-rate"),
        (("eval", "book.txt", "--encoding", "nonsense"), "--encoding"),
        (("train", "book.txt", "--precision", "tf32", "--device", "cpu"), "--precision"),
        (("train", "book.txt", "--cuda-graphs", "--device", "cpu"), "--cuda-graphs"),
        (("train", "--resume", "a", "--preset", "nonsense"), "--preset"),
        (("train", "--resume", "a", "--run", ""), "--run"),
        (("train", "--resume", "a", "--init-from", ""), "--init-from"),
    ],
    ids=" ".join,
)
def test_options_of_commands_that_do_nothing_are_refused(
    arguments: tuple[str, ...], option: str, here: None
) -> None:
    result = command(*arguments)
    assert result.code == 2, result.err
    assert option in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "--prefix", "t", "--unknown", "skip", "--length", "3"),
        ("generate", "--temperature", "0", "--length", "3", "--json"),
        ("eval", "book.txt", "--encoding", "utf-8"),
        ("eval", "book.txt", "--encoding", "utf-8", "--run", "a", "--run", "b"),
        ("train", "book.txt", "--no-cuda-graphs", "--max-steps", "1", "--hidden-size", "5"),
        ("train", "book.txt", "--dropout", "0", "--max-steps", "1", "--hidden-size", "5"),
    ],
    ids=" ".join,
)
def test_options_that_are_used_or_ask_for_nothing_are_taken(
    arguments: tuple[str, ...], here: None
) -> None:
    result = command(*arguments)
    assert result.code == 0, result.err
    if "--json" in arguments:
        assert json.loads(result.out)["seed"] is None
