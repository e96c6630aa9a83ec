"""README.md and docs/ as a site: every page is there once, and every link leads somewhere."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from browser import browser, messages, requests, visit

ROOT = Path(__file__).resolve().parents[1]
BUILDER = ROOT / ".ci" / "pages.py"
pytestmark = pytest.mark.skipif(not BUILDER.exists(), reason="the site's builder is not here")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """The script that lays out the pages, as a module."""
    spec = importlib.util.spec_from_file_location("pages", BUILDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def laid_out(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages in a folder, with no address of the repository."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REPOSITORY", raising=False)
        builder.main(folder)
    return folder


def navigation(entries: list[dict[str, object]]) -> list[str]:
    """The pages that a navigation names, in its order."""
    found: list[str] = []
    for entry in entries:
        for value in entry.values():
            found += [value] if isinstance(value, str) else navigation(value)  # type: ignore[arg-type]
    return found


def settings() -> dict[str, object]:
    return tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def test_the_navigation_names_every_page_once(laid_out: Path) -> None:
    named = navigation(settings()["nav"])  # type: ignore[arg-type]
    assert named[0] == "index.md"
    assert sorted(named) == sorted(path.name for path in laid_out.glob("*.md"))


def test_every_page_of_docs_is_a_page_of_the_site(laid_out: Path) -> None:
    docs = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert len(docs) > 10
    assert all((laid_out / name).is_file() for name in docs)
    first = (laid_out / "index.md").read_text("utf-8")
    assert first.startswith((ROOT / "README.md").read_text("utf-8").splitlines()[0])


def test_no_link_leads_out_of_the_site(laid_out: Path) -> None:
    counted = 0
    for page in laid_out.glob("*.md"):
        prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
        targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'src="([^"]+)"', prose)
        for target in targets:
            if not re.match(r"[a-z]+:", target):
                counted += 1
                file = target.partition("#")[0]
                assert (laid_out / (file or page.name)).is_file(), f"{page.name}: {target}"
    assert counted > 50


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("README.md", "[a](docs/d2l.md#top)", "[a](d2l.md#top)"),
        ("README.md", "[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("README.md", "![a](docs/images/a.png)", "![a](images/a.png)"),
        ("README.md", '<img src="docs/images/a.png">', '<img src="images/a.png">'),
        ("README.md", "see [the code](charlm/run.py)", "see [the code](R/charlm/run.py)"),
        ("docs/d2l.md", "[`b`](../charlm/kernels/README.md)", "[`b`](kernels.md)"),
        ("docs/d2l.md", "[a](../data)", "[a](R/data)"),
        ("docs/d2l.md", "[a](how-fast.md) [b](#here)", "[a](how-fast.md) [b](#here)"),
        ("docs/d2l.md", "[a](https://d2l.ai)", "[a](https://d2l.ai)"),
        ("docs/d2l.md", "`[a](../data)`", "`[a](../data)`"),
        ("docs/d2l.md", "```\n[a](../data)\n```", "```\n[a](../data)\n```"),
    ],
)
def test_links_are_moved(builder: ModuleType, file: str, text: str, expected: str) -> None:
    assert builder.moved(text, file, "R") == expected


def test_without_an_address_a_link_to_code_is_its_words(builder: ModuleType) -> None:
    assert builder.moved("see [the *code*](charlm/run.py).", "README.md", "") == "see the *code*."


def test_the_page_about_python_has_what_the_package_offers(laid_out: Path) -> None:
    import charlm

    said = re.findall(r"^::: ([\w.]+)$", (laid_out / "python.md").read_text("utf-8"), re.M)
    assert {each.rpartition(".")[2] for each in said} == set(charlm.__all__) - {"__version__"}
    for each in said:
        module, _, name = each.rpartition(".")
        assert hasattr(importlib.import_module(module), name), each


@pytest.fixture(scope="module")
def built(laid_out: Path) -> Path:
    """The site, built strictly in a folder of its own."""
    pytest.importorskip("zensical", reason="the site needs pip install '.[docs]'")
    folder = laid_out.parent
    configuration = (ROOT / "zensical.toml").read_text("utf-8")
    for before, after in (("build/pages", "pages"), ("build/site", "site")):
        assert before in configuration
        configuration = configuration.replace(before, after)
    (folder / "zensical.toml").write_text(configuration, "utf-8")
    shutil.copytree(
        ROOT / "charlm", folder / "charlm", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, env=os.environ)
    assert done.returncode == 0, done.stderr.decode()
    return folder / "site"


@pytest.mark.slow
def test_the_built_site_shows_signatures_and_settings_of_functions(built: Path) -> None:
    page = (built / "python.html").read_text("utf-8")
    for words in ("name of the new run; by default made", "Raises:", "should_stop", "-&gt;"):
        assert words in page
    assert len(list(built.glob("*.html"))) > 15


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_the_site_loads_nothing_from_elsewhere_and_fits(
    built: Path, width: int, theme: str
) -> None:
    with browser(width, 900, theme) as page:
        for name in ("index.html", "labels.html", "python.html"):
            visit(page, built / name)
            assert all(each.startswith("file:") for each in requests(page))
            assert page.execute_script("return document.documentElement.scrollWidth") <= width
            background = page.execute_script(
                "return getComputedStyle(document.body).backgroundColor"
            )
            brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
            assert (brightness > 128) == (theme == "light"), background
        # A page that is read from a folder may not fetch; nothing else may go wrong.
        assert not [each for each in messages(page) if "CORS" not in each and "ERR_" not in each]
