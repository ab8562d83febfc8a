"""What documents, examples and docstrings import comes from a public place, and is there."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PUBLIC = {
    "msanic_core",
    "msanic_core.client",
    "msanic_core.constraints",
    "msanic_core.db",
    "msanic_core.http",
    "msanic_core.testing",
    "msanic_core.testing.fixtures",
}

_IMPORT = re.compile(r"^(?:>>> |\.\.\. )?[ ]*from (msanic_core[\w.]*) import (\([^)]*\)|[^#\n(]+)", re.MULTILINE)
_MODULE = re.compile(r"^(?:>>> |\.\.\. )?[ ]*import (msanic_core[\w.]*)", re.MULTILINE)


def sources() -> Iterator[tuple[Path, str]]:
    """Each file with what of it is shown to users."""
    for pattern in ("README.md", "docs/*.md", "plugins/*/README.md", "examples/**/*.py", "plugins/*/src/**/*.py"):
        for path in ROOT.glob(pattern):
            # Tortoise writes migrations, and names a field by the module that it is in.
            if path.parent.name != "migrations":
                yield path, path.read_text()
    for path in (ROOT / "msanic_core").rglob("*.py"):
        yield path, "\n".join(docstrings(path))


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def imports_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Each imported module with the imported name; None where the module itself is imported."""
    for module in _MODULE.findall(text):
        yield module, None
    for module, names in _IMPORT.findall(text):
        for name in re.sub(r"#.*", "", names).strip("() \n").split(","):
            if name.strip():
                yield module, name.split(" as ")[0].strip()


FOUND = sorted(
    {(module, name or "", str(path.relative_to(ROOT))) for path, text in sources() for module, name in imports_in(text)}
)


TEXT = """\
>>> from msanic_core import A  # and why
    from msanic_core.http import (
        b,  # first
        c as d,
    )  # fmt: skip
import msanic_core.db
"""


def test_imports_are_found_in_every_form() -> None:
    expected = [("msanic_core.db", None), ("msanic_core", "A"), ("msanic_core.http", "b"), ("msanic_core.http", "c")]
    assert list(imports_in(TEXT)) == expected


def test_imports_come_from_a_public_place() -> None:
    assert not [found for found in FOUND if found[0] not in PUBLIC]


def test_imported_names_are_there() -> None:
    assert not [found for found in FOUND if found[1] and not hasattr(importlib.import_module(found[0]), found[1])]


def test_a_room_that_says_what_is_public_shows_nothing_else() -> None:
    closed = {
        name: set(module.__all__) for name in PUBLIC if hasattr(module := importlib.import_module(name), "__all__")
    }
    assert not [found for found in FOUND if found[1] and found[1] not in closed.get(found[0], {found[1]})]


@pytest.mark.parametrize("room", ["client", "constraints", "http", "testing", "testing.fixtures"])
def test_public_places_say_what_is_public(room: str) -> None:
    module = importlib.import_module(f"msanic_core.{room}")
    assert module.__all__ == sorted(module.__all__, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(module, name) for name in module.__all__)
