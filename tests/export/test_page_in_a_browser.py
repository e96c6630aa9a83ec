"""The page of a model in a browser: it writes what the run writes, and can be used by everybody."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import GROUND_AND_TEXT, browser, messages, requests, visit
from portable import CONFIGS, V, logits_and_states, made, run_of
from tolerances import alike

import charlm
from charlm.config import ModelConfig
from charlm.export.weights import after_rounding
from charlm.language_model import LanguageModel
from charlm.palettes import contrast
from charlm.rnn.cells import CELLS
from charlm.text.normalize import FRAGMENT_NORMALIZATIONS

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
# Markup, quotes, marks that change the direction, letters of more than 16 bits.
ODD = 'He said "no" & left. </script><b>Bold</b> \u202eabc\u202c {{ 7 * 7 }} \U0001d55d\u2028é\n'
PATIENCE = 60.0  # seconds
NAME = "<i>odd's & \"</i>"


def train(folder: Path, text: Path, **settings: Any) -> charlm.Run:
    """A run that was trained for some seconds."""
    small = {"hidden_size": 48, "batch_size": 16, "seq_length": 32, "precision": "fp32"}
    chosen = {**small, "max_steps": 60, "learning_rate": 0.01, **settings}
    return charlm.train(str(text), runs_dir=folder / "runs", **chosen)


def exported(run: charlm.Run, folder: Path) -> Path:
    file = folder / "page of the run.html"
    file.write_bytes(run.export("page"))
    return file


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> charlm.Run:
    folder = tmp_path_factory.mktemp("odd")
    text = folder / f"{NAME.replace('/', '')}.txt"
    text.write_text(ODD * 60, encoding="utf-8")
    return train(folder, text, cell="gru", run="odd-run")


@pytest.fixture(scope="module")
def file(odd: charlm.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(odd, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def wide() -> Iterator[Any]:
    with browser(1280, 900) as driver:
        yield driver


@pytest.fixture(
    scope="module", params=[(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")], ids=str
)
def page(request: pytest.FixtureRequest, file: Path) -> Iterator[Any]:
    width, theme = request.param
    with browser(width, 900, theme) as driver:
        visit(driver, file)
        yield driver


def by_id(page: Any, name: str) -> Any:
    return page.find_element("css selector", f"#{name}")


def fill(page: Any, **fields: Any) -> None:
    """Set fields as a reader would have; the keys of a driver lack some characters."""
    for name, value in fields.items():
        page.execute_script(
            """arguments[0].value = arguments[1];
            arguments[0].dispatchEvent(new Event("input"));""",
            by_id(page, name),
            str(value),
        )


def until(page: Any, *words: str) -> str:
    """What the page says once it says one of these."""
    wait(page, lambda: any(each in str(by_id(page, "status").text) for each in words))
    return str(by_id(page, "status").text)


def wait(page: Any, done: Callable[[], bool]) -> None:
    """Until something is so, with patience for machines that do much else."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, by_id(page, "status").text
        time.sleep(0.025)


def write(page: Any, prefix: str, length: int = 200, temperature: float = 0, seed: Any = "") -> str:
    """What stands in the page after a click on Write."""
    fill(page, prefix=prefix, length=length, temperature=temperature, seed=seed)
    by_id(page, "form").find_element("css selector", "[type=submit]").click()
    until(page, "a second", "left.", "bounds")
    return text_of(page)


def text_of(page: Any) -> str:
    return str(page.execute_script("return document.getElementById('text').textContent"))


# What it computes


@pytest.mark.parametrize("name", CONFIGS)
def test_it_computes_the_models_logits(name: str, wide: Any, tmp_path: Path) -> None:
    """In float64, from the weights as the page has them."""
    config, T = CONFIGS[name], 25
    model = made(config)
    run = charlm.Run(run_of(tmp_path, model))
    visit(wide, exported(run, tmp_path))
    ids = np.random.default_rng(2).integers(0, V, (T, 1))
    found = wide.execute_script(
        """let state = model.initialState();
        return arguments[0].map((id) => {
          let logits;
          [logits, state] = model.step(id, state);
          return Array.from(logits);
        });""",
        ids[:, 0].tolist(),
    )
    scaled = wide.execute_script("return about.tensors.some((each) => each.scaled)")
    weights = run.directory.load_weights()
    as_read = LanguageModel(config, "scratch")
    as_read.load_weights(after_rounding(weights) if scaled else weights)
    expected, _ = logits_and_states(as_read, ids)
    assert expected.std() > 0.1  # else any logits would do

    np.testing.assert_allclose(
        found, expected[:, 0], **alike(T, config.hidden_size + V, config.num_layers, torch.float64)
    )
    assert messages(wide) == []


@pytest.mark.parametrize("cell", CELLS)
def test_saturated_gates_stay_numbers(cell: str, wide: Any, tmp_path: Path) -> None:
    model = made(ModelConfig(V, cell, 6))
    for weight in model.rnn.parameters():
        weight.data *= 1e4
    visit(wide, exported(charlm.Run(run_of(tmp_path, model)), tmp_path))
    logits = wide.execute_script(
        "return Array.from(model.step(4, model.step(3, model.initialState())[1])[0])"
    )
    assert np.isfinite(logits).all()


def test_it_writes_what_the_run_writes(odd: charlm.Run, file: Path, wide: Any) -> None:
    visit(wide, file)
    for prefix in ("He said", "left. </script>", "\U0001d55d", "é", '"no" & \n'):
        assert write(wide, prefix) == odd.generate(prefix, temperature=0, length=200)
    # Without a beginning it takes the run's own, and does not show it.
    assert write(wide, "") == odd.generate(temperature=0, length=200)
    assert messages(wide) == []


def test_an_entry_may_end_a_text(odd: charlm.Run, file: Path, wide: Any) -> None:
    """Line ends, here, in place of the mark that stands between documents."""
    visit(wide, file)
    (end,) = odd.vocabulary.encode("\n").tolist()
    wide.execute_script("about.beginning = about.end = arguments[0]", end)
    for prefix in ("He said", ""):
        expected = odd.generate(f"\n{prefix}", temperature=0, length=200)[1:]
        assert "\n" in expected
        assert write(wide, prefix) == expected.partition("\n")[0]
        assert by_id(wide, "status").text.startswith("Done: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "rnn"},
        {"cell": "gru", "num_layers": 2},
        {"cell": "gru", "reset_after": False, "embedding_size": 0},
        {"cell": "gru", "layer_norm": True, "normalize": "letters"},
        {"cell": "gru", "embedding_size": 48, "tie_weights": True},
        {"cell": "lstm", "normalize": "letters-by-line"},
        {"cell": "lstm", "embedding_size": 24, "tie_weights": True, "num_layers": 3},
        {"cell": "lstm", "capped_gate": True},
        {"cell": "mogrifier", "capped_gate": True, "normalize": "lower"},
        {"cell": "mogrifier", "embedding_size": 0, "layer_norm": True},
        {"cell": "mingru", "num_layers": 2},
        {"cell": "minlstm", "zoneout": 0.1, "backend": "scratch"},
    ],
    ids=str,
)
def test_every_trained_cell_writes_what_its_run_writes(
    settings: dict[str, Any], wide: Any, tmp_path: Path
) -> None:
    novella = (ROOT / "data" / "time-traveller.txt").read_text(encoding="utf-8")
    (tmp_path / "novella.txt").write_text(novella[:15_000], encoding="utf-8")
    run = train(tmp_path, tmp_path / "novella.txt", max_steps=80, **settings)
    visit(wide, exported(run, tmp_path))
    for prefix in ("time traveller", "the door", "and then he"):
        assert write(wide, prefix) == run.generate(prefix, temperature=0, length=200)
    assert write(wide, "") == run.generate(temperature=0, length=200)


def test_a_prefix_is_read_as_the_run_reads_it(file: Path, wide: Any) -> None:
    visit(wide, file)
    given = ["Ab,  c\nD ", " x\n y ", "Straße ΣΟΦΟΣ", "\n\n", "a1b2", "É", "  lead"]
    found = wide.execute_script(
        """return Object.fromEntries(Object.entries(normalizations).map(
          ([name, normalize]) => [name, arguments[0].map(normalize)]));""",
        given,
    )
    assert found == {
        name: [normalize(each) for each in given]
        for name, normalize in FRAGMENT_NORMALIZATIONS.items()
    }


def test_what_it_does_not_know_is_told(file: Path, wide: Any) -> None:
    visit(wide, file)
    assert write(wide, "Heü\u4e16d", 5).startswith("Hed")
    assert by_id(wide, "lost").text.replace("\u2068", "").replace("\u2069", "").endswith(": ü 世")
    assert write(wide, "世世", 5) == ""
    assert "Nothing of the beginning is left" in by_id(wide, "status").text
    assert len(write(wide, "He", 5)) == 7
    assert by_id(wide, "lost").text == ""


def test_draws_are_as_probable_as_the_model_says(file: Path, wide: Any) -> None:
    visit(wide, file)
    drawn = wide.execute_script(
        """const random = randomNumbers(7);
        return Array.from({length: 20000}, () => choose([9, 1, 0, -1, 2], 0.5, random));"""
    )
    counts = np.bincount(drawn, minlength=5)
    assert counts[0] == 0  # <unk> is never written
    expected = np.exp(np.array([1, 0, -1, 2]) / 0.5)
    expected /= expected.sum()
    # Six standard deviations of each count.
    spread = np.sqrt(expected * (1 - expected) / len(drawn))
    assert (np.abs(counts[1:] / len(drawn) - expected) < 6 * spread).all()
    numbers = wide.execute_script(
        "const random = randomNumbers(arguments[0]); return Array.from({length: 20000}, random)", 3
    )
    assert min(numbers) >= 0 and max(numbers) < 1
    assert abs(np.mean(numbers) - 0.5) < 6 * (12 * len(numbers)) ** -0.5


def test_numbers_beyond_all_bounds_are_a_sentence(file: Path, wide: Any) -> None:
    visit(wide, file)
    wide.execute_script("model.bias.fill(Infinity)")
    write(wide, "He", 5)
    assert "beyond all bounds" in by_id(wide, "status").text
    assert messages(wide) == []


# How it is used


def test_it_asks_for_nothing_and_complains_of_nothing(page: Any, file: Path) -> None:
    write(page, "He said", 50, 0.7)
    assert requests(page) == [file.as_uri()]
    assert messages(page) == []


def test_nothing_is_wider_than_the_window(page: Any) -> None:
    write(page, "He" * 200, 400, 1.2)
    assert page.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def test_every_text_and_every_edge_is_seen_on_its_ground(page: Any) -> None:
    """Texts by 4.5 and the edges of what can be used by 3, as WCAG 2 asks for."""
    pairs = page.execute_script(
        GROUND_AND_TEXT
        + """        const all = [...document.querySelectorAll("body *")];
        const texts = all
          .filter((each) => own(each) && !["SCRIPT", "NOSCRIPT"].includes(each.tagName))
          .map((each) => [getComputedStyle(each).color, ground(each), 4.5, each.outerHTML]);
        const edges = all
          .filter((each) => each.matches("button, input[type=number], textarea"))
          .map((each) => [getComputedStyle(each).borderTopColor, ground(each.parentElement), 3,
            each.outerHTML]);
        return [...texts, ...edges].map((each) => [...each.slice(0, 3), each[3].slice(0, 60)]);"""
    )
    assert len(pairs) > 20
    for ink, ground, least, what in pairs:
        assert contrast(as_hex(ink), as_hex(ground)) >= least, (ink, ground, what)


def as_hex(colour: str) -> str:
    """Of such as "rgb(26, 26, 26)"."""
    numbers = re.findall(r"\d+", colour)
    assert len(numbers) == 3, colour
    return "#" + "".join(f"{int(each):02x}" for each in numbers)


def test_it_is_used_with_keys_alone(page: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    fill(page, length=30, temperature=0.5, seed=3, prefix="")
    by_id(page, "prefix").click()
    by_id(page, "prefix").send_keys("He ")
    ActionChains(page).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    until(page, "Done: 30 characters")
    first = text_of(page)
    assert first.startswith("He ") and len(first) == 33
    # From field to field, in their order, and each shows that it is chosen.
    order, seen = ["temperature", "length", "seed", "", "stop", "text", "copy", "save"], []
    for _ in order:
        ActionChains(page).send_keys(Keys.TAB).perform()
        active = page.switch_to.active_element
        seen.append(active.get_attribute("id"))
        assert page.execute_script(
            "return getComputedStyle(arguments[0]).outlineStyle", active
        ) in (
            "solid",
            "auto",
        )
    assert seen == order
    by_id(page, "temperature").send_keys(Keys.ARROW_RIGHT)
    assert by_id(page, "degrees").text == "0.55"
    by_id(page, "seed").send_keys(Keys.ENTER)
    until(page, "Done: 30 characters")
    # The same seed, another temperature; and the same again.
    by_id(page, "temperature").send_keys(Keys.ARROW_LEFT)
    by_id(page, "seed").send_keys(Keys.ENTER)
    until(page, "Done: 30 characters")
    assert text_of(page) == first
    assert by_id(page, "text").get_attribute("role") == "region"


def test_everything_has_a_name_for_those_who_hear_it(page: Any) -> None:
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {
        (each["role"]["value"], each.get("name", {}).get("value", ""))
        for each in nodes
        if not each["ignored"]
    }
    expected = {
        ("textbox", "Begin with"),
        ("slider", "Temperature"),
        ("spinbutton", "Characters"),
        ("spinbutton", "Seed"),
        *(("button", name) for name in ("Write", "Stop", "Copy", "Save")),
        ("region", "Text"),
        ("heading", "odd-run"),
    }
    assert expected <= named
    assert not [role for role, name in named if role in ("button", "textbox", "link") and not name]


def test_stop_stops_and_write_begins_anew(page: Any) -> None:
    fill(page, prefix="He", length=100_000, temperature=1, seed=1)
    submit = by_id(page, "form").find_element("css selector", "[type=submit]")
    submit.click()
    wait(page, lambda: len(text_of(page)) >= 100)
    assert by_id(page, "status").text == "Writing…"
    by_id(page, "stop").click()
    assert until(page, "Stopped after").endswith("Seed 1.")
    stopped = text_of(page)
    time.sleep(0.2)
    assert text_of(page) == stopped
    # A second click while it writes: only the second text is left.
    submit.click()
    fill(page, length=20)
    submit.click()
    until(page, "Done: 20 characters")
    assert text_of(page) == stopped[:22]
    submit.click()
    fill(page, length=100_000)
    submit.click()
    from selenium.webdriver import ActionChains, Keys

    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    until(page, "Stopped after")


def test_what_was_written_can_be_saved_and_copied(
    page: Any, odd: charlm.Run, tmp_path: Path
) -> None:
    text = write(page, "He said", 100)
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    by_id(page, "save").click()
    saved = tmp_path / "odd-run.txt"
    wait(page, lambda: saved.exists() and saved.stat().st_size > 0)
    assert saved.read_text(encoding="utf-8") == text
    page.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    by_id(page, "copy").click()
    until(page, "Copied.", "The text is selected")
    if by_id(page, "status").text == "Copied.":
        read = "navigator.clipboard.readText().then(arguments[0])"
        assert page.execute_async_script(read) == text
    page.execute_script("navigator.clipboard.writeText = () => Promise.reject(new Error())")
    by_id(page, "copy").click()
    until(page, "The text is selected")
    assert page.execute_script("return getSelection().toString()").strip() == text.strip()
    assert messages(page) == []


def test_what_stands_in_it_is_text_and_no_markup(page: Any, odd: charlm.Run) -> None:
    entries = page.execute_script("return about.entries")
    assert entries[1:] == list(odd.vocabulary.entries)
    write(page, "</script><b>Bold</b>", 100)
    assert not page.find_elements("css selector", "main i, main b:not(#begun)")
    assert "<i>odd's" in page.find_element("css selector", ".soft").text


def test_it_says_so_where_scripts_are_off(file: Path) -> None:
    with browser(390, 900, script=False) as driver:
        visit(driver, file)
        body = driver.find_element("css selector", "body").text
        assert "scripts are switched off" in body
        assert "perplexity" in body
    assert json.loads(re.search(r'id="about">(.*?)</script>', file.read_text("utf-8"))[1])
