"""The house, floor by floor: who may import whom, and what may stand where."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "charlm"
FLOORS = [
    [
        "errors",
        "folders",
        "memory",
        "config",
        "metrics",
        "reports",
        "seeds",
        "strict_json",
        "presets",
        "relevance",
        "keywords",
        "version",
    ],
    ["text"],
    ["rnn", "device", "threads", "recording"],
    ["model", "sizes"],
    ["evaluation", "scoring", "baselines", "dynamic", "calibration", "generation"],
    ["training"],
    ["commands", "files", "record", "run_names", "run_locks", "runs", "run_deletion", "comparison"],
    ["session", "planning", "prepare", "passages", "run_text", "run", "together", "api"],
    ["bench", "__init__"],
    ["cli", "__main__"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    "charlm." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in FILES
}


def part_of(module: str) -> str:
    """The part of the house that a dotted name belongs to: charlm.rnn.cells.gru -> rnn."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(tree: ast.AST) -> list[str]:
    """Dotted names that are imported anywhere in a file, functions included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            found += [
                f"{module}.{alias.name}"
                if f"{module}.{alias.name}" in MODULES
                or f"{module}.{alias.name}.__init__" in MODULES
                else module
                for alias in node.names
            ]
    return found


def imported_at_start(path: Path) -> list[str]:
    """What importing the file itself imports: neither in functions nor for type checkers only."""
    body = ast.parse(path.read_text()).body
    return [name for node in body if not isinstance(node, ast.If) for name in imports_of(node)]


def imports_of(node: ast.stmt) -> list[str]:
    return imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else []


@pytest.mark.parametrize("name", MODULES)
def test_imports_never_climb(name: str) -> None:
    mine = part_of(name)
    for imported in imports(ast.parse(MODULES[name].read_text())):
        if imported.split(".")[0] == "charlm":
            theirs = part_of(imported)
            assert FLOOR[theirs] <= FLOOR[mine], f"{name} imports {imported} from a floor above"


def test_every_file_has_its_floor() -> None:
    assert {part_of(name) for name in MODULES} == set(FLOOR)


def test_no_import_cycles() -> None:
    def resolved(name: str) -> str:
        return name if name in MODULES else f"{name}.__init__"

    edges = {
        name: {
            resolved(each)
            for each in imported_at_start(path)
            if resolved(each) in MODULES and resolved(each) != name
        }
        for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for each in edges[name]:
                visit(each, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) not in ("cli",)])
def test_only_the_command_line_talks_to_the_terminal(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    libraries = {imported.split(".")[0] for imported in imports(tree)}
    assert not libraries & {"typer", "rich"}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [
        each for each in calls if isinstance(each.func, ast.Name) and each.func.id == "print"
    ]


@pytest.mark.parametrize("name", [name for name in MODULES if FLOOR[part_of(name)] <= 1])
def test_the_lowest_floors_know_no_torch(name: str) -> None:
    assert "torch" not in {i.split(".")[0] for i in imports(ast.parse(MODULES[name].read_text()))}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_unpickled(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    assert not {i.split(".")[0] for i in imports(tree)} & {"pickle", "dill", "joblib", "shelve"}
    loads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "load"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("torch", "np", "numpy")
    ]
    assert not loads


@pytest.mark.parametrize("name", MODULES)
def test_files_are_small_and_say_what_they_are(name: str) -> None:
    source = MODULES[name].read_text()
    assert source.count("\n") <= 400
    assert ast.get_docstring(ast.parse(source))
    assert MODULES[name].stem not in ("utils", "util", "helpers", "common", "misc")
