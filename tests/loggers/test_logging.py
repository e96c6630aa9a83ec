"""What loggers are told of a training, and that none of them can end one."""

import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm as command
from fake_loggers import Noting

import charlm
from charlm.errors import TrainingError, UsageError
from charlm.loggers import logger as logger_file
from charlm.loggers import registry
from charlm.loggers.names import NAMES
from charlm.loggers.registry import LOGGERS, find_loggers
from charlm.loggers.values import LoggedRun
from charlm.sessions import session
from charlm.sessions.session import Concluded, Notice, Prepared
from charlm.training import trainer

TINY: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "max_steps": 9,
    "eval_every": 3,
    "precision": "fp32",
    "warmup_steps": 0,
}
OPTIONS = [f"--{n.replace('_', '-')}={v}" for n, v in TINY.items()]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text("it was the best of times, it was the worst of times. " * 20)


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> list[Noting]:
    """Those that the command line makes of "noting"."""
    made: list[Noting] = []

    class Kept(Noting):
        library = "json"  # which is installed

        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setitem(LOGGERS, "noting", Kept)
    return made


def test_every_logger_has_its_name() -> None:
    assert tuple(LOGGERS) == NAMES


def without_clock(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clock = {"seconds", "characters_per_second"}
    return [{n: v for n, v in row.items() if n not in clock} for row in rows]


def test_metrics_are_those_of_the_run_by_step() -> None:
    noting = Noting()
    run = charlm.train("book.txt", run="mine", log_to=noting, ema_decay=0.5, **TINY)
    rows = run.metrics()
    assert [row["step"] for row in rows] == [3, 6, 9]
    for name, key in {
        "train/nats_per_character": "train_nats_per_character",
        "train/learning_rate": "learning_rate",
        "train/gradient_norm": "gradient_norm",
        "train/characters_per_second": "characters_per_second",
        "train/epoch": "epoch",
        "held_out/nats_per_character": "nats_per_character",
        "held_out/bits_per_character": "bits_per_character",
        "held_out/perplexity": "perplexity",
        "held_out/raw_nats_per_character": "raw_nats_per_character",
        "held_out/ema_nats_per_character": "ema_nats_per_character",
    }.items():
        assert noting.history(name) == [(row["step"], row[key]) for row in rows], name
    bits = [row["train_nats_per_character"] / math.log(2) for row in rows]
    assert [v for _, v in noting.history("train/bits_per_character")] == pytest.approx(bits)
    assert [step for step, _ in noting.texts] == [3, 6, 9]
    result = run.result
    assert noting.history("result/perplexity") == [(9, result["score"]["perplexity"])]
    for name, score in result["baselines"].items():
        assert noting.history(f"baselines/{name}/perplexity") == [(9, score["perplexity"])]
    assert len(result["baselines"]) > 2
    assert noting.finished == ["done"]


def test_settings_and_name_are_those_of_the_run() -> None:
    noting = Noting()
    run = charlm.train("book.txt", run="mine", log_to=[noting], **TINY)
    (told,) = noting.runs
    assert (told.name, told.path, told.step) == ("mine", run.path, 0)
    assert told.settings["hidden_size"] == 6
    assert told.settings["max_minutes"] == "none"
    assert told.settings["data"] == "book"
    record = run.directory.record
    assert told.settings.keys() > {*record.data, *record.model, *record.train}
    assert all(isinstance(each, str | int | float) for each in told.settings.values())
    # Whoever makes another run of that name has another identity.
    charlm.train("book.txt", run="mine", runs_dir="others", log_to=noting, **TINY)
    assert len({each.identity for each in noting.runs}) == 2


def test_between_evaluations_numbers_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(logger_file, "SECONDS", 2.0)
    ticks = itertools.count()
    noting = Noting()
    noting.clock = lambda: float(next(ticks))  # asked at each report, and after each that is told
    charlm.train("book.txt", log_to=noting, **{**TINY, "eval_every": 100})
    steps = [step for step, _ in noting.history("progress/nats_per_character")]
    assert steps == [2, 4, 6, 8]
    assert len(noting.history("progress/learning_rate")) == len(steps)


def test_a_run_that_goes_on_is_logged_on(noting: list[Noting]) -> None:
    asked = itertools.count()
    first = Noting()
    charlm.train("book.txt", run="mine", log_to=first, should_stop=lambda: next(asked) > 5, **TINY)
    assert first.finished == ["interrupted"]
    assert not first.history("result/perplexity")
    step = charlm.load("mine").directory.load_last()[2]["counters"]["step"]
    done = command("train", "--resume", "mine", "--log-to", "noting")
    assert done.code == 0
    (second,) = noting
    assert second.runs[0].step == step
    assert second.runs[0].identity == first.runs[0].identity
    both = first.history("held_out/perplexity") + second.history("held_out/perplexity")
    assert [each for each, _ in both] == [3, 6, 9]


def test_each_seed_and_each_fold_is_a_run_of_its_own() -> None:
    noting = Noting()
    charlm.repeat("book.txt", times=2, run="many", log_to=noting, **TINY)
    assert [run.name for run in noting.runs] == ["many-seed-0", "many-seed-1"]
    assert noting.finished == ["done", "done"]
    rows = [f"{n},{n * 2 % 7},{n * 3 % 5}" for n in range(40)]
    Path("table.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    folds = Noting()
    charlm.cross_validate(
        "table.csv", folds=2, run="cut", task="regression", epochs=2, hidden_size=3, log_to=folds
    )
    assert [run.name for run in folds.runs] == ["cut-fold-1", "cut-fold-2"]
    assert folds.finished == ["done", "done"]
    assert folds.history("held_out/rmse")
    assert folds.history("result/rmse")


@pytest.mark.parametrize("method", ["start", "log", "show", "finish"])
def test_a_logger_that_fails_is_told_of_once_and_changes_nothing(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = charlm.train("book.txt", run="plain", **TINY)
    heard: list[Any] = []
    failing, other = Noting(fails=method), Noting()
    run = charlm.train(
        "book.txt", run="mine", log_to=[failing, other], listener=heard.append, **TINY
    )
    assert run.directory.record.status == "done"
    assert without_clock(run.metrics()) == without_clock(plain.metrics())
    assert run.result["score"] == plain.result["score"]
    ends = [e.text for e in heard if isinstance(e, Notice) and "Logging to noting ends" in e.text]
    (told,) = ends
    assert "no route to host" in told
    assert "\n" not in told
    assert len(told) < 300
    assert len(other.history("held_out/perplexity")) == 3
    assert other.finished == ["done"]
    # Nothing is asked of it any more.
    assert len(failing.logged) == (
        0 if method in ("start", "log") else 1 if method == "show" else 4
    )
    assert capsys.readouterr().out == ""


def test_whatever_ends_a_training_loggers_finish() -> None:
    def broken(event: object) -> None:
        if isinstance(event, Prepared):
            return
        if type(event).__name__ == "Evaluated":
            raise KeyboardInterrupt

    noting = Noting()
    with pytest.raises(KeyboardInterrupt):
        charlm.train("book.txt", run="mine", log_to=noting, listener=broken, **TINY)
    assert noting.finished == ["interrupted"]
    wild = Noting()
    with pytest.raises(TrainingError):
        charlm.train(
            "book.txt", log_to=wild, **{**TINY, "learning_rate": 1e25, "optimizer": "sgd"},
            clip_norm=0.0,
        )  # fmt: skip
    assert wild.finished == ["diverged"]


def test_the_last_event_says_that_the_record_holds_the_result() -> None:
    heard: list[Any] = []
    charlm.train("book.txt", listener=heard.append, **TINY)
    assert isinstance(heard[-1], Concluded)
    assert heard[-1].run.record.result["steps"] == 9


# The option


@pytest.mark.parametrize("name", LOGGERS)
def test_without_its_library_a_logger_is_refused_before_anything_is_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda library: None)
    done = command("train", "book.txt", "--log-to", name, *OPTIONS)
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        f"Error: Logging to {name} needs the package '{LOGGERS[name].library}', which is not "
        f"installed. Install it: pip install {LOGGERS[name].library}\n"
    )
    assert not Path("runs").exists()


def test_the_extras_are_those_of_the_registry() -> None:
    import tomllib

    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for name, kind in LOGGERS.items():
        assert [each.partition(">")[0] for each in extras[name]] == [kind.library]
    for path in (root / "charlm" / "loggers").glob("*.py"):
        if path.stem in LOGGERS:
            assert len(path.read_text(encoding="utf-8").splitlines()) < 40


@pytest.mark.parametrize("words", [["train", "book.txt"], ["train", "--resume", "mine"]])
def test_an_unknown_logger_is_refused(words: list[str]) -> None:
    done = command(*words, "--log-to", "tensorbord")
    assert done.code == 2
    assert "Did you mean 'tensorboard'?" in done.err


def test_several_loggers_one_each(noting: list[Noting]) -> None:
    assert len(find_loggers(["noting", "noting"])) == 1
    assert find_loggers(None) == ()
    done = command("train", "book.txt", "--log-to", "noting", "--json", *OPTIONS)
    assert json.loads(done.out)["status"] == "done"
    assert "Logging to noting. Look there.\n" in done.err
    assert len(noting) == 2


def test_repeat_refuses_an_unknown_logger_even_if_all_is_trained() -> None:
    charlm.repeat("book.txt", times=2, run="many", **TINY)
    with pytest.raises(UsageError):
        charlm.repeat("book.txt", times=2, run="many", log_to="nothing", **TINY)


def test_importing_charlm_imports_no_library_of_loggers() -> None:
    import subprocess

    code = (
        "import sys, charlm.loggers.registry as r; "
        "print([n for n in ('tensorboard', 'wandb', 'mlflow', 'trackio') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_a_logger_takes_to_start_is_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Slow(Noting):
        def start(self, run: LoggedRun) -> str:
            order.append("logger")
            return super().start(run)

    class Watched(session.Trainer):
        def __init__(self, *given: Any, **named: Any) -> None:
            order.append("clock")
            super().__init__(*given, **named)

    monkeypatch.setattr(session, "Trainer", Watched)
    charlm.train("book.txt", log_to=Slow(), **TINY)
    assert order == ["logger", "clock"]
