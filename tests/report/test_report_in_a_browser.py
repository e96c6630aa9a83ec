"""The report of a run, rendered: at two widths, in both themes, by pointer, finger and keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import GROUND_AND_TEXT, browser, messages, requests, visit
from cli_runner import charlm

from charlm.palettes import contrast

pytestmark = pytest.mark.browser

TEXT = 'He said "no" & left. </script><b>Bold</b> \u202eabc\u202c \'tis {{ 7 * 7 }}\n'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small run on an unruly text."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "odd.txt").write_text(TEXT * 40, encoding="utf-8")
    options = ("--hidden-size", "8", "--max-steps", "3", "--batch-size", "4", "--seq-length", "16")
    where = ("--runs-dir", str(folder / "runs"), "--run", "small")
    made = charlm("train", str(folder / "odd.txt"), *options, *where, "--precision", "fp32")
    assert made.code == 0, made.err
    made = charlm("report", "small", "--runs-dir", str(folder / "runs"))
    assert made.code == 0, made.err
    return folder / "runs" / "small" / "report.html"


@pytest.fixture(
    scope="module", params=[(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")], ids=str
)
def page(request: pytest.FixtureRequest, report: Path) -> Iterator[Any]:
    width, theme = request.param
    with browser(width, 900, theme) as driver:
        visit(driver, report)
        yield driver


def first_text(page: Any) -> Any:
    return page.find_element("css selector", "figure.coloured pre")


def told(page: Any) -> str:
    return str(page.find_element("css selector", "#detail").text)


def test_it_asks_for_nothing_and_complains_of_nothing(page: Any, report: Path) -> None:
    assert requests(page) == [report.as_uri()]
    assert messages(page) == []


def test_nothing_is_wider_than_the_window(page: Any) -> None:
    wide = page.execute_script(
        """const width = document.documentElement.clientWidth;
        return [...document.querySelectorAll("body *")]
          .filter((each) => !each.closest(".scroll, table, details"))
          .filter((each) => each.getBoundingClientRect().right > width + 1)
          .map((each) => each.outerHTML.slice(0, 80));"""
    )
    assert wide == []
    assert page.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def test_pictures_of_the_theme_are_shown(page: Any) -> None:
    for image in page.find_elements("css selector", "img"):
        assert page.execute_script("return arguments[0].naturalWidth", image) > 100
        assert image.get_attribute("alt")


def test_every_text_is_readable_on_its_ground(page: Any) -> None:
    """Each element with a text of its own, against the nearest opaque background below it."""
    pairs = page.execute_script(
        GROUND_AND_TEXT
        + """        return [...document.querySelectorAll("body *")]
          .filter((each) => own(each) && !["SCRIPT", "STYLE"].includes(each.tagName))
          .map((each) => [getComputedStyle(each).color, ground(each), each.outerHTML.slice(0, 60)]);
        """
    )
    assert len(pairs) > 100
    for ink, ground, what in pairs:
        assert contrast(as_hex(ink), as_hex(ground)) >= 4.5, (ink, ground, what)


def as_hex(colour: str) -> str:
    """Of such as "rgb(26, 26, 26)"."""
    numbers = colour.removeprefix("rgba(").removeprefix("rgb(").removesuffix(")").split(",")
    assert len(numbers) == 3, colour
    return "#" + "".join(f"{int(each):02x}" for each in numbers)


def test_the_pointer_or_a_finger_tells_more_of_a_character(page: Any) -> None:
    from selenium.webdriver import ActionChains

    pre = first_text(page)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", pre)
    third = pre.find_elements("css selector", "span")[2]
    before = told(page)
    if page.execute_script("return navigator.maxTouchPoints > 0"):
        box = page.execute_script(
            "const b = arguments[0].getBoundingClientRect(); return [b.x + b.width / 2, b.y + 5]",
            third,
        )
        point = [{"x": box[0], "y": box[1]}]
        page.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point}
        )
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        ActionChains(page).move_to_element(third).perform()
    after = told(page)
    assert after != before
    assert "bits" in after
    assert after.count("%") == 5


def test_cursor_keys_move_from_character_to_character(page: Any) -> None:
    from selenium.webdriver import Keys

    pre = first_text(page)
    pre.send_keys(Keys.ESCAPE)
    pre.send_keys(Keys.HOME)
    assert "nothing predicts it" in told(page)
    said = {told(page)}
    for _ in range(3):
        pre.send_keys(Keys.ARROW_RIGHT)
        said.add(told(page))
    assert len(said) > 1
    marked = page.find_elements("css selector", "pre span.current")
    assert len(marked) == 1
    outline = page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", marked[0])
    assert outline == "solid"
    pre.send_keys(Keys.ESCAPE)
    assert not page.find_elements("css selector", "pre span.current")


def test_it_is_read_without_scripts(report: Path) -> None:
    with browser(390, 900, script=False) as driver:
        visit(driver, report)
        body = driver.find_element("css selector", "body").text
        assert "bits/char" in body
        assert "Temperature 0.5" in body
        assert 'He said "no" & left. </script><b>Bold</b>' in first_text(driver).text
        assert not driver.find_elements("css selector", "pre span")
        assert driver.find_elements("css selector", "pre mark")


def test_a_character_shows_on_which_earlier_ones_it_hangs(page: Any) -> None:
    chapters = page.find_elements("css selector", "section")
    (memory,) = [
        each for each in chapters if each.find_element("css selector", "h2").text == "Memory"
    ]
    pre = memory.find_element("css selector", "pre")
    spans = pre.find_elements("css selector", "span")
    assert not pre.find_elements("css selector", "[class^=share]")
    page.execute_script(
        "arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", spans[12]
    )
    coloured = pre.find_elements("css selector", "[class^=share]")
    assert coloured == spans[:12]
    assert "share10" in {each.get_attribute("class") for each in coloured}
    assert "hangs most on" in told(page)
    # Another text takes over.
    first = first_text(page)
    page.execute_script("arguments[0].firstChild.click()", first)
    assert not pre.find_elements("css selector", "[class^=share]")
    assert len(page.find_elements("css selector", "pre span.current")) == 1
