"""A page is read without its script, escapes whatever it is given, and allows only itself."""

import base64
import json
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pages import EVIL, Reader

from charlm.html.coloured_text import DIGITS, view_of
from charlm.html.page import digest, page
from charlm.html.rendering import visible
from charlm.palettes import ACTIVITY, SCALES, SURPRISE, contrast, ink
from charlm.sections import (
    Chapter,
    ColouredText,
    Facts,
    Folded,
    Grid,
    Heading,
    Part,
    Picture,
    Prose,
)


def paint(picture: Picture, theme: str) -> bytes:
    return theme.encode()


def of_parts(*parts: Part, title: str = "a title") -> str:
    return page(title, "a subtitle", [Chapter("a chapter", parts)], paint)


def coloured(text: str) -> ColouredText:
    return ColouredText(text, text, [None, *[4.5] * (len(text) - 1)], SURPRISE, "bits", 4.0)


def test_every_kind_of_part_is_shown_and_nothing_of_it_becomes_markup() -> None:
    likeliest = [[], *[[(EVIL, 0.5)]] * (len(EVIL) - 1)]
    text = ColouredText(
        EVIL, EVIL, [None, *[1.0] * (len(EVIL) - 1)], SURPRISE, "bits", 0.5, likeliest
    )
    parts: list[Part] = [
        EVIL,
        Heading(EVIL),
        Facts([(EVIL, EVIL), ("number", 1234), ("none", None)]),
        Grid((EVIL, "bits"), [(EVIL, 0.25)]),
        Picture(EVIL, EVIL, lambda figure: None),
        Prose(EVIL, EVIL),
        Folded(EVIL, Grid(("a",), [(EVIL,)])),
        text,
    ]
    content = of_parts(*parts, title=EVIL)
    reader = Reader(content)
    assert not reader.open
    assert not [about for about in reader.all_of("img") if not about["src"].startswith("data:")]
    assert [about.get("type") for about in reader.all_of("script")] == ["application/json", None]
    assert not [name for _, about in reader.elements for name in about if name.startswith("on")]
    assert "alert(1)" in reader.text_in("p") and "alert(1)" in reader.text_in("h3")
    assert reader.text_in("title") == visible(EVIL)
    assert reader.text_in("pre").count("alert(1)") == 1 and "alert(1)" in reader.text_in("mark")
    for character in "\u2028\u2029\x1b\u202e\ud800":
        assert character not in content
    for expected in (">1,234<", ">-<", ">0.2500<"):
        assert expected in content


def test_data_of_a_coloured_text_come_back() -> None:
    likeliest = [[], [("a", 0.75), ("</script>", 0.125)], [("b", 1.0)]]
    part = ColouredText("t", "x</", [None, 0.5, 12.0], SURPRISE, "bits", None, likeliest)
    content = of_parts(part)
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', content)[1])
    assert data["text"] == "x</"
    assert data["steps"] == ".0a"
    assert data["values"] == [None, 50, 1200]
    told = [
        [(data["names"][n], p / 1000) for n, p in zip(numbers, shares, strict=True)]
        for numbers, shares in zip(data["likeliest"], data["thousandths"], strict=True)
    ]
    assert told == likeliest


@given(st.text(max_size=40))
def test_a_text_keeps_its_length_and_is_there_without_a_script(text: str) -> None:
    part = ColouredText("t", text, [1.0] * len(text), SURPRISE, "bits")
    content = of_parts(part)
    data = view_of(part)["data"]
    assert len(data["text"]) == len(data["steps"]) == len(text)
    # A line end at the beginning of a <pre> is dropped, so the template puts one there.
    assert Reader(content).text_in("pre") == "\n" + visible(text)
    content.encode("utf-8")  # would raise on a lone surrogate


def test_what_stands_out_is_marked() -> None:
    part = ColouredText("t", "abcd", [None, 4.0, 3.9, 7.0], SURPRISE, "bits", 4.0)
    marked = [text for mark, text in view_of(part)["stretches"] if mark]
    assert marked == ["b", "d"]


def test_earlier_characters_are_a_digit_each() -> None:
    part = ColouredText("t", "abc", [None] * 3, SURPRISE, "bits", earlier=[[], [1.0], [0.0, 0.5]])
    data = view_of(part)["data"]
    assert data["lags"] == 2
    assert data["scale"] == "share"
    rows = [data["earlier"][2 * at : 2 * at + 2] for at in range(3)]
    assert rows == ["00", "a0", "09"]


def test_the_policy_allows_the_page_itself_and_nothing_else() -> None:
    content = of_parts(Picture("p", "q", lambda figure: None), coloured("some text"))
    policy = next(
        about["content"]
        for about in Reader(content).all_of("meta")
        if about.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = re.search(r"<script>(.*?)</script>", content, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", content, re.DOTALL)
    assert script is not None and style is not None
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{digest(script[1])}'"
    assert rules["style-src"] == f"'{digest(style[1])}'"
    assert rules["img-src"] == "data:"
    # What a policy cannot forbid: addresses, and styles and events in attributes.
    assert not re.findall(r"https?:", content.replace(policy, ""))
    assert not re.findall(r'\sstyle="', content)


def test_a_picture_is_there_for_each_theme() -> None:
    reader = Reader(of_parts(Picture("p", "what it says", lambda figure: None, (5.0, 3.0))))
    (image,), (source,) = reader.all_of("img"), reader.all_of("source")
    assert image["alt"] == "what it says"
    assert (image["width"], image["height"]) == ("500", "300")
    for about, name, theme in ((image, "src", "light"), (source, "srcset", "dark")):
        kind, _, data = (about[name] or "").partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).decode() == theme


def test_a_scale_is_explained_once_in_a_chapter() -> None:
    active = ColouredText("t", "ab", [0.0, 0.5], ACTIVITY, "activity")
    content = of_parts(coloured("one"), coloured("two"), active, active)
    assert content.count('class="legend"') == 2


def test_every_scale_is_readable_and_has_a_step_for_every_number() -> None:
    for scale in SCALES:
        assert len(scale.bounds) + 1 == len(scale.colours) == len(scale.labels) <= len(DIGITS)
        assert all(contrast(ink(colour), colour) >= 4.5 for colour in scale.colours)
        steps = [scale.step(value) for value in np.linspace(-20, 20, 40_001)]
        assert steps == sorted(steps)
        assert set(steps) == set(range(len(scale.colours)))


def test_contrast_of_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == 21.0
    assert contrast("#777777", "#777777") == 1.0
    # As WCAG 2's own examples: this grey on white is just too light for small text.
    assert 4.47 < contrast("#777777", "#ffffff") < 4.5
