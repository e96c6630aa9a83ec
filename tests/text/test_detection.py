"""Encodings that nobody names: what is certain is found, what is likely is guessed, and said."""

import codecs
import json
from pathlib import Path

import pytest
from cli_runner import charlm
from hypothesis import given, settings
from hypothesis import strategies as st

import charlm as library
from charlm.errors import CorpusError
from charlm.text.corpus import Reading, open_corpus
from charlm.text.detection import SAMPLE, settle
from charlm.text.mixed import mixed_name

FRENCH = (
    "Il était une fois une vieille horloge qui ne sonnait plus. Les gens du village disaient "
    "qu'elle s'était arrêtée le jour où l'horloger était parti vers la forêt, après la fête.\n"
)
RUSSIAN = (
    "Жили-были старые часы, которые больше не били. Люди в деревне говорили, что они остановились "
    "в тот день, когда часовщик ушёл в лес, не сказав ни слова.\n"
)
GREEK = (
    "Μια φορά κι έναν καιρό ήταν ένα παλιό ρολόι που δεν χτυπούσε πια. Οι άνθρωποι του χωριού "
    "έλεγαν ότι σταμάτησε τη μέρα που ο ωρολογοποιός έφυγε για το δάσος.\n"
)
POLISH = (
    "Dawno, dawno temu żył sobie stary zegar, który już nie bił. Mieszkańcy mówili, że zatrzymał "
    "się tego dnia, gdy zegarmistrz odszedł do lasu bez słowa, ścierając kurz i rdzę.\n"
)
JAPANESE = (
    "むかしむかし、もう鳴らない古い時計がありました。村の人々は、時計職人が何も言わずに森へ"
    "行った日に止まったのだと言いました。毎朝、少年は塔に登りました。\n"
)
CHINESE = "从前有一座古老的钟，再也不响了。村里的人说，钟表匠走进森林的那一天，它就停了。\n"
TRADITIONAL = "從前有一座古老的鐘，再也不響了。村裡的人說，鐘錶匠走進森林的那一天，它就停了。\n"
KOREAN = "옛날 옛적에 더 이상 울리지 않는 오래된 시계가 있었습니다. 마을 사람들이 말했습니다.\n"
QUOTED = "“The old clock – as people said – had stopped.” ‘Naïve,’ said the café’s owner… “€20!”\n"
GUESSED = [
    (FRENCH, "latin-1"),
    (QUOTED, "cp1252"),
    (POLISH, "iso8859-2"),
    (POLISH, "cp1250"),
    (RUSSIAN, "koi8-r"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "cp866"),
    (GREEK, "iso8859-7"),
    (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"),
    (CHINESE, "gb18030"),
    (TRADITIONAL, "big5"),
    (KOREAN, "euc_kr"),
]
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be")
CERTAIN = [(text, name) for text in (FRENCH, RUSSIAN, CHINESE) for name in UNICODE]
CERTAIN += [("plain\n", "ascii"), (JAPANESE, "iso2022_jp"), ("\x1b[31mred\x1b[0m\n", "utf-8")]


def guessed(*contents: bytes) -> str:
    return settle((f"text {n}", each) for n, each in enumerate(contents)).encoding


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize(("text", "encoding"), GUESSED + CERTAIN)
def test_a_text_is_read_as_it_was_written(text: str, encoding: str, times: int) -> None:
    content = (text * times).encode(encoding)
    read = content.decode(guessed(content)).removeprefix("\ufeff")
    assert read == text * times


def test_a_long_line_is_cut_between_characters() -> None:
    for text, encoding in GUESSED:
        line = (text.strip() * (2 * SAMPLE // len(text))).encode(encoding)
        assert line.decode(guessed(line)) == line.decode(encoding), encoding


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_whatever_has_a_mark_or_is_utf_8_is_read_back(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        content = text.encode(encoding)
        found = content.decode(guessed(content))
        assert found.removeprefix("\ufeff") == text.removeprefix("\ufeff")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_any_bytes_are_decoded_or_refused(contents: list[bytes]) -> None:
    try:
        encoding = guessed(*contents)
    except CorpusError as error:
        assert error.hint
    else:
        if b"\0" not in b"".join(contents):
            for each in contents:
                each.decode(encoding)


# UTF-8 with lines that are not


def test_lines_that_are_not_utf_8_are_read_as_the_others() -> None:
    content = (FRENCH.encode() + b"plain\n" + FRENCH.encode("latin-1")) * 5
    assert guessed(content) == "utf-8+latin-1"
    assert content.decode("utf-8+latin-1") == (FRENCH + "plain\n" + FRENCH) * 5


def test_files_in_utf_8_and_in_another_encoding_are_read_together() -> None:
    assert guessed(RUSSIAN.encode(), RUSSIAN.encode("koi8-r")) == "utf-8+koi8-r"
    assert guessed(b"plain\n", RUSSIAN.encode("koi8-r")) == "koi8-r"
    for other in ("cp1251", "utf-16"):
        with pytest.raises(CorpusError, match="several encodings"):
            guessed(RUSSIAN.encode("koi8-r") * 5, RUSSIAN.encode(other) * 5)


LINES = st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\n\r"), max_size=9))


@settings(deadline=None)
@given(LINES, st.lists(st.booleans(), min_size=99, max_size=99), st.data())
def test_the_mixed_codec_is_that_of_each_line(
    lines: list[str], kinds: list[bool], data: st.DataObject
) -> None:
    names = ("utf-8" if kind else "latin-1" for kind in kinds)
    written = [each.encode(name) for each, name in zip(lines, names, strict=False)]
    expected = []
    for each in written:
        try:
            expected.append(each.decode())
        except UnicodeDecodeError:
            expected.append(each.decode("latin-1"))
    content = b"\n".join(written)
    name = mixed_name("latin-1")
    assert content.decode(name) == "\n".join(expected)
    # In pieces that end anywhere.
    decoder, found, at = codecs.getincrementaldecoder(name)(), "", 0
    while at < len(content):
        size = data.draw(st.integers(1, 5))
        found += decoder.decode(content[at : at + size])
        at += size
    assert found + decoder.decode(b"", True) == "\n".join(expected)


def test_no_other_names_are_taken_for_mixed_ones() -> None:
    for name in ("utf-8+nothing", "utf-8+utf-16"):
        with pytest.raises(LookupError):
            codecs.lookup(name)


# What the user is told, and what is kept

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--max-steps", "2")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("old.txt").write_bytes((RUSSIAN * 30).encode("koi8-r"))


def test_a_text_in_another_encoding_is_refused_with_the_likely_one() -> None:
    for command in (("vocab", "old.txt"), ("train", "old.txt"), ("corpus", "show", "old.txt")):
        refused = charlm(*command)
        assert refused.code == 1
        assert "byte 0xF6 at offset 0" in refused.err
        assert "--encoding koi8-r" in refused.err
        assert "--encoding auto" in refused.err


def test_what_was_guessed_is_said_and_kept() -> None:
    made = charlm("train", "old.txt", "--encoding", "auto", "--run", "r", *SMALL)
    assert made.code == 0, made.err
    assert "'old.txt' is read as --encoding koi8-r would" in made.err
    assert "likely" in made.err
    record = json.loads(Path("runs/r/run.json").read_text())
    assert record["data"]["encoding"] == "koi8-r"
    assert charlm("train", "--resume", "r", "--max-steps", "4").code == 0
    own = charlm("eval", "--run", "r", "--json")
    again = charlm("eval", "old.txt", "--run", "r", "--json")
    assert own.json["nats"] == again.json["nats"]
    assert 'encoding = "koi8-r"' in charlm("runs", "show", "r", "--toml").out
    shown = library.load("r").evaluate("old.txt", encoding="auto")
    assert any("koi8-r" in note for note in shown.notes)


def test_standard_input_is_guessed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = open_corpus("old.txt", Reading(encoding="auto"))
    assert (corpus.encoding, corpus.text) == ("koi8-r", RUSSIAN * 30)
    assert corpus.count_bytes(1, len(corpus.text)) == len(corpus.text) - 1


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_tables_are_guessed_too(name: str) -> None:
    lines = ["text,label" if name.endswith("csv") else ""]
    for i in range(40):
        word, label = f"горячий чай {i}", ("лето", "зима")[i % 2]
        row = json.dumps({"text": word, "label": label}, ensure_ascii=False)
        lines.append(f"{word},{label}" if name.endswith("csv") else row)
    Path(name).write_bytes("\n".join(filter(None, lines)).encode("cp1251"))
    options = ("--task", "classification", "--encoding", "auto", "--run", "c")
    made = charlm("train", name, *options, *SMALL[:4], "--max-steps", "2")
    assert made.code == 0, made.err
    assert "is read as --encoding cp1251 would" in made.err
    assert json.loads(Path("runs/c/run.json").read_text())["data"]["encoding"] == "cp1251"
    assert charlm("eval", "--run", "c").code == 0
    assert charlm("eval", name, "--run", "c").code == 0
    predicted = charlm("predict", name, "--run", "c", "--encoding", "auto")
    assert "лето" in predicted.out
    assert "cp1251" in predicted.err
    assert charlm("predict", "old.txt", "--run", "c", "--encoding", "auto").code == 0


def test_a_folder_of_texts_is_guessed_as_one() -> None:
    for label, word in (("лето", "жара"), ("зима", "снег")):
        Path("tree", label).mkdir(parents=True)
        for i in range(12):
            content = f"{word} и ещё раз {word}, и так {i} дней подряд, а потом всё прошло\n"
            Path("tree", label, f"{i}.txt").write_bytes(content.encode("koi8-r"))
    options = ("--task", "classification", "--encoding", "auto", "--run", "t")
    made = charlm("train", "tree", *options, "--hidden-size", "8", "--max-steps", "2")
    assert made.code == 0, made.err
    assert "koi8-r" in made.err
