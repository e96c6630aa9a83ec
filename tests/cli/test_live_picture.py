"""charlm train --plot keeps a picture up to date, and never stops training."""

from pathlib import Path

import pytest
from cli_runner import charlm
from made_runs import make_run, row

from charlm import train as charlm_train
from charlm.cli import live_picture
from charlm.cli.live_picture import LEAST_SECONDS, MOST_SHARE, LivePicture
from charlm.sessions.session import Notice, Prepared
from charlm.tasks.registry import open_run, task_of
from charlm.training.events import Evaluated

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
SMALL += ("--eval-every", "2")
EVALUATED = Evaluated(
    step=1, epoch=0, progress=0.1, loss=1.0, items=10, gradient_norm=1.0, learning_rate=0.1,
    items_per_second=1.0, seconds=1.0, score=None, improved=True,
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text("It was the best of times, it was the worst of times.\n" * 40)


class Clock:
    """A clock that goes on when it is told to, and by the cost of each drawing."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", [0.0, 2.0])
def test_pictures_are_drawn_after_evaluations_but_not_too_often(
    cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(make_run(Path("runs"), "mine", [row(1, 2.0, 1.0)]))
    clock, drawn = Clock(), []

    def save(*_: object) -> None:
        drawn.append(clock.now)
        clock.now += cost

    monkeypatch.setattr(live_picture, "save_picture", save)
    with LivePicture(Path("curve.png"), clock) as picture:
        picture.follow(Prepared(run, task_of(run)))
        assert drawn == [0.0]  # what a resumed run has measured before
        picture.follow(EVALUATED)
        assert len(drawn) == 1
        clock.now += LEAST_SECONDS
        picture.follow(Notice("anything"))
        assert len(drawn) == 2
        # From the second picture on the cost counts: the first one had to load what draws.
        clock.now += max(LEAST_SECONDS, cost / MOST_SHARE) - 0.1
        picture.follow(EVALUATED)
        assert len(drawn) == 2
        clock.now += 0.2
        picture.follow(Notice("anything"))
        assert len(drawn) == 3
        clock.now += 1000
        picture.follow(Notice("anything"))  # nothing new since
        assert len(drawn) == 3
        picture.follow(EVALUATED)
        assert len(drawn) == 4
    assert len(drawn) == 5


def test_the_first_evaluation_is_drawn_at_once() -> None:
    run = open_run(make_run(Path("runs"), "mine", []))
    with LivePicture(Path("curve.png"), Clock()) as picture:
        picture.follow(Prepared(run, task_of(run)))
        assert not Path("curve.png").exists()
        run.append_metrics(row(1, 2.0, 1.0))
        picture.follow(EVALUATED)
        assert Path("curve.png").exists()


def test_two_interrupts_wait_for_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(make_run(Path("runs"), "mine", [row(1, 2.0, 1.0)]))
    with pytest.raises(SystemExit), LivePicture(Path("curve.png")) as picture:
        picture.run = run
        raise SystemExit(130)
    assert not Path("curve.png").exists()
    with pytest.raises(ValueError, match="any"), LivePicture(Path("curve.png")) as picture:
        picture.run = run
        raise ValueError("any")
    assert Path("curve.png").exists()


def test_the_last_picture_is_that_of_charlm_plot() -> None:
    train = ("train", "book.txt", "--run", "mine", *SMALL, "--plot", "live.svg", "--quiet")
    result = charlm(*train, "--max-steps", "6")
    assert result.code == 0, result.err
    assert charlm("plot", "mine", "--out", "after.svg").code == 0
    assert Path("live.svg").read_bytes() == Path("after.svg").read_bytes()
    before = Path("live.svg").read_bytes()
    resume = ("train", "--resume", "mine", "--max-steps", "10", "--plot", "live.svg", "--quiet")
    assert charlm(*resume).code == 0
    assert charlm("plot", "mine", "--out", "after.svg").code == 0
    assert Path("live.svg").read_bytes() == Path("after.svg").read_bytes() != before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--plot", "curve.jpg"), "does not say what kind of picture"),
        (("--plot", "no/where.png"), "Cannot write to 'no/where.png'"),
        (("--plot", "a.png", "--task", "regression", "--folds", "3"), "--folds trains several"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_wrong_file_is_refused_before_training(given: tuple[str, ...], message: str) -> None:
    result = charlm("train", *given)
    assert result.code in (1, 2)
    assert message in result.err
    assert not Path("runs").exists()


def test_a_picture_that_cannot_be_written_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("charlm.plots.style.write", full)
    monkeypatch.setattr(live_picture, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(live_picture, "MOST_SHARE", 1e9)
    train = ("train", "book.txt", "--run", "mine", *SMALL, "--max-steps", "6")
    result = charlm(*train, "--plot", "live.png", "--quiet")
    assert result.code == 0, result.err
    assert result.err.count("live.png") == 1
    assert "There is no picture now, and training goes on." in result.err
    assert "no space left on device" in result.err
    assert not Path("live.png").exists()
    assert list(Path().glob(".*")) == []


def test_an_interrupted_run_has_a_picture_of_how_far_it_came() -> None:
    asked = iter([False] * 5 + [True] * 9)
    with LivePicture(Path("live.svg")) as picture:
        run = charlm_train(
            "book.txt",
            run="mine",
            hidden_size=8,
            batch_size=4,
            seq_length=16,
            max_steps=100,
            eval_every=2,
            listener=picture.after(lambda event: None),
            should_stop=lambda: next(asked),
        )
    assert run.directory.record.status == "interrupted"
    assert charlm("plot", "mine", "--out", "after.svg").code == 0
    assert Path("live.svg").read_bytes() == Path("after.svg").read_bytes()
    assert "(interrupted)" in charlm("plot", "mine").out
