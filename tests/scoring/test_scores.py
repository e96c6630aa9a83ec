"""The scores beside the static one, of one run and of several, from Python and as a user types."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_runner import charlm as command

import charlm
from charlm.ensemble import evaluate_together
from charlm.errors import CharlmError, RunError, UsageError
from charlm.mixing.mixture import Mixture
from charlm.scoring.adjusted import DynamicConfig
from charlm.scoring.calibration import choose, cross_fit, score_with
from charlm.scoring.dynamic import dynamic_surprise, log_probabilities, mean_squares
from charlm.scoring.exact import log_probabilities as static_log_probabilities
from charlm.text.corpus import Corpus

TEXT = "The time traveller (for so it will be convenient to speak of him) was expounding.\n" * 12
TINY: dict[str, Any] = {
    "hidden_size": 6,
    "batch_size": 4,
    "seq_length": 8,
    "max_steps": 6,
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text and runs on it: tested (with a test split), held and other (without one), lower."""
    folder = tmp_path_factory.mktemp("scores")
    (folder / "book.txt").write_text(TEXT)
    made: dict[str, dict[str, Any]] = {
        "tested": {"test_fraction": 0.2},
        "held": {},
        "other": {"cell": "lstm", "seed": 1},
        "shorter": {"train_characters": 400},
        "lower": {"normalize": "lower"},
        "less": {"val_fraction": 0.2},
        "nothing": {"val_fraction": 0.0},
    }
    for name, settings in made.items():
        charlm.train(
            folder / "book.txt", run=name, runs_dir=folder / "runs", **{**TINY, **settings}
        )
    (folder / "foreign.txt").write_text("abcdef " * 40)
    charlm.train(folder / "foreign.txt", run="foreign", runs_dir=folder / "runs", **TINY)
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


def files(run: charlm.Run) -> dict[str, str]:
    found = sorted(path for path in run.path.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def ids_of(run: charlm.Run, split: str) -> Any:
    return run.vocabulary.encode(run.directory.spans.of_text(TEXT, split))


# Beside the static score


@pytest.mark.parametrize("source", [None, "foreign.txt"])
def test_the_run_and_its_static_score_stay_as_they_are(source: str | None) -> None:
    run = charlm.load("tested")
    before = files(run)
    static, both = run.evaluate(source), run.evaluate(source, dynamic=True, calibrate=True)
    np.testing.assert_array_equal(both.surprise, static.surprise)
    assert list(static.scores) == ["static"]
    assert list(both.scores) == ["static", "dynamic", "calibrated"]
    assert len({score.characters for score in both.scores.values()}) == 1
    assert len({score.nats for score in both.scores.values()}) == 3
    assert files(run) == before
    content = both.to_json()
    assert {name: content[name] for name in static.to_json()} == static.to_json()
    assert set(content) - set(static.to_json()) == {"dynamic", "calibrated"}


def test_dynamic_takes_its_statistics_from_the_training_split() -> None:
    run = charlm.load("tested")
    model = run.model()
    config = DynamicConfig(rate=1e-2, decay=0.01, window=9)
    squares = mean_squares(model, ids_of(run, "train"), 9)
    wanted = dynamic_surprise(model, ids_of(run, "test"), squares, config)
    got = run.evaluate(dynamic=config)
    assert got.dynamic is not None
    np.testing.assert_array_equal(got.dynamic.surprise, wanted)
    content = got.to_json()["dynamic"]
    assert content["nats"] == wanted.sum()
    assert (content["rate"], content["decay"], content["window"]) == (1e-2, 0.01, 9)
    assert content["bits_per_byte"] == pytest.approx(content["bits_per_character"])


def test_a_rate_of_zero_gives_exactly_the_static_score() -> None:
    still = charlm.load("tested").evaluate(dynamic=DynamicConfig(rate=0.0))
    assert still.dynamic is not None
    np.testing.assert_array_equal(still.dynamic.surprise, still.surprise)


def test_the_validation_split_is_scored_by_halves() -> None:
    run = charlm.load("held")
    got = run.evaluate(calibrate=True)
    assert got.split == "val"
    assert got.calibrated == cross_fit(run.model(), ids_of(run, "val"), ids_of(run, "train"))
    content = got.to_json()["calibrated"]
    assert content["two_fold"] is True
    assert [set(half) for half in content["halves"]] == [{"temperature", "ngram_weight"}] * 2
    assert (content["order"], content["chosen_on"]) == (6, "val")


@pytest.mark.parametrize("source", [None, "foreign.txt"])
def test_any_other_text_is_scored_by_what_is_best_on_the_validation_split(
    source: str | None,
) -> None:
    run = charlm.load("tested")
    got = run.evaluate(source, calibrate=True)
    train = ids_of(run, "train")
    choice = choose(run.model(), ids_of(run, "val"), train)
    ids = run.vocabulary.encode(got.text, "replace")
    assert got.calibrated == score_with(run.model(), ids, train, choice)
    content = got.to_json()["calibrated"]
    assert (content["two_fold"], content["halves"]) == (False, [])
    assert content["temperature"] == choice.temperature
    assert content["ngram_weight"] == choice.ngram_weight


@pytest.mark.parametrize("source", [None, "foreign.txt"])
def test_mixed_is_the_mixture_over_each_prediction(source: str | None) -> None:
    run = charlm.load("tested")
    config = DynamicConfig(rate=1e-2, decay=0.01, window=9)
    got = run.evaluate(source, mix=True, dynamic=config)
    assert list(got.scores) == ["static", "dynamic", "mixed", "dynamic, mixed"]
    ids, train = run.vocabulary.encode(got.text, "replace"), ids_of(run, "train")
    model = run.model()
    squares = mean_squares(model, train, config.window)
    for made, pieces in (
        (got.mixed, static_log_probabilities(model, ids)),
        (got.mixed_dynamic, log_probabilities(model, ids, squares, config)),
    ):
        assert made is not None
        mixture = Mixture(len(run.vocabulary), [len(ids)], train)
        mixture.read(int(ids[0]))
        wanted = mixture.score(torch.cat(list(pieces)).numpy(), ids[1:])
        np.testing.assert_array_equal(made.surprise, wanted)
        assert made.weights == mixture.weights
    content = got.to_json()
    assert content["dynamic_mixed"]["nats"] == pytest.approx(got.mixed_dynamic.surprise.sum())
    assert content["mixed"]["weight_of_match"] == got.mixed.weights[3]
    assert len(list(got.remarks)) == 3


def test_mixing_what_was_counted_is_refused() -> None:
    for split in ("train", "all"):
        with pytest.raises(UsageError, match="counts the training text of 'tested'"):
            charlm.load("tested").evaluate(split=split, mix=True)


def test_calibrating_where_nothing_or_all_was_held_out_is_refused() -> None:
    with pytest.raises(UsageError, match="validation split of 'nothing' has 0 characters"):
        charlm.load("nothing").evaluate(calibrate=True)
    with pytest.raises(UsageError, match="holds the validation split"):
        charlm.load("held").evaluate(split="all", calibrate=True)


@pytest.mark.parametrize("option", ["dynamic", "calibrate", "mix"])
def test_a_run_without_its_text_says_what_needs_it(option: str, tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(TEXT)
    run = charlm.train(book, runs_dir=tmp_path / "runs", **TINY)
    foreign = Corpus.from_text("The time")
    book.write_text(TEXT + "!")
    with pytest.raises(RunError, match="has changed since") as caught:
        run.evaluate(foreign, **{option: True})
    assert f"leave out --{option}" in caught.value.hint
    book.unlink()
    with pytest.raises(RunError, match="cannot be read") as caught:
        run.evaluate(foreign, **{option: True})
    assert f"leave out --{option}" in caught.value.hint
    assert run.evaluate(foreign).score.characters == 7


def test_progress_counts_on_from_stage_to_stage() -> None:
    run = charlm.load("tested")
    told: list[tuple[int, int]] = []
    run.evaluate(dynamic=True, calibrate=True, report=lambda *each: told.append(each))
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    sizes = {name: run.directory.spans.size(name) - 1 for name in ("val", "test")}
    assert set(totals) == {3 * sizes["test"] + sizes["val"]}
    assert done[-1] < totals[0]


# Several runs


def test_the_average_is_of_probabilities() -> None:
    runs = [charlm.load(name) for name in ("held", "other", "shorter")]
    average, members = evaluate_together(runs)
    each = [run.evaluate() for run in runs]
    for member, alone in zip(members, each, strict=True):
        np.testing.assert_array_equal(member.surprise, alone.surprise)
    p = np.mean([np.exp(-one.surprise) for one in each], axis=0)
    np.testing.assert_allclose(average.surprise, -np.log(p), rtol=1e-12)
    assert (average.split, average.text) == ("val", each[0].text)
    # Jensen: the average is never worse than the runs are on average.
    assert average.score.nats < np.mean([one.score.nats for one in each])


def test_the_average_of_one_run_is_the_run() -> None:
    run = charlm.load("held")
    for runs in ([run], [run, run]):
        average, members = evaluate_together(runs)
        assert len(members) == len(runs)
        np.testing.assert_allclose(average.surprise, run.evaluate().surprise, rtol=1e-12)


def test_weights_of_several_runs_follow_each_for_itself() -> None:
    runs = [charlm.load(name) for name in ("held", "other")]
    average, members = evaluate_together(runs, dynamic=True)
    alone = [run.evaluate(dynamic=True).dynamic for run in runs]
    p = [np.exp(-one.surprise) for one in alone if one]
    assert average.dynamic is not None
    np.testing.assert_allclose(average.dynamic.surprise, -np.log((p[0] + p[1]) / 2), rtol=1e-12)
    assert [list(each.scores) for each in (average, *members)] == [["static", "dynamic"]] * 3


REFUSED = [
    ("held", "foreign", "only one of their vocabularies has"),
    ("held", "lower", "normalized by 'none' and 'lower'"),
    ("held", "less", r"hold out different texts, book \(val\) of 99 characters and book \(val\)"),
]


@pytest.mark.parametrize(("one", "other", "words"), REFUSED)
def test_runs_that_do_not_fit_are_named_with_what_differs(one: str, other: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        evaluate_together([charlm.load(one), charlm.load(other)])
    assert f"'{one}' and '{other}'" in caught.value.message
    result = command("eval", "--run", one, "--run", other)
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_no_run_has_no_score() -> None:
    with pytest.raises(CharlmError, match="no run to score"):
        evaluate_together([])


# As typed


def run(*arguments: str, stdin: str = "") -> Any:
    result = command(*arguments, stdin=stdin)
    assert result.code == 0, result.err
    return result


def test_eval_shows_the_scores_side_by_side() -> None:
    out = run("eval", "--run", "held", "--dynamic", "--calibrate").out
    for name, score in charlm.load("held").evaluate(dynamic=True, calibrate=True).scores.items():
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
        # Products of other sizes round otherwise: the last digit may be another one.
        assert [float(each) for each in line.split()[1:4]] == pytest.approx(
            [score.nats_per_character, score.perplexity, score.bits_per_character], abs=2e-4
        )
    assert "each chosen on the other half" in out
    assert "The run stays as it is" in out
    tested = run("eval", "--run", "tested", "--calibrate").out
    assert "chosen on the validation split" in tested
    assert "dynamic" not in tested


def test_eval_json_adds_to_the_static_score() -> None:
    plain = run("eval", "--run", "held", "--json").json
    both = run("eval", "--run", "held", "--json", "--dynamic", "--calibrate").json
    assert {name: both[name] for name in plain} == plain
    assert both["dynamic"]["characters"] == both["calibrated"]["characters"] == plain["characters"]
    faster = run("eval", "--run", "held", "--json", "--dynamic", "--dynamic-rate", "0.01").json
    assert faster["dynamic"]["rate"] == 0.01
    assert faster["dynamic"]["nats"] != both["dynamic"]["nats"]
    still = run("eval", "--run", "held", "--json", "--dynamic", "--dynamic-rate", "0").json
    assert still["dynamic"]["nats"] == plain["nats"]


def test_eval_of_several_runs_shows_each_and_their_average() -> None:
    arguments = ("eval", "--run", "held", "--run", "runs/other")
    out = run(*arguments).out
    table = out.partition("\n\n")[2].splitlines()
    assert [line.split("\t")[0] for line in table] == ["score", "held", "other", "average"]
    content = run(*arguments, "--json").json
    assert [each["run"] for each in content["runs"]] == ["held", "other"]
    average, _ = evaluate_together([charlm.load("held"), charlm.load("other")])
    assert content["nats"] == pytest.approx(average.score.nats)
    assert f"{average.score.perplexity:.4f}" in out
    assert "run" not in content
    piped = run(*arguments, "-", "--json", "--per-line", stdin="The time\nwas\n").json
    assert (piped["corpus"], piped["characters"], len(piped["lines"])) == ("stdin", 12, 2)
    assert run("eval", "--run", "held", "--run", "other", "--dynamic").out.count("dynamic") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--run", "held", "--run", "other", "--calibrate"), "--calibrate takes one run"),
        (("--run", "held", "--dynamic-rate", "0.1"), "--dynamic-rate goes with --dynamic"),
        (("--run", "held", "--dynamic", "--dynamic-rate", "-1"), "--dynamic-rate must be"),
        (("--run", "held", "--dynamic", "--dynamic-rate", "nan"), "--dynamic-rate must be"),
        (("--run", "held", "--run", "nobody"), "no run called 'nobody'"),
    ],
)
def test_eval_refuses_in_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    result = command("eval", *arguments)
    assert result.code in (1, 2)
    assert words in result.err
    assert result.out == ""


def test_eval_limits_the_static_perplexity() -> None:
    perplexity = run("eval", "--run", "held", "--json").json["perplexity"]
    assert math.isfinite(perplexity)
    limit = str(perplexity - 0.001)
    assert command("eval", "--run", "held", "--calibrate", "--max-perplexity", limit).code == 1


SHAKESPEARE = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinyshakespeare.txt"


@pytest.mark.slow
@pytest.mark.skipif(not SHAKESPEARE.is_file(), reason="no tinyshakespeare.txt beside the checkout")
def test_following_and_calibrating_help_on_shakespeare(tmp_path: Path) -> None:
    run = charlm.train(SHAKESPEARE, runs_dir=tmp_path, hidden_size=128, max_minutes=1)
    scores = run.evaluate(dynamic=True, calibrate=True).scores
    bits = {name: score.bits_per_character for name, score in scores.items()}
    assert bits["dynamic"] < bits["static"] - 0.02
    assert bits["calibrated"] < bits["static"]
    assert json.loads((run.path / "run.json").read_text())["result"]["score"]["nats"] > 0
