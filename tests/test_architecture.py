"""The house, floor by floor: who may import whom, and what may stand where.

Every import counts, also those inside functions and those for type checkers only.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "charlm"
FLOORS = [
    ["errors", "version", "seeds", "files", "progress", "palettes", "sections", "html", "kernels"],
    ["config", "presets", "keywords", "machine", "distributed"],
    ["text", "tables", "mixing"],
    ["rnn"],
    ["language_model", "generation", "scoring"],
    ["inspection"],
    ["training", "plots"],
    ["runs"],
    ["tasks"],
    ["sessions"],
    ["bench", "report", "export", "loggers", "compression"],
    ["doctor", "run_writing"],
    [
        "run",
        "api",
        "ensemble",
        "comparison",
        "cross_validation",
        "continuing",
        "repetition",
        "several_runs",
        "settings_file",
        "__init__",
    ],
    ["cli", "__main__"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# Libraries, and the only rooms that may import them; others are free.
ROOMS_OF = {
    "typer": ["cli"],
    "rich": ["cli"],
    "numba": ["kernels"],
    "llvmlite": ["kernels"],
    "ctypes": ["kernels", "machine"],
    "safetensors": ["files"],
    "pooch": ["text"],
    "charset_normalizer": ["text"],
    "matplotlib": ["plots"],
    "cycler": ["plots"],
    "plotille": ["cli"],
    "prompt_toolkit": ["cli"],
    "jinja2": ["html"],
    "onnx": ["export"],
    "markupsafe": ["html"],
    "tensorboard": ["loggers"],
    "wandb": ["loggers"],
    "mlflow": ["loggers"],
    "trackio": ["loggers"],
    "constriction": ["compression"],
}
# Where torch, which takes a second to import, is not known.
WITHOUT_TORCH = ["errors", "version", "files", "progress", "config", "presets", "keywords"]
WITHOUT_TORCH += ["palettes", "sections", "html", "text", "tables", "mixing", "plots", "runs"]
MOST_LINES = 300
# Of what a function does: signature and docstring, which list a command's options, not counted.
MOST_LINES_OF_A_BODY = 60


def module_of(path: Path) -> str:
    """The dotted name of a file: charlm/rnn/cells/gru.py -> charlm.rnn.cells.gru."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[tuple[str, str]]:
    """What a file imports, anywhere in it: modules, and of each a name or nothing."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, "") if whole in FILES else (node.module, alias.name)


def room_of(module: str) -> str:
    """The part of the house that a file belongs to: charlm.rnn.cells.gru -> rnn."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def own_imports(module: str) -> list[tuple[str, str]]:
    # The folder charlm/kernels may be deleted; who imports it does without.
    missing = ("charlm", "kernels")
    found = [each for each in imports(module) if each != missing]
    return [each for each in found if each[0].split(".")[0] == "charlm"]


def libraries(module: str) -> set[str]:
    return {name.split(".")[0] for name, _ in imports(module)} - {"charlm"}


def assert_no_circle(edges: Mapping[str, set[str]]) -> None:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for each in sorted(edges[name]):
                visit(each, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_every_part_has_its_floor() -> None:
    assert {room_of(module) for module in FILES} | {"kernels"} == set(FLOOR)


@pytest.mark.parametrize("module", FILES)
def test_imports_never_climb(module: str) -> None:
    for imported, _ in own_imports(module):
        assert FLOOR[room_of(imported)] <= FLOOR[room_of(module)], f"imports {imported} from above"


def test_no_circle_of_files() -> None:
    assert_no_circle(
        {module: {name for name, _ in own_imports(module) if name != module} for module in FILES}
    )


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, set[str]] = {room: set() for room in FLOOR}
    for module in FILES:
        rooms[room_of(module)] |= {room_of(name) for name, _ in own_imports(module)}
    assert_no_circle({room: others - {room} for room, others in rooms.items()})


@pytest.mark.parametrize("module", FILES)
def test_libraries_stay_in_their_rooms(module: str) -> None:
    for library in libraries(module) & ROOMS_OF.keys():
        assert room_of(module) in ROOMS_OF[library], f"{library} is not for {room_of(module)}"
    assert room_of(module) not in WITHOUT_TORCH or "torch" not in libraries(module)


@pytest.mark.parametrize("module", FILES)
def test_a_room_is_entered_by_what_it_offers(module: str) -> None:
    """`__all__` of a room's `__init__.py`: its files that others may import, or their names."""
    for imported, name in own_imports(module):
        room = room_of(imported)
        if room in (room_of(module), "__init__") or FILES[f"charlm.{room}"].name != "__init__.py":
            continue
        inside = imported.split(".")[2:]
        names = {inside[0] if inside else name} if inside or name else attributes_of(room, module)
        assert names <= set(offered(room)), f"{imported} {name}"
        assert not name.startswith("_")


def attributes_of(room: str, module: str) -> set[str]:
    """What a file uses of a room that it has imported by its name: kernels.pack -> pack."""
    return {
        node.attr
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == room
    }


@cache
def offered(room: str) -> tuple[str, ...]:
    for node in tree_of(f"charlm.{room}").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    raise AssertionError(f"{room} does not say what it offers")


@pytest.mark.parametrize("room", [name for name in FLOOR if f"charlm.{name}" in FILES])
def test_what_a_room_offers_is_there_and_used(room: str) -> None:
    if FILES[f"charlm.{room}"].name != "__init__.py":
        return
    used: set[str] = set()
    for module in FILES:
        for name, of_it in own_imports(module):
            if room_of(name) == room != room_of(module):
                inside = name.split(".")[2:] or [of_it]
                used |= {inside[0]} if inside[0] else attributes_of(room, module)
    assert room == "cli" or set(offered(room)) == used


@pytest.mark.parametrize("module", FILES)
def test_only_the_command_line_talks_to_the_terminal(module: str) -> None:
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    prints = [each for each in calls if isinstance(each.func, ast.Name) and each.func.id == "print"]
    assert room_of(module) == "cli" or not prints


@pytest.mark.parametrize("module", FILES)
def test_nothing_is_unpickled_and_no_text_becomes_code(module: str) -> None:
    assert not libraries(module) & {"pickle", "dill", "joblib", "shelve"}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in [
                ("torch", "load"),
                ("np", "load"),
                ("numpy", "load"),
            ]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("exec", "eval", "compile")


@pytest.mark.parametrize("module", FILES)
def test_files_and_functions_are_small(module: str) -> None:
    assert FILES[module].read_text(encoding="utf-8").count("\n") <= MOST_LINES
    assert ast.get_docstring(tree_of(module))
    assert FILES[module].stem not in ("utils", "util", "helpers", "common", "misc")
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            lines = node.end_lineno - node.body[int(documented)].lineno + 1
            assert lines <= MOST_LINES_OF_A_BODY, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("module", FILES)
def test_no_assertion_decides_what_happens(module: str) -> None:
    """Assertions may be switched off; `assert x is not None` only tells a type checker."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Assert):
            assert ast.unparse(node.test).endswith("is not None"), ast.unparse(node)


@pytest.mark.parametrize("module", FILES)
def test_processes_talk_to_one_another_in_one_room(module: str) -> None:
    names = {f"{name}.{of_it}" for name, of_it in imports(module)}
    told = ("torch.distributed", "torch.multiprocessing", "torch.nn.parallel")
    used = {name for name in names if name.startswith(told)}
    assert room_of(module) == "distributed" or not used


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest takes the second for the first, if they are collected together."""
    counts = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in counts.items() if count > 1] == []
