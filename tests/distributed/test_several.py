"""Several processes come to what one comes to: the same batches, masks, steps and scores."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cli_runner import charlm
from hypothesis import given
from hypothesis import strategies as st
from several import Case, arrays, figures, train_in_one, train_in_several

from charlm.distributed import launcher
from charlm.distributed.several import Several, heard, seconds_to_wait
from charlm.distributed.world import ALONE, LostProcessError, Share, World
from charlm.errors import SettingError, UsageError
from charlm.rnn.dropout import drawn_for, dropout_mask, dropout_of_each_step

DATA = Path(__file__).parents[2] / "data"
# What the issue asks of losses. Gradients of half the batch are summed in another order.
NEAR = 1e-5
# bfloat16 has eight bits, and a product of other rows may be rounded to its neighbour.
NEAR_BFLOAT16 = 2.0**-7

TEXT: Case = {
    "hidden_size": 16,
    "seq_length": 16,
    "precision": "fp32",
    "preset": "none",
    "batch_size": 5,
    "max_steps": 7,
    "eval_every": 3,
}
EVERY_DROPOUT: Case = {
    "num_layers": 2,
    "embedding_size": 8,
    "input_dropout": 0.2,
    "dropout": 0.3,
    "output_dropout": 0.4,
    "weight_drop": 0.2,
    "ema_decay": 0.9,
    "activation_penalty": 2.0,
    "temporal_penalty": 1.0,
}
ROWS: Case = {"hidden_size": 8, "batch_size": 16, "max_steps": 7, "eval_every": 3}
LABELS: Case = {**ROWS, "task": "classification", "source": str(DATA / "sentences.csv")}
# Cases that also leave less than a sequence for each process at times: documents, last batches.
ORDINARY: dict[str, Case] = {
    "dropout": {**TEXT, **EVERY_DROPOUT},
    "documents": {**TEXT, "documents": "lines", "output_dropout": 0.3, "batch_size": 3},
    "labels": {**LABELS, "embedding_size": 8, "class_weights": "balanced", "input_dropout": 0.2},
}
SLOW: dict[str, Case] = {
    "plain": TEXT,
    "lengths": {**TEXT, "random_lengths": True, "reset_probability": 0.2, "cell": "lstm"},
    "one-hot": {**TEXT, "embedding_size": 0, "input_dropout": 0.2},
    "zoneout": {**TEXT, "zoneout": 0.2, "embedding_size": 8, "tie_weights": True},
    "mogrifier": {**TEXT, "cell": "mogrifier", "embedding_size": 8, "sampling": "random"},
    "mingru": {**TEXT, "cell": "mingru", "clip_norm": 0.01},
    "bf16": {**TEXT, "precision": "bf16"},
    "words": {**TEXT, "units": "words", "embedding_size": 8},
    "averaged": {**TEXT, "max_steps": 20, "eval_every": 2, "average_after": 1},
    "child": {**TEXT, "hidden_size": None, "init_from": str(DATA / "novella-gru")},
    "both-ways": {**LABELS, "bidirectional": True, "embedding_size": 8, "output_dropout": 0.3},
    "adversarial": {**LABELS, "embedding_size": 8, "adversarial": 1.0},
    "frozen": {
        **LABELS,
        "hidden_size": None,
        "init_from": str(DATA / "novella-gru"),
        "freeze": True,
    },
    "numbers": {**ROWS, "task": "regression", "source": str(DATA / "houses.csv")},
}


def with_sources(cases: dict[str, Case], folder: Path) -> list[Case]:
    """The cases with their names and texts: the bundled one's beginning, some of its words."""
    text = (DATA / "time-traveller.txt").read_text("utf-8")[:6000]
    (folder / "book.txt").write_text(text, "utf-8")
    (folder / "names.txt").write_text("\n".join(sorted(set(text.split()))[:300]) + "\n", "utf-8")
    found = []
    for name, case in cases.items():
        file = "names.txt" if "documents" in case else "book.txt"
        given = {key: value for key, value in case.items() if value is not None}
        found.append({"source": str(folder / file), "run": name, **given})
    return found


def assert_alike(one: Path, several: Path, near: float = NEAR) -> None:
    """The same evaluations, and a state to go on from that is alike in all that it holds."""
    rows = figures(one), figures(several)
    assert len(rows[0]) == len(rows[1]) > 0
    for mine, theirs in zip(*rows, strict=True):
        assert mine == pytest.approx(theirs, rel=near, abs=near)
    mine, theirs = arrays(one), arrays(several)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert array.shape == theirs[name].shape
        if name.startswith("training/random"):
            assert np.array_equal(array, theirs[name])
    # A score is a sum of the same pieces in the same order.
    records = [json.loads((run / "run.json").read_text("utf-8")) for run in (one, several)]
    assert records[0]["result"].keys() == records[1]["result"].keys()
    assert records[0]["processes"] == 1 < records[1]["processes"]


def check_all(cases: dict[str, Case], folder: Path, processes: int) -> None:
    given = with_sources(cases, folder)
    train_in_one(given, folder / "one")
    train_in_several(given, folder / "several", processes)
    for name in cases:
        near = NEAR_BFLOAT16 if cases[name].get("precision") == "bf16" else NEAR
        assert_alike(folder / "one" / name, folder / "several" / name, near)


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    check_all(ORDINARY, tmp_path, 2)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_every_way_of_training_is_that_of_one_process(tmp_path: Path, processes: int) -> None:
    check_all(SLOW if processes == 2 else {**ORDINARY, **SLOW}, tmp_path, processes)


@pytest.mark.slow
def test_a_run_goes_on_with_more_or_fewer_processes(tmp_path: Path) -> None:
    """In the midst of an epoch, with dropout and a carried state: as if it had never stopped."""
    whole = {**TEXT, **EVERY_DROPOUT, "max_steps": 12}
    cut = {**whole, "max_steps": 6}
    (long,), (short,) = (with_sources({"run": each}, tmp_path) for each in (whole, cut))
    on = {"resume": "run", "max_steps": 12}
    train_in_one([long], tmp_path / "whole")
    train_in_several([short], tmp_path / "fewer", 2)
    train_in_one([on], tmp_path / "fewer")
    train_in_one([short], tmp_path / "more")
    train_in_several([on], tmp_path / "more", 3)
    last = [figures(tmp_path / each / "run")[-1] for each in ("whole", "fewer", "more")]
    for name in ("train_nats_per_character", "nats_per_character", "gradient_norm", "step"):
        values = [each[name] for each in last]
        assert values[1:] == pytest.approx([values[0]] * 2, rel=NEAR)
    (change,) = json.loads((tmp_path / "fewer/run/run.json").read_text("utf-8"))["changes"]
    assert (change["step"], change["max_steps"], change["processes"]) == (6, 12, 1)


# Shares and masks


def share(rank: int, size: int, total: int) -> Share:
    world = World()
    world.rank, world.size = rank, size
    return world.share(total)


@given(st.integers(1, 9), st.integers(1, 40))
def test_shares_are_all_there_is_and_nothing_twice(size: int, total: int) -> None:
    shares = [share(rank, size, total) for rank in range(size)]
    taken = [row for each in shares if each.counts for row in range(total)[each.rows]]
    assert sorted(taken) == list(range(total))
    assert all(each.size >= 1 for each in shares)
    parts = [each.part(each.size, total) for each in shares]
    assert sum(parts) == pytest.approx(1, rel=1e-12)
    assert [each for each, kept in zip(parts, shares, strict=True) if not kept.counts] == [
        0.0
    ] * max(size - total, 0)


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 6))
def test_masks_are_rows_of_the_whole_batchs_mask(size: int, total: int, features: int) -> None:
    def draws(rows: int) -> list[torch.Tensor]:
        torch.manual_seed(7)
        one = torch.ones(1)
        return [
            dropout_mask(one, (rows, features), 0.5),
            dropout_mask(one, (features, 3), 0.5, of_weights=True),
            dropout_of_each_step(torch.ones(4, rows, features), 0.5),
            torch.rand(2),  # The generators stand at the same place afterwards.
        ]

    whole = draws(total)
    for rank in range(size):
        mine = share(rank, size, total)
        with drawn_for(mine):
            found = draws(mine.size)
        assert torch.equal(found[0], whole[0][mine.rows])
        assert torch.equal(found[1], whole[1])
        assert torch.equal(found[2], whole[2][:, mine.rows])
        assert torch.equal(found[3], whole[3])


# What is refused


def test_more_processes_than_sequences_are_refused() -> None:
    world = World()
    world.size = 3
    world.check_batch(3)
    with pytest.raises(SettingError, match=r"batch_size is 2, and 3 processes"):
        world.check_batch(2)


@pytest.mark.parametrize(
    ("device", "local_rank", "said"),
    [("mps", 0, "mps"), ("cuda:1", 0, "names one GPU"), ("cuda", 2, "Process 3 of this machine")],
)
def test_devices_that_several_processes_cannot_use(
    monkeypatch: pytest.MonkeyPatch, device: str, local_rank: int, said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    mine: Any = SimpleNamespace(local_rank=local_rank)
    with pytest.raises(UsageError, match=said):
        Several.use_own_device(mine, device)


def test_each_process_has_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    mine: Any = SimpleNamespace(local_rank=1)
    for device in ("cuda", "auto", "cpu"):
        Several.use_own_device(mine, device)
    assert chosen == [1, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--repeat", "2"), "--repeat trains one run after another"),
        (("--folds", "2", "--task", "regression"), "--folds trains a run for each fold"),
        (("--max-restarts", "1"), "--max-restarts goes on with a run by its name: give --run"),
    ],
)
def test_options_that_do_not_go_with_processes(options: tuple[str, ...], said: str) -> None:
    result = charlm("train", "--processes", "2", *options)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_one_process_needs_no_launcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(launcher, "launch")
    monkeypatch.chdir(tmp_path)
    assert charlm("train", "missing.txt", "--processes", "1").code == 1


# The launcher


def test_each_process_has_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launcher, "cores", lambda: 9)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in launcher.variables(4, tmp_path)
    for name in launcher.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert launcher.variables(4, tmp_path)["OMP_NUM_THREADS"] == "2"
    assert launcher.variables(16, tmp_path)["MKL_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in launcher.variables(1, tmp_path)


def test_an_end_that_was_told_is_not_restarted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert launcher.end_with(2) == 2
    monkeypatch.setenv(launcher.ENDS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("RANK", "1")
    assert (launcher.end_with(0), list(tmp_path.iterdir())) == (0, [])
    assert launcher.end_with(2) == 0
    assert (tmp_path / "1").read_text() == "2"


def test_errors_of_connections_are_told_from_others() -> None:
    with pytest.raises(LostProcessError), heard():
        raise RuntimeError("[pair.cc:547] Connection closed by peer [127.0.0.1]:27153")
    with pytest.raises(RuntimeError, match="shape"), heard():
        raise RuntimeError("The size of tensor a must match: shape")


@pytest.mark.parametrize("value", ["", "0", "-1", "nan", "inf", "soon"])
def test_a_time_to_wait_is_checked(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CHARLM_PROCESS_TIMEOUT", value)
    with pytest.raises(UsageError, match="CHARLM_PROCESS_TIMEOUT"):
        seconds_to_wait()


def test_one_alone_shares_nothing() -> None:
    assert ALONE.share(5).size == 5
    assert ALONE.tell({"a": 1}) == {"a": 1}
    assert not ALONE.any(False)
