"""A web browser without a screen, that tells what a page asked for and what it complained of."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")

# For scripts: the nearest opaque background of an element, and whether it has a text of its own.
GROUND_AND_TEXT = """
const ground = (each) => {
  for (let at = each; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!/, 0\\)$|transparent/.test(colour)) return colour;
  }
  return "none";
};
const own = (each) => [...each.childNodes].some(
  (node) => node.nodeType === 3 && node.textContent.trim());
"""


@contextmanager
def browser(width: int, height: int, theme: str = "light", script: bool = True) -> Iterator[Any]:
    """A driver of Chromium, as selenium has it; skips the test where there is no browser.

    Args:
        width, height: of the window, in pixels; a narrow one is a telephone with a finger.
        theme: "light" or "dark", as the system would say.
        script: whether pages may run their scripts.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its chromedriver is installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for each in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--window-size={width},{height}",
    ):
        options.add_argument(each)
    if not script:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2}
        )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        telephone = width < 500
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": telephone}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": telephone})
        feature = {"name": "prefers-color-scheme", "value": theme}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        yield page
    finally:
        page.quit()


def visit(page: Any, path: Path) -> None:
    """Open a file, and forget what was logged before."""
    page.get_log("performance")
    page.get(path.as_uri())


def requests(page: Any) -> list[str]:
    """Addresses that the page asked for since `visit`, data URIs not counted."""
    events = [json.loads(each["message"])["message"] for each in page.get_log("performance")]
    sent = [each for each in events if each["method"] == "Network.requestWillBeSent"]
    urls = [each["params"]["request"]["url"] for each in sent]
    return [url for url in urls if not url.startswith("data:")]


def messages(page: Any) -> list[str]:
    """What the page's console says."""
    return [each["message"] for each in page.get_log("browser")]
