"""Every command, as a user types it."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runner import Result, charlm

RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая по-своему. 👍 é\n" * 25
SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")


def run(*arguments: str, stdin: str = "", columns: int | None = None) -> Result:
    result = charlm(*arguments, stdin=stdin, columns=columns)
    assert result.code == 0, result.err
    return result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts and three runs: english, russian, and a newer one on the bundled text."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHARLM_RUNS_DIR", raising=False)
        Path("english.txt").write_text(
            "It was the best of times, it was the worst of times.\n" * 40
        )
        Path("russian.txt").write_text(RUSSIAN, encoding="utf-8")
        run("train", "english.txt", "--run", "english", "--max-steps", "6", "--cell", "gru", *SMALL)
        run(
            "train", "russian.txt", "--run", "russian", "--max-steps", "6", "--cell", "lstm", *SMALL
        )
        run(
            "train", "--run", "bundled", "--max-steps", "6", "--cell", "gru",
            "--test-fraction", "0.002", *SMALL,
        )  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    yield


# train


def test_a_text_of_refrains_is_named_as_what_puts_xz_ahead(tmp_path: Path) -> None:
    verses = np.random.default_rng(0).integers(97, 123, 4000, dtype=np.uint8).tobytes()
    for name, text in (("song", verses * 2), ("noise", verses)):
        (tmp_path / f"{name}.txt").write_bytes(text)
        told = run(
            "train", str(tmp_path / f"{name}.txt"), "--runs-dir", str(tmp_path / "runs"),
            "--max-steps", "2", *SMALL,
        ).out  # fmt: skip
        assert ("xz is far ahead" in told) == (name == "song")


def test_train_tells_scores_run_and_what_to_do_next() -> None:
    result = run("train", "english.txt", "--run", "told", "--epochs", "2", *SMALL)
    for model in ("uniform", "unigram", "6-gram", "xz", "ppm", "told"):
        assert model in result.out
    assert "Held-out text (val)" in result.out
    assert "Training perplexity of the last epoch" in result.out
    for command in ("charlm generate", "charlm eval", "charlm report told"):
        assert command in result.err
    assert "lstm 8" in result.err
    run("runs", "delete", "told", "--yes")


def test_train_json_is_the_final_scores_and_nothing_else() -> None:
    result = run("train", "english.txt", "--run", "told", "--max-steps", "3", "--json", *SMALL)
    content = result.json
    assert content["run"] == "told"
    assert content["status"] == "done"
    assert content["steps"] == 3
    assert content["score"]["perplexity"] == pytest.approx(
        math.exp(content["score"]["nats_per_character"])
    )
    assert set(content["baselines"]) == {"uniform", "unigram", "6-gram", "xz", "ppm"}
    run("runs", "delete", "told", "--yes")


def test_train_quiet_says_nothing_on_the_way() -> None:
    result = run("train", "english.txt", "--run", "told", "--max-steps", "3", "-q", *SMALL)
    note, following = result.err.splitlines()[:2]
    assert "too few to learn" in note
    assert following.startswith("Next:")
    run("runs", "delete", "told", "--yes")


def test_train_reads_standard_input_and_evaluates_it_again() -> None:
    run("train", "-", "--run", "piped", "--max-steps", "3", *SMALL, stdin=RUSSIAN)
    score = run("eval", "--run", "piped", "--json").json
    assert (score["corpus"], score["split"]) == ("stdin", "val")
    resumed = run("train", "--resume", "piped", "--max-steps", "5", "--json")
    assert resumed.json["steps"] == 5
    run("runs", "delete", "piped", "--yes")


def test_train_reads_folders_globs_and_several_files(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("abc " * 50)
    (tmp_path / "books" / "b.md").write_text("xyz " * 50)
    (tmp_path / "books" / "c.png").write_bytes(b"\x89PNG")
    for corpus in ([str(tmp_path / "books")], [str(tmp_path / "books" / "*.[tm]*")]):
        assert run("vocab", *corpus, "--json").json["size"] == 9  # with a line end between the two
    both = run("vocab", str(tmp_path / "books/a.txt"), str(tmp_path / "books/b.md"), "--json")
    assert both.json["characters"] == 401


def test_train_shrinks_windows_on_tiny_texts_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "tiny.txt").write_text("to be or not to be, that is the question")
    result = run("train", str(tmp_path / "tiny.txt"), "--run", "tiny", "--max-steps", "3")
    assert "batch size 1 and windows of 35 in place of 16 and 64" in result.err
    run("runs", "delete", "tiny", "--yes")


def test_fine_tuning_takes_the_vocabulary_and_names_unseen_characters(tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("It was the ½ of times. Ω\n" * 40)
    result = run(
        "train", str(tmp_path / "new.txt"), "--init-from", "english", "--run", "tuned",
        "--max-steps", "3", "--precision", "fp32",
    )  # fmt: skip
    assert "'½', 'Ω'" in result.err
    assert "<unk>" in result.err
    tuned, english = (
        json.loads(Path(f"runs/{n}/run.json").read_text()) for n in ("tuned", "english")
    )
    assert tuned["model"] == english["model"] | {"output_dropout": tuned["model"]["output_dropout"]}
    assert tuned["parent"] == "english"
    vocabularies = (Path(f"runs/{n}/vocabulary.json").read_bytes() for n in ("tuned", "english"))
    assert len(set(vocabularies)) == 1
    run("runs", "delete", "tuned", "--yes")


# generate


def test_generate_begins_with_the_prefix_and_ends_with_a_line_end() -> None:
    text = run("generate", "--prefix", "Time Traveller!", "--length", "50", "--seed", "1").out
    assert text.startswith("time traveller ")
    assert text.endswith("\n")
    assert len(text) == len("time traveller ") + 50 + 1


def test_generate_is_a_function_of_run_and_seed() -> None:
    arguments = ("generate", "--run", "russian", "--length", "60", "--temperature", "0.9")
    texts = [run(*arguments, "--seed", seed).out for seed in ("1", "1", "2")]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == 61


def test_generate_greedily_needs_no_seed() -> None:
    texts = {run("generate", "--temperature", "0", "--length", "30").out for _ in range(3)}
    assert len(texts) == 1


def test_generate_several_samples_the_first_as_alone() -> None:
    arguments = ("generate", "--prefix", "it", "--length", "20", "--seed", "5")
    several = run(*arguments, "--num-samples", "3").out.splitlines()
    assert len(several) == 3
    assert several[0] == run(*arguments).out.rstrip("\n")
    listed = run(*arguments, "--num-samples", "3", "--json").json
    assert listed == {"run": "bundled", "prefix": "it", "seed": 5, "texts": several}


def test_generate_stops_before_a_string() -> None:
    whole = run("generate", "--length", "200", "--seed", "3").out
    stopped = run("generate", "--length", "200", "--seed", "3", "--stop", "e").out
    assert stopped == whole.split("e")[0].rstrip("\n") + "\n"


def test_generate_filters_leave_the_likeliest() -> None:
    greedy = run("generate", "--temperature", "0", "--length", "40").out
    for narrow in (("--top-k", "1"), ("--top-p", "1e-9"), ("--min-p", "1")):
        assert run("generate", *narrow, "--length", "40", "--seed", "9").out == greedy


def test_generate_without_a_prefix_prints_none() -> None:
    assert len(run("generate", "--length", "10", "--seed", "1").out) == 11


def test_generate_replaces_or_skips_unknown_characters_of_the_prefix() -> None:
    arguments = ("generate", "--run", "english", "--length", "0", "--prefix", "It Ωwas")
    assert run(*arguments, "--unknown", "skip").out == "It was\n"
    assert run(*arguments, "--unknown", "replace").out == "It \N{REPLACEMENT CHARACTER}was\n"


# eval


def test_eval_scores_what_was_held_out() -> None:
    score = run("eval", "--json").json
    assert (score["corpus"], score["split"]) == ("time-traveller", "test")
    record = json.loads(Path("runs/bundled/run.json").read_text())
    start, stop = record["splits"]["test"]
    assert score["characters"] == stop - start - 1
    assert score["perplexity"] == pytest.approx(math.exp(score["nats_per_character"]))
    assert score["bits_per_character"] == pytest.approx(score["nats_per_character"] / math.log(2))
    assert score["unknown_characters"] == 0
    assert score["bits_per_byte"] is None, "letters were normalized"
    assert score["nats_per_character"] == pytest.approx(
        record["result"]["score"]["nats_per_character"], rel=1e-6
    )


def test_eval_of_another_text_counts_bytes_and_unknown_characters() -> None:
    russian = run("eval", "russian.txt", "--run", "russian", "--split", "all", "--json").json
    assert russian["characters"] == len(RUSSIAN) - 1
    bits = russian["nats"] / math.log(2)
    assert russian["bits_per_byte"] == pytest.approx(bits / len(RUSSIAN[1:].encode()))
    foreign = run("eval", "-", "--run", "english", "--json", stdin=RUSSIAN).json
    known = set(Path("english.txt").read_text())
    assert foreign["unknown_characters"] == sum(each not in known for each in RUSSIAN)
    assert (foreign["corpus"], foreign["split"]) == ("stdin", "all")


def test_eval_per_line_adds_up() -> None:
    content = run(
        "eval", "english.txt", "--run", "english", "--split", "all", "--per-line", "--json"
    )
    score = content.json
    assert len(score["lines"]) == 40
    assert sum(line["characters"] for line in score["lines"]) == score["characters"]
    assert sum(line["nats"] for line in score["lines"]) == pytest.approx(score["nats"])
    table = run("eval", "english.txt", "--run", "english", "--split", "all", "--per-line").out
    assert table.count("It was the best of times") == 40


def test_eval_fails_above_a_perplexity() -> None:
    perplexity = run("eval", "--json").json["perplexity"]
    assert charlm("eval", "--max-perplexity", str(perplexity + 0.1)).code == 0
    missed = charlm("eval", "--max-perplexity", str(perplexity - 0.1))
    assert missed.code == 1
    assert "above the limit" in missed.err
    assert charlm("eval", "--max-perplexity", "nan").code == 2


def test_eval_is_the_same_with_every_backend() -> None:
    scores = [
        run("eval", "--backend", backend, "--json").json["nats_per_character"]
        for backend in ("scratch", "builtin", "auto")
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert scores[2] in scores


# vocab and corpus


def test_vocab_is_ordered_by_frequency_and_adds_up() -> None:
    content = run("vocab", "--json").json
    assert (content["characters"], content["size"]) == (190_653, 28)
    counts = [entry["count"] for entry in content["entries"]]
    assert content["entries"][0]["character"] == "<unk>"
    assert counts[1:] == sorted(counts[1:], reverse=True)
    assert sum(counts) == content["characters"]
    assert sum(entry["share"] for entry in content["entries"]) == pytest.approx(1)


def test_vocab_min_count_and_out(tmp_path: Path) -> None:
    out = tmp_path / "vocabulary.json"
    content = run("vocab", "russian.txt", "--min-count", "100", "--json", "--out", str(out)).json
    assert all(entry["count"] >= 100 for entry in content["entries"][1:])
    assert content["entries"][0]["count"] > 0
    written = json.loads(out.read_text())["characters"]
    assert written == [entry["character"] for entry in content["entries"][1:]]


def test_vocab_table_names_what_cannot_be_seen() -> None:
    table = run("vocab", "-", stdin="a b\n\te\u0301\x1b[31m").out
    for name in ("space", "\\n", "\\t", "U+0301", "U+001B"):
        assert name in table
    assert "\x1b" not in table


def test_corpus_list_and_show() -> None:
    listed = {row["name"]: row for row in run("corpus", "list", "--json").json}
    assert listed["time-traveller"]["here"] == "bundled"
    assert {"time-machine", "tiny-shakespeare", "text8", "enwik8"} <= set(listed)
    shown = run("corpus", "show", "--json").json
    assert shown["sha256"] == listed["time-traveller"]["sha256"]
    assert (shown["characters"], shown["distinct"]) == (190_653, 27)
    own = run("corpus", "show", "russian.txt", "--json").json
    assert own["sha256"] == hashlib.sha256(RUSSIAN.encode()).hexdigest()
    assert "Все счастливые" in run("corpus", "show", "russian.txt").out


def test_corpus_download_of_the_bundled_one_prints_its_path() -> None:
    path = Path(run("corpus", "download", "time-traveller").out.rstrip("\n"))
    assert path.stat().st_size == 197_686


# runs


def test_runs_list_newest_first() -> None:
    rows = run("runs", "list", "--json").json
    assert [row["name"] for row in rows] == ["bundled", "russian", "english"]
    assert {"name", "cell", "backend", "parameters", "perplexity", "created"} <= set(rows[0])
    assert rows[1]["cell"] == "lstm"
    assert all(row["perplexity"] > 1 for row in rows)
    table = run("runs", "list").out
    assert all(name in table for name in ("bundled", "russian", "english"))


def test_runs_show_has_settings_and_history() -> None:
    content = run("runs", "show", "english", "--json").json
    assert [row["step"] for row in content["metrics"]][-1] == 6
    assert content["train"]["batch_size"] == 4
    text = run("runs", "show", "english").out
    assert "hidden_size=8" in text


def test_runs_compare_shows_differences_only() -> None:
    result = run("runs", "compare", "english", "russian")
    assert "lstm" in result.out
    assert "seq_length" not in result.out
    assert "different texts" in result.err


def test_runs_compare_names_what_was_scored_and_what_does_not_compare() -> None:
    def trained(name: str, *more: str) -> None:
        run("train", "english.txt", "--run", name, "--max-steps", "2", *SMALL, *more)

    names = ("one", "same", "tested", "cut", "less")
    trained("one")
    trained("same", "--seed", "3")
    trained("tested", "--test-fraction", "0.1")
    trained("cut", "--min-count", "150")
    trained("less", "--val-fraction", "0.2")
    found = {row["name"]: row for row in run("runs", "compare", *names, "--json").json["runs"]}
    assert {name: found[name]["split"] for name in names} == {
        **dict.fromkeys(names, "val"),
        "tested": "test",
    }
    held_out = len(Path("english.txt").read_text()) // 10 - 1
    assert found["one"]["characters_scored"] == pytest.approx(held_out, abs=2)
    assert all(row["final"] for row in found.values())
    table = run("runs", "compare", "one", "tested").out
    assert re.search(r"^split\t(val\ttest|test\tval)$", table, re.MULTILINE)
    assert re.search(r"^characters_scored\t2\d\d", table, re.MULTILINE)
    for other, part in (
        ("same", ""),
        ("tested", "different splits (val, test)"),
        ("cut", "vocabularies differ"),
        ("less", "different characters"),
    ):
        said = run("runs", "compare", "one", other, "--no-intervals").err
        assert part in said
        assert bool(said) == bool(part)
    assert "Not all of these scores compare" in run("runs", "list").err
    run("runs", "delete", *names, "--yes")


def test_runs_compare_tells_a_last_score_from_one_on_the_way() -> None:
    about = json.loads(Path("runs/english/run.json").read_text())
    shutil.copytree("runs/english", "runs/early")
    about["result"], about["status"] = {}, "interrupted"
    Path("runs/early/run.json").write_text(json.dumps(about))
    compared = run("runs", "compare", "english", "early")
    assert "Not finished: early" in compared.err
    assert re.search(r"^final\t(yes\tno|no\tyes)$", compared.out, re.MULTILINE)
    assert "val so far" in run("runs", "list").out
    Path("runs/early/metrics.jsonl").write_text("")
    assert "early has no held-out score." in run("runs", "compare", "english", "early").err
    run("runs", "delete", "early", "--yes")


def test_runs_delete_finds_all_before_the_first_is_gone() -> None:
    for name in ("a", "b"):
        shutil.copytree("runs/english", f"runs/{name}")
    missed = charlm("runs", "delete", "a", "nosuch", "b", "--yes")
    assert missed.code == 1
    assert "nosuch" in missed.err
    assert Path("runs/a").exists()
    Path("runs/link").symlink_to("b")
    told = run("runs", "delete", "a", "runs/a/", "link", "a", "--yes").err.splitlines()
    assert told[0] == "Deleted a."
    assert told[1].startswith("Deleted the link link (the run ")
    assert len(told) == 2
    assert Path("runs/b/run.json").exists()
    run("runs", "delete", "b", "--yes")


def test_one_is_said_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    wrote = run("vocab", str(tmp_path / "a.txt"), "--min-count", "2", "--out", str(tmp_path / "v"))
    assert "Wrote 1 entry to" in wrote.err
    assert "1 character, 1 entry" in wrote.err
    refused = charlm("eval", str(tmp_path / "a.txt"), "--run", "english")
    assert "has 1 character to score" in refused.err
    trained = run("train", "english.txt", "--run", "single", "--max-steps", "1", *SMALL)
    assert "1 step in" in trained.out
    assert "finished: after 1 step it" in charlm("train", "--resume", "single").err
    run("runs", "delete", "single", "--yes")


def test_runs_delete() -> None:
    run("train", "english.txt", "--run", "gone", "--max-steps", "2", *SMALL)
    run("runs", "delete", "gone", "--yes")
    assert not Path("runs/gone").exists()
    assert charlm("runs", "show", "gone").code == 1


def test_a_run_works_from_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree("runs/russian", tmp_path / "copied")
    expected = run("generate", "--run", "russian", "--seed", "1", "--length", "20").out
    monkeypatch.chdir(tmp_path)
    copied = run("generate", "--run", str(tmp_path / "copied"), "--seed", "1", "--length", "20")
    assert copied.out == expected


def test_the_environment_names_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(tmp_path))
    assert run("runs", "list", "--json").json == []
    assert run("runs", "list", "--runs-dir", "runs", "--json").json != []


def test_version_and_help() -> None:
    assert run("--version").out.startswith("charlm ")
    for command in ((), ("train",), ("generate",), ("eval",), ("vocab",), ("corpus",), ("runs",)):
        assert "Usage" in run(*command, "--help").out


# Narrow terminals


@pytest.mark.parametrize("width", [36, 50, 80])
@pytest.mark.parametrize(
    "command",
    [
        # At this rate nothing moves: two evaluations give the same figures to the last digit.
        ("eval", "--run", "english", "--dynamic", "--dynamic-rate", "0"),
        ("vocab", "english.txt"),
        ("corpus", "list"),
        ("runs", "list"),
        ("runs", "show", "english"),
        ("runs", "compare", "english", "russian"),
    ],
    ids=" ".join,
)
def test_a_narrow_terminal_loses_no_figure(command: tuple[str, ...], width: int) -> None:
    # From 108 columns on `runs list` shows more.
    wide, narrow = (run(*command, columns=columns).out for columns in (95, width))
    figures = set(re.findall(r"\d[\d.,%]*", wide))
    assert "…" not in narrow
    sentences = ("dynamic:",)  # which the terminal itself wraps
    assert all(len(x) <= width for x in narrow.splitlines() if not x.startswith(sentences))
    unbroken = re.sub(r"\s+", "", narrow)
    assert figures
    assert all(each in unbroken for each in figures)
