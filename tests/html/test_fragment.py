"""Sections as HTML: well formed, escaped, and with no rule that reaches beyond them."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.html.notebook import HasSections
from charlm.html.rendering import environment, figure, render
from charlm.sections import Facts, Grid, Section

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><b>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "</style></div></table>",
    "a\x00\x1b[31m\x85\u202e\u2066\udcff",
    "one\u2028two\u2029",
    "&lt;",
]


class Reader(HTMLParser):
    """Keeps the elements, and what stands in the cells, of mark-up that must be balanced."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data


def fragment(*sections: Section) -> str:
    return render("fragment.html", sections=sections)


def test_facts_and_grids_are_tables_for_those_who_cannot_see_them() -> None:
    grid = Grid(("true", "given", "texts"), [("a", "b", 1_234), ("c", "d", 0.5)], 2, "Confused")
    found = Reader(fragment("A sentence.", Facts([("run", "r"), ("score", None)]), grid))
    scopes = [about.get("scope") for tag, about in found.tags if tag == "th"]
    assert scopes == ["row"] * 2 + ["col"] * 3 + ["row"] * 2
    assert found.texts["th"] == ["run", "score", "true", "given", "texts", "a", "c"]
    assert found.texts["td"] == ["r", "-", "b", "1,234", "d", "0.5000"]
    assert found.texts["caption"] == ["Confused"]
    assert found.texts["p"] == ["A sentence."]
    words = [about.get("class") for tag, about in found.tags if tag in ("th", "td")]
    assert words == [None] * 4 + ["charlm-words", "charlm-words", None] * 3


def assert_harmless(content: str) -> None:
    found = Reader(content)
    assert {tag for tag, _ in found.tags} <= {
        *("div", "style", "p", "table", "caption", "thead", "tbody", "tr", "th", "td")
    }
    assert {name for _, about in found.tags for name in about} <= {"class", "scope"}
    content.encode()  # a lone surrogate cannot be
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", content)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(text: str) -> None:
    grid = Grid((text, text), [(text, text)], caption=text)
    content = fragment(text, Facts([(text, text)]), grid)
    assert_harmless(content)
    cleaned = re.sub(
        "[\0\x1b\x85\u2028\u2029\u202e\u2066\udcff]", "\N{REPLACEMENT CHARACTER}", text
    )
    assert Reader(content).texts["caption"] == [cleaned]


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=30))
def test_any_text_stays_a_text(text: str) -> None:
    assert_harmless(fragment(text, Facts([(text, text)]), Grid((text,), [(text,)])))


@pytest.mark.parametrize("text", HOSTILE)
def test_data_inside_a_script_cannot_end_it(text: str) -> None:
    template = environment().from_string("<script>{{ value | tojson }}</script>")
    content = template.render(value=text)
    assert content.count("<") == content.count(">") == 2
    assert content.isascii()


def selectors(content: str) -> list[str]:
    (style,) = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    assert "@" not in style
    return [each.strip() for rule in re.findall(r"([^{}]+)\{", style) for each in rule.split(",")]


def test_no_rule_reaches_beyond_the_fragment() -> None:
    found = selectors(fragment("A sentence."))
    assert len(found) > 10
    for each in found:
        # What may stand before the fragment's class only says on which page it is.
        assert re.fullmatch(r"((body|html)\[[^\]]+\] )?\.charlm-view\.charlm-view( [^{]+)?", each)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    content = fragment("A sentence.")
    assert not re.search(r"url\(|@import|https?:|<script|<link|<img", content)


def test_no_colour_is_fixed_where_the_notebook_says_nothing() -> None:
    content = re.sub(r"(body|html)\[[^{]*\{[^}]*\}", "", fragment("A sentence."))
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb|prefers-color-scheme", content)
    assert set(re.findall(r"(?<![-\w])color: ([^;]+);", content)) == {"inherit"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "text"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
        (1_234_567, "1,234,567"),
        (1_234.5, "1,234.5000"),
        (12_345_678.0, "1.23e+07"),
        (0, "0"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, shown: str) -> None:
    assert figure(value) == shown


def test_notes_follow_the_sections() -> None:
    class Thing(HasSections):
        notes = ("A note.",)

        def sections(self) -> list[Section]:
            return ["A sentence."]

    assert Reader(Thing()._repr_html_()).texts["p"] == ["A sentence.", "A note."]
