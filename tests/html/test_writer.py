"""The page on which a model writes escapes whatever it is given, and allows only itself."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from pages import EVIL, Reader

from charlm.html.page import digest
from charlm.html.rendering import visible
from charlm.html.writer import SCRIPTS, writer_page
from charlm.sections import Facts


def made(text: str) -> str:
    about = {"run": text, "entries": ["", text]}
    return writer_page(text, text, [Facts([(text, text)]), text], text, about, "AAAA")


def data_of(content: str, name: str) -> str:
    found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    return found[1]


def test_nothing_of_a_run_becomes_markup() -> None:
    content = made(EVIL)
    reader = Reader(content)
    assert not reader.all_of("img")
    types = [about.get("type") for about in reader.all_of("script")]
    assert types == ["application/json", "text/plain", None]
    assert not [name for _, about in reader.elements for name in about if name.startswith("on")]
    assert reader.text_in("title") == reader.text_in("h1") == visible(EVIL)
    assert reader.text_in("textarea") == visible(EVIL)
    for character in "\u2028\u2029\x1b\u202e\ud800":
        assert character not in content


@given(st.text(min_size=1, max_size=20))
def test_what_the_script_is_told_comes_back_exactly(text: str) -> None:
    """Also characters that no page may hold: the model may know them."""
    content = made(text)
    content.encode("utf-8")  # would raise on a lone surrogate
    assert json.loads(data_of(content, "about")) == {"run": text, "entries": ["", text]}
    assert data_of(content, "weights") == "AAAA"


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else() -> None:
    content = made("a run")
    (policy,) = [
        about["content"]
        for about in Reader(content).all_of("meta")
        if about.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = re.search(r"<script>(.*?)</script>", content, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", content, re.DOTALL)
    assert script is not None and style is not None
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{digest(script[1])}'"
    assert rules["style-src"] == f"'{digest(style[1])}'"
    assert not re.findall(r"https?:", content)
    assert not re.findall(r'\sstyle="', content)
    assert all(name in script[1] for name in ("readTensors", "minlstm", "class Model", "choose"))
    assert len(SCRIPTS) == 5


def test_its_scripts_turn_no_text_into_code_or_markup_and_ask_for_nothing() -> None:
    script = re.search(r"<script>(.*?)</script>", made("a run"), re.DOTALL)
    assert script is not None
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "eval(",
        "Function(",
        "document.write",
    ):
        assert word not in script[1]
    for word in ("fetch(", "XMLHttp", "import(", "WebSocket", "sendBeacon", "localStorage"):
        assert word not in script[1]
