"""The house: which room may import which, and where a third-party package may be used."""

import ast
import graphlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "msanic_core"

# Each room with the rooms below it that it may use, lowest first.
ROOMS: dict[str, set[str]] = {
    "codes": set(),
    "errors": {"codes"},
    "identity": set(),
    "constraints": {"identity"},
    "wire": set(),
    "config": {"errors"},
    "engine": {"codes", "errors", "identity", "wire"},
    "db": {"codes", "errors", "identity", "wire", "engine"},
    "session": {"codes", "errors", "identity", "wire", "engine"},
    "commands": {"errors", "wire"},
    "context": {"codes", "identity", "wire", "engine", "session", "db"},
    "hookspecs": {"codes", "identity", "engine", "commands", "context"},
    "plugins": {"codes", "errors", "identity", "config", "wire", "engine", "db", "session", "commands", "context",
                "hookspecs"},
    "dispatch": {"codes", "errors", "wire", "db", "engine", "session", "commands", "context"},
    "transport": {"codes", "wire", "session"},
    "http": {"codes", "errors", "identity", "config", "wire", "engine", "db", "commands", "context", "plugins"},
    "admission": {"codes", "errors", "identity", "config", "wire", "engine", "db", "session", "context", "plugins",
                  "transport", "http"},
}  # fmt: skip
ROOMS["node"] = set(ROOMS)
ROOMS["process"] = {"config"}
ROOMS["client"] = {"codes", "errors", "wire"}
ROOMS["testing"] = {*ROOMS} - {"client"}
ROOMS["cli"] = {*ROOMS} - {"testing"}
ROOMS["__main__"] = {"cli"}
ROOMS["__init__"] = set(ROOMS) - {"transport", "admission", "node", "process", "client", "testing", "cli", "__main__"}


# Packages that are used in some rooms only, at run time; types may be imported for type checkers anywhere.
HOMES: dict[str, set[str]] = {
    "sanic": {"admission", "http", "node", "testing", "transport"},
    "sanic_routing": {"http"},
    "aiofastnet": {"transport"},
    "uvloop": {"process"},
    "phonenumbers": {"constraints"},
    "tortoise": {"db", "testing"},
    "pypika_tortoise": {"db"},
    "aiosqlite": {"db"},
    "asyncpg": {"db", "testing"},
    "asyncmy": {"testing"},
    "pytest": {"testing"},
    "redis": {"engine", "testing"},
    "pluggy": {"hookspecs", "plugins"},
    "msgpack": {"wire"},
    "websockets": {"cli", "client", "testing", "wire"},
    "packaging": {"plugins"},
    "typing_extensions": {"context", "db", "testing"},
    "mypy_extensions": {"dispatch", "session", "wire"},
    "msgspec": {"cli", "client", "commands", "config", "constraints", "db", "dispatch", "engine", "http", "identity",
                "plugins", "session", "testing", "wire"},
}  # fmt: skip


class Import(NamedTuple):
    path: Path
    line: int
    target: str
    at_run_time: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE.parent)}:{self.line} imports {self.target}"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def folder_of(path: Path) -> str:
    return str(path.parent.relative_to(PACKAGE.parent))


def imports_in(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(), str(path))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(path, node.lineno, target, id(node) not in for_types)


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in imports_in(path)]


def test_every_room_is_in_the_plan() -> None:
    assert {room_of(path) for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_below(room: str) -> None:
    breaches = []
    for found in IMPORTS:
        parts = found.target.split(".")
        if room_of(found.path) == room and parts[0] == "msanic_core" and len(parts) > 1:
            is_module = (PACKAGE / f"{parts[1]}.py").exists() or (PACKAGE / parts[1]).is_dir()
            target = parts[1] if is_module else "__init__"
            if target not in {room, *ROOMS[room]}:
                breaches.append(str(found))
    assert not breaches


def test_the_plan_has_no_way_up() -> None:
    seen: set[str] = set()
    for room, below in ROOMS.items():
        if room != "__init__":
            assert below <= seen, f"{room} uses {below - seen}, which the plan lists above it"
        seen.add(room)


def test_third_party_packages_stay_in_their_rooms() -> None:
    breaches = []
    for found in IMPORTS:
        package = found.target.split(".")[0]
        if package in {*sys.stdlib_module_names, "annotationlib", "msanic_core"}:  # annotationlib: from Python 3.14 on
            continue
        assert package in HOMES, f"{found}: say in this test where {package} may be used"
        if found.at_run_time and room_of(found.path) not in HOMES[package]:
            breaches.append(str(found))
    assert not breaches


def test_files_stay_short() -> None:
    assert not [f"{path}: {lines}" for path in FILES if (lines := len(path.read_text().splitlines())) > 350]


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Types included: files that need each other's types lack a word that both can use."""
    modules = {module_of(path) for path in FILES}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in IMPORTS:
        target = found.target
        while target not in modules and "." in target:
            target = target.rpartition(".")[0]
        if target in modules and target != module_of(found.path):
            graph[module_of(found.path)].add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_one_name_is_one_thing() -> None:
    """No two files, and no two classes, have one name in different rooms: a reader can search for it."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        if path.name not in {"__init__.py", "__main__.py"}:
            places[path.name].add(folder_of(path))
        for node in ast.walk(ast.parse(path.read_text())):
            # `Meta` is Tortoise's word: the options of a model.
            if isinstance(node, ast.ClassDef) and node.name != "Meta":
                places[node.name.lstrip("_")].add(folder_of(path))
    assert not {name: rooms for name, rooms in places.items() if len(rooms) > 1}
