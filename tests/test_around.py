"""What stands around the code: workflows, metadata, forms, and what they must agree on."""

import re
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from charlm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Of each library that users may install, the versions that will do.
REQUIREMENTS = {
    each.partition(">")[0]: each[each.index(">") :]
    for extra, needed in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
    if extra not in ("dev", "docs")
    for each in needed
    if ";" not in each
}
SYSTEMS = {"ubuntu", "macos", "windows"}
# On PyPI charlm is somebody else's; nothing may tell anybody to install it.
THEIRS = re.compile(
    r"(?:pip|pipx|uv|uvx)\b[^\n`]*?\b(?:install|add|run|tool|inject)\b[^\n`]*?"
    r"[ '\"]charlm(?:\[[^\]]*\])?(?:[=<>~!]=?[\d.]+)?(?=['\" `\n]|$)"
)


def parsed(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def workflow(name: str) -> dict[Any, Any]:
    return parsed(ROOT / ".github" / "workflows" / f"{name}.yml")


def commands(job: dict[Any, Any]) -> list[str]:
    """What a job runs, line by line."""
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def actions(job: dict[Any, Any]) -> list[str]:
    return [step["uses"] for step in job["steps"] if "uses" in step]


JOBS = [(path.stem, name) for path in WORKFLOWS for name in parsed(path)["jobs"]]


def test_there_are_workflows_and_forms() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "release", "tests"]
    assert [path.stem for path in FORMS] == ["bug", "config", "idea"]


# Workflows


def test_every_python_that_is_promised_is_tested_on_every_system() -> None:
    prefix = "Programming Language :: Python :: 3."
    promised = {f"3.{c.removeprefix(prefix)}" for c in PROJECT["classifiers"] if prefix in c}
    assert PROJECT["requires-python"] == f">={min(promised, key=minor)}"
    matrix = workflow("tests")["jobs"]["tests"]["strategy"]["matrix"]
    assert set(matrix["python"]) == promised
    assert {each.partition("-")[0] for each in matrix["os"]} == SYSTEMS
    assert "exclude" not in matrix
    assert {each["python"] for each in matrix["include"]} <= promised


def minor(version: str) -> int:
    return int(version.partition(".")[2])


def test_the_workflow_tests_as_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    test = re.findall(r"^```sh\n(.*?)\n```$", readme, re.DOTALL | re.MULTILINE)[-1]
    assert test in commands(workflow("tests")["jobs"]["tests"])


def test_the_workflows_do_what_the_script_does() -> None:
    """Each command of .ci/run that checks something is run by a job as well."""
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    done = "\n".join(
        line
        for path in WORKFLOWS
        for job in parsed(path)["jobs"].values()
        for line in commands(job)
    )
    checks = [each for each in script if re.match(r"(ruff|mypy|\.ci/)", each)]
    assert len(checks) >= 6
    for check in checks:
        assert check in done, check
    assert "slow or browser" in done
    assert "pip uninstall -y numba" in done


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read(path: Path) -> None:
    content = parsed(path)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"]
    # The key `on` reads as a truth value in YAML 1.1.
    assert "pull_request_target" not in content[True]


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_only_jobs_that_publish_may_do_more(name: str, job: str) -> None:
    description = workflow(name)["jobs"][job]
    more = {k for k, v in description.get("permissions", {}).items() if v != "read"}
    allowed = {
        ("release", "build"): {"id-token", "attestations"},
        ("release", "publish"): {"id-token"},
        ("docs", "publish"): {"pages", "id-token"},
    }
    assert more == allowed.get((name, job), set())
    assert ("environment" in description) == (job == "publish")
    assert description["timeout-minutes"] <= 120


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_actions_are_pinned_and_keep_no_credentials(name: str, job: str) -> None:
    description = workflow(name)["jobs"][job]
    for each in actions(description):
        assert re.fullmatch(r"(actions/[\w-]+@v\d+|pypa/gh-action-pypi-publish@release/v1)", each)
    for step in description["steps"]:
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        # Text from outside is never part of a command: it comes by a variable.
        assert "github." not in step.get("run", "")


def test_torch_comes_without_cuda() -> None:
    """Wherever charlm is installed for Linux, pip is told of torch's index for processors."""
    for name, job in JOBS:
        content = workflow(name)
        steps = content["jobs"][job]["steps"]
        for step in steps:
            if re.search(r"pip install (-e|dist/)", step.get("run", "")):
                known = {**content.get("env", {}), **step.get("env", {})}
                assert known["PIP_EXTRA_INDEX_URL"] == "https://download.pytorch.org/whl/cpu"


def test_a_release_is_built_once_from_its_tag_and_published_with_a_trusted_identity() -> None:
    content = workflow("release")
    assert content[True] == {"push": {"tags": ["v*"]}}
    build, publish = content["jobs"]["build"], content["jobs"]["publish"]
    lines = "\n".join(commands(build))
    assert lines.index('test "$TAG" = ') < lines.index("python -m build")
    assert "twine check --strict" in lines
    assert any(each.startswith("actions/attest-build-provenance") for each in actions(build))
    assert publish["needs"] == "build"
    assert not commands(publish)
    assert "password" not in str(publish)
    assert publish["environment"]["url"].rstrip("/").endswith(f"/{PROJECT['name']}")


# Metadata


def test_the_distribution_is_not_somebody_elses() -> None:
    assert PROJECT["name"] == "charlm-rnn"
    assert PROJECT["scripts"] == {"charlm": "charlm.cli:main"}


@pytest.mark.parametrize(
    ("text", "is_theirs"),
    [
        ("pip install charlm", True),
        ("pipx install 'charlm'", True),
        ('pip install "charlm[baselines]"', True),
        ("`uv tool install charlm`", True),
        ("uv add charlm==0.1.8", True),
        ("uvx --from x run charlm", True),
        ("pip install charlm-rnn", False),
        ("pip install . && charlm train", False),
        ("pip install dist/*.whl", False),
        ("uv tool install git+https://host/charlm", False),
    ],
)
def test_a_command_that_installs_theirs_is_seen(text: str, is_theirs: bool) -> None:
    found = THEIRS.search(text.partition(" && ")[0])
    assert (found is not None) == is_theirs


def test_nothing_installs_theirs() -> None:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WORKFLOWS]
    files += [*(ROOT / "docs").glob("*.md"), *(ROOT / "charlm").rglob("*.py")]
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            for command in line.split(" && "):
                assert not THEIRS.search(command), f"{file.name}: {line}"


def test_the_citation_is_of_this_version() -> None:
    citation = parsed(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["cff-version"] == "1.2.0"
    holder = citation["authors"][0]["name"].removeprefix("The ")
    assert holder in (ROOT / "LICENSE").read_text("utf-8")


def test_a_source_distribution_has_what_its_tests_read() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert all((ROOT / each).exists() for each in included)
    assert {".ci", ".github", "CITATION.cff", "zensical.toml", "docs", "tests"} <= set(included)


# Forms


def test_a_bug_report_asks_for_the_version_and_the_command() -> None:
    form = parsed(ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml")
    required = [each for each in form["body"] if each.get("validations", {}).get("required")]
    asked = " ".join(str(each["attributes"]) for each in required)
    assert "charlm --version --verbose" in asked
    assert "What did you type?" in asked


@pytest.mark.parametrize("form", ["bug", "idea"])
def test_fields_of_a_form_have_names_of_their_own(form: str) -> None:
    content = parsed(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml")
    assert content["name"]
    assert content["description"]
    names = [each["id"] for each in content["body"]]
    assert len(set(names)) == len(names) >= 3


# What the tests may reach


def test_no_test_reaches_another_machine() -> None:
    with pytest.raises(PermissionError, match=r"may not connect to 192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    with pytest.raises(PermissionError, match=r"may not connect to example\.org"):
        socket.getaddrinfo("example.org", 443)
    with (
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        pytest.raises(PermissionError, match=r"may not connect to 192\.0\.2\.1"),
    ):
        datagrams.sendto(b"?", ("192.0.2.1", 53))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=10).close()


@pytest.mark.parametrize("name", sorted(REQUIREMENTS))
def test_every_dependency_has_both_bounds(name: str) -> None:
    assert re.fullmatch(r">=[\d.]+,<[\d.]+", REQUIREMENTS[name])
