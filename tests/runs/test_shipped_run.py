"""The run that comes with charlm: there where no other is, and never in its way."""

import hashlib
from pathlib import Path

import pytest
from cli_runner import charlm as command

import charlm
from charlm import Corpus
from charlm.errors import RunError
from charlm.runs.store import shipped_run

MOST_BYTES = 2_500_000
TINY = {"hidden_size": 4, "batch_size": 2, "seq_length": 4, "max_steps": 1, "precision": "fp32"}


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)


def contents() -> dict[str, str]:
    files = (each for each in sorted(shipped_run().rglob("*")) if each.is_file())
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def test_it_writes_before_anything_is_trained(tmp_path: Path) -> None:
    before = contents()
    result = command("generate", "--prefix", "time traveller", "--length", "50", "--seed", "1")
    assert result.code == 0
    assert result.out.startswith("time traveller")
    assert len(result.out) == len("time traveller") + 50 + 1
    assert "'novella-gru', a small model that comes with charlm" in result.err
    assert "charlm train" in result.err
    assert command("generate", "--json", "--length", "5").json["run"] == "novella-gru"
    assert contents() == before
    assert not list(tmp_path.iterdir())


def test_it_knows_the_novella_and_its_held_out_tenth() -> None:
    found = charlm.load().evaluate(split="val")
    assert (found.corpus, found.split) == ("time-traveller", "val")
    assert found.score.bits < 1.75


def test_it_is_no_run_of_the_user() -> None:
    assert "novella-gru" not in command("runs", "list").out
    for arguments in (
        ("runs", "show", "novella-gru"),
        ("report",),
        ("predict", "hello"),
        ("plot",),
    ):
        result = command(*arguments)
        assert result.code == 1, arguments
        assert "Make one: charlm train" in result.err


def test_a_run_of_ones_own_is_the_newest(tmp_path: Path) -> None:
    charlm.train(Corpus.from_text("some text of mine " * 5), run="mine", **TINY)  # type: ignore[arg-type]
    assert charlm.load().name == "mine"
    result = command("generate", "--length", "5")
    assert result.err == ""
    (tmp_path / "runs" / "mine" / "run.json").write_text("{")
    with pytest.raises(RunError):  # rather than pass over it
        charlm.load()


def test_it_is_small_and_names_nobodys_folders() -> None:
    files = [each for each in shipped_run().rglob("*") if each.is_file()]
    assert {each.name for each in files} == {
        *("run.json", "vocabulary.json", "metrics.jsonl", "model.safetensors"),
    }
    assert sum(each.stat().st_size for each in files) < MOST_BYTES
    record = (shipped_run() / "run.json").read_text(encoding="utf-8")
    assert "/tmp" not in record
    assert "/home" not in record
