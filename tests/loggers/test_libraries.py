"""Each library is asked what it can be asked, and what it keeps is read back where it is installed.

TensorBoard is among what development installs. The others are tested with modules that note their
calls, and, where they happen to be installed, by what they keep on this machine.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

import charlm

TINY: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "max_steps": 6,
    "eval_every": 3,
    "precision": "fp32",
    "warmup_steps": 0,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text("it was the *best* of <times>. " * 40)


def train_and_go_on(name: str) -> charlm.Run:
    """A run of six steps, and three more of it."""
    charlm.train("book.txt", run="mine", log_to=name, **TINY)
    return charlm.resume("mine", log_to=name, max_steps=9)


def noted(monkeypatch: pytest.MonkeyPatch, name: str) -> MagicMock:
    """A module of this name that takes any call and notes it."""
    module = MagicMock(name=name)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("charlm.loggers.registry.find_spec", lambda library: module)
    return module


# TensorBoard


def test_tensorboard_reads_back_what_was_measured() -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    run = train_and_go_on("tensorboard")
    read = EventAccumulator(str(run.path), size_guidance={"scalars": 0, "tensors": 0})
    read.Reload()
    rows = run.metrics()
    assert [row["step"] for row in rows] == [3, 6, 9]
    scalars = read.Scalars("held_out/perplexity")
    assert [each.step for each in scalars] == [3, 6, 9]
    # It keeps them in float32.
    wanted = [row["perplexity"] for row in rows]
    assert [each.value for each in scalars] == pytest.approx(wanted, rel=2**-23)
    assert [each.step for each in read.Scalars("result/perplexity")] == [6, 9]
    samples = read.Tensors("sample/text_summary")
    assert [each.step for each in samples] == [3, 6, 9]
    assert samples[0].tensor_proto.string_val[0].startswith(b"    ")
    data = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    hparams = HParamsPluginData.FromString(data).session_start_info.hparams
    assert hparams["hidden_size"].number_value == 6
    assert hparams["cell"].string_value == "lstm"


def test_tensorboard_hides_what_is_done_again() -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = charlm.train("book.txt", run="mine", log_to="tensorboard", **TINY)
    state = run.directory.load_last()
    charlm.resume("mine", log_to="tensorboard", max_steps=8)
    # As after a crash: what was logged is not in the state, and is done again.
    run.directory.save_last(*state)
    charlm.resume("mine", log_to="tensorboard", max_steps=9)
    read = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    read.Reload()
    assert [each.step for each in read.Scalars("held_out/perplexity")] == [3, 6, 9]


def test_its_files_are_deleted_with_the_run() -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from cli_runner import charlm as command

    run = charlm.train("book.txt", run="mine", log_to="tensorboard", **TINY)
    assert list(run.path.glob("events.out.tfevents.*"))
    assert command("runs", "list").code == 0
    assert command("runs", "delete", "mine", "--yes").code == 0
    assert not run.path.exists()


# Weights & Biases


def test_wandb_is_asked_for_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = noted(monkeypatch, "wandb")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    logged = module.init.return_value
    run = train_and_go_on("wandb")
    first, second = (call.kwargs for call in module.init.call_args_list)
    assert (first["project"], first["name"], first["resume"]) == ("charlm", "mine", "allow")
    assert first["id"] == second["id"]
    assert first["config"]["hidden_size"] == 6
    logged.define_metric.assert_called_with("*", step_metric="step")
    rows = [call.args[0] for call in logged.log.call_args_list]
    told = [(r["step"], r["held_out/perplexity"]) for r in rows if "held_out/perplexity" in r]
    assert told == [(row["step"], row["perplexity"]) for row in run.metrics()]
    assert all(call.args[0].startswith("<pre>") for call in module.Html.call_args_list)
    assert not any("<times>" in call.args[0] for call in module.Html.call_args_list)
    assert [call.kwargs["exit_code"] for call in logged.finish.call_args_list] == [0, 0]
    monkeypatch.setenv("WANDB_PROJECT", "another")
    charlm.train("book.txt", log_to="wandb", should_stop=lambda: True, **TINY)
    assert module.init.call_args.kwargs["project"] == "another"
    assert logged.finish.call_args.kwargs["exit_code"] == 1


@pytest.mark.parametrize(("name", "value"), [("WANDB_MODE", "offline"), ("CHARLM_OFFLINE", "1")])
def test_wandb_keeps_a_run_offline(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.delenv("CHARLM_OFFLINE")
    monkeypatch.setenv(name, value)
    train_and_go_on("wandb")
    wandb.teardown()  # it remembers the folder, and writes the rest
    files = list(Path("wandb").glob("offline-run-*-mine-*/run-mine-*.wandb"))
    assert len(files) == 2
    assert all(b"held_out/perplexity" in file.read_bytes() for file in files)


# MLflow


def test_mlflow_is_asked_for_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = noted(monkeypatch, "mlflow")
    client = module.MlflowClient.return_value
    known: list[Any] = []
    made = SimpleNamespace(info=SimpleNamespace(run_id="abc"))
    client.create_run.side_effect = lambda *_, **how: known.append(made) or made
    client.search_runs.side_effect = lambda *_: list(known)
    module.entities.Metric = lambda *metric: metric
    module.entities.Param = lambda *param: param
    run = train_and_go_on("mlflow")
    client.create_run.assert_called_once()
    assert client.create_run.call_args.kwargs["run_name"] == "mine"
    batches = [call for call in client.log_batch.call_args_list if "params" not in call.kwargs]
    metrics = [metric for call in batches for metric in call.args[1]]
    told = [(step, value) for name, value, _, step in metrics if name == "held_out/perplexity"]
    assert told == [(row["step"], row["perplexity"]) for row in run.metrics()]
    (params,) = [c.kwargs["params"] for c in client.log_batch.call_args_list if c.kwargs]
    assert ("hidden_size", "6") in params
    files = [call.args[2] for call in client.log_text.call_args_list]
    assert files == [f"samples/0000000{step}.txt" for step in (3, 6, 9)]
    assert client.set_terminated.call_args_list == [(("abc", "FINISHED"),)] * 2
    charlm.train("book.txt", log_to="mlflow", should_stop=lambda: True, **TINY)
    assert client.set_terminated.call_args.args == ("abc", "KILLED")


@pytest.mark.filterwarnings("ignore")  # of libraries that MLflow uses
def test_mlflow_reads_back_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/kept.db")
    run = train_and_go_on("mlflow")
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("charlm").experiment_id])
    history = client.get_metric_history(found.info.run_id, "held_out/perplexity")
    assert [(e.step, e.value) for e in history] == [
        (r["step"], r["perplexity"]) for r in run.metrics()
    ]
    assert found.data.params["hidden_size"] == "6"
    assert found.info.status == "FINISHED"


# Trackio


def test_trackio_is_asked_for_a_run_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = noted(monkeypatch, "trackio")
    module.init.side_effect = lambda *_, **how: print("* Trackio project initialized")
    run = train_and_go_on("trackio")
    first, second = module.init.call_args_list
    assert (first.args, first.kwargs["name"]) == (("charlm",), "mine")
    assert (first.kwargs["resume"], second.kwargs["resume"]) == ("never", "allow")
    logged = [(call.args[0], call.kwargs["step"]) for call in module.log.call_args_list]
    told = [(s, v["held_out/perplexity"]) for v, s in logged if "held_out/perplexity" in v]
    assert told == [(row["step"], row["perplexity"]) for row in run.metrics()]
    assert [s for v, s in logged if "sample" in v] == [3, 6, 9]
    assert module.finish.call_count == 2
    assert capsys.readouterr().out == ""


def test_trackio_keeps_a_run_on_this_machine() -> None:
    """In a process of its own, as it reads where to keep things when it is imported."""
    pytest.importorskip("trackio", reason="trackio is not installed")
    import os
    import sqlite3
    import subprocess

    words = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    command = [sys.executable, "-m", "charlm", "train", "book.txt", "--log-to", "trackio", *words]
    done = subprocess.run(
        command, env={**os.environ, "TRACKIO_DIR": "kept"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "rackio" not in done.stdout
    with sqlite3.connect("kept/charlm.db") as kept:
        rows = list(kept.execute("select step from metrics"))
    assert {step for (step,) in rows} == {3, 6}
