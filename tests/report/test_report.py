"""The report of a run of each task: what there is, in bounded size; it fails on nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runner import charlm

from charlm.inspection.memory import Memory
from charlm.inspection.search_results import NeuronSearch
from charlm.report import make_report
from charlm.tasks.registry import TASKS, find_run

SMALL = ("--hidden-size", "6", "--max-steps", "4", "--batch-size", "8", "--precision", "fp32")
EVIL = "</script><script>alert(1)</script>"
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each task, called as the task."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "book.txt").write_text(f"Of {EVIL} nobody spoke.\n" * 170)
    labelled = [f"{word} film {EVIL},{label}" for word, label in (("good", "+"), ("bad", EVIL))]
    (folder / "films.csv").write_text("\n".join(["text,label", *labelled * 30]) + "\n")
    x = np.random.default_rng(0).normal(size=(80, 2)).round(3)
    rows = [f"{a},{b},{a - b:.3f}" for a, b in x.tolist()]
    (folder / "sums.csv").write_text("\n".join(["a,b,$sum$", *rows]) + "\n")
    own = {
        "language-model": ("book.txt", "--seq-length", "16"),
        "classification": ("films.csv", "--task", "classification"),
        "regression": ("sums.csv", "--task", "regression", "--target-column", "$sum$"),
    }
    assert set(own) == set(TASKS)
    for name, (source, *options) in own.items():
        where = ("--run", name, "--runs-dir", str(folder / "runs"))
        made = charlm("train", str(folder / source), *options, *where, *SMALL)
        assert made.code == 0, made.err
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)


@pytest.mark.parametrize("task", TASKS)
def test_a_report_of_every_task(task: str) -> None:
    result = charlm("report", task)
    assert result.code == 0, result.err
    assert f"{task}/report.html" in result.err
    path = Path("runs", task, "report.html")
    content = path.read_text(encoding="utf-8")
    assert len(content.encode()) < MOST_BYTES
    assert f"<title>Run {task}</title>" in content
    assert EVIL not in content
    run = find_run(task)
    chapters = ["Overview", "Data", "Training", "Settings"]
    chapters += [draft.title for draft in TASKS[task].chapters(run, lambda: None)]
    for title in chapters:
        assert f"<h2>{title}</h2>" in content
    assert "This cannot be shown" not in content
    score = run.record.result["score"]
    assert f"{score[TASKS[task].score_type.figures[0].key]:,.4f}" in content


def test_the_same_run_makes_the_same_report() -> None:
    run = find_run("regression")
    assert make_report(run) == make_report(run)


@pytest.mark.parametrize(
    ("task", "source"),
    [("language-model", "book.txt"), ("classification", "films.csv"), ("regression", "sums.csv")],
)
def test_what_needs_lost_data_says_so(task: str, source: str, tmp_path: Path) -> None:
    lost = Path(source).rename(tmp_path / source)
    try:
        content = make_report(find_run(task))
    finally:
        shutil.move(lost, source)
    assert "This cannot be shown." in content
    assert source in content
    assert "<h2>Settings</h2>" in content


def test_a_run_that_was_never_scored_has_a_report(tmp_path: Path) -> None:
    shutil.copytree("runs/language-model", tmp_path / "stopped")
    record = json.loads((tmp_path / "stopped" / "run.json").read_text())
    record |= {"name": "stopped", "status": "running", "result": {}}
    (tmp_path / "stopped" / "run.json").write_text(json.dumps(record))
    (tmp_path / "stopped" / "metrics.jsonl").write_text("")
    content = make_report(find_run(tmp_path / "stopped"))
    assert "Nothing was scored on held-out data yet." in content
    assert "<td>stopped</td>" in content
    shutil.rmtree(tmp_path / "stopped" / "best")
    shutil.rmtree(tmp_path / "stopped" / "last")
    content = make_report(find_run(tmp_path / "stopped"))
    assert "has no weights yet" in content


def test_a_large_alphabet_and_many_labels_make_no_large_page(tmp_path: Path) -> None:
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))
    (tmp_path / "many.txt").write_text(characters * 4, encoding="utf-8")
    labels = "\n".join(f"a text of {i % 150},{EVIL} {i % 150}" for i in range(1200))
    (tmp_path / "many.csv").write_text(f"text,label\n{labels}\n")
    runs = ("--runs-dir", str(tmp_path / "runs"))
    for name, source, options in (
        ("characters", "many.txt", ("--seq-length", "16")),
        ("labels", "many.csv", ("--task", "classification")),
    ):
        made = charlm("train", str(tmp_path / source), "--run", name, *options, *runs, *SMALL)
        assert made.code == 0, made.err
        assert len(make_report(find_run(name, tmp_path / "runs")).encode()) < MOST_BYTES


def test_a_file_that_cannot_be_written_is_one_sentence() -> None:
    result = charlm("report", "regression", "--out", "no/such/folder/page.html")
    assert result.code == 1
    assert "no/such/folder/page.html" in result.err
    assert charlm("report", "nobody").code == 1


def test_another_place() -> None:
    result = charlm("report", "regression", "--out", "mine.html")
    assert result.code == 0
    assert Path("mine.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "kind"), [("memory", Memory), ("neurons", NeuronSearch)])
def test_what_was_kept_and_is_damaged_is_not_believed(name: str, kind: type) -> None:
    run = find_run("language-model")
    make_report(run)
    file = run.path / f"{name}.json"
    kept = file.read_text()
    first, _, whole = kept.partition("\n")
    key = json.loads(first)
    assert isinstance(run.kept(name, key, kind), kind)
    tree = json.loads(whole)
    if name == "memory":
        nats = tree["context"]["nats"]
        nats["shape"] = list(reversed(nats["shape"]))
        damaged = json.dumps(tree)
    else:
        damaged = whole.replace('"shifts": 99', '"shifts": "many"')
    assert damaged != whole
    for each in ("", "{}", "null", whole[:-9], damaged):
        file.write_text(f"{first}\n{each}")
        assert run.kept(name, key, kind) is None
    file.write_text(kept)
    assert run.kept(name, "another key", kind) is None
