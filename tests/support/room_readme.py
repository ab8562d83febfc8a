"""Checks that the names in a room's README exist."""

import ast
import asyncio
import re
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from msanic_core.config.sections import SECTIONS

PACKAGE = Path(__file__).parent.parent.parent / "msanic_core"
PYTHON: dict[str, Any] = {
    "asyncio": asyncio,
    "loop": asyncio.AbstractEventLoop,
    "task": asyncio.Task,
    "coroutine": types.CoroutineType,
}
"""Python's own names in the pages."""
NEWER = {"asyncio.eager_task_factory"} if sys.version_info < (3, 12) else set()
"""Names that the running Python does not have yet."""


def names_in(text: str) -> list[str]:
    """The file names, dotted names and settings in backticks; of a call only the function."""
    quoted = [each.partition("(")[0] for each in re.findall(r"`([^`\n]+)`", text)]
    return [each for each in quoted if re.fullmatch(r"\[\w+\] \w+|[\w/]+(?:\.\w+)+", each)]


def missing(room: str, text: str) -> list[str]:
    """Return the names in the README of a room that do not exist."""
    return [name for name in names_in(text) if not _exists(room, name)]


def _exists(room: str, name: str) -> bool:
    if name.startswith("["):
        section, key = name[1:].split("] ")
        return section in SECTIONS and key in {field.name for field in msgspec.structs.fields(SECTIONS[section])}
    if name.endswith(".py"):
        return (PACKAGE / room / name).exists() or (PACKAGE / name).exists()
    if name.startswith("sys."):
        return f'"{name}"' in (PACKAGE / "dispatch" / "core_commands.py").read_text()
    first, *rest = name.split(".")
    if first in PYTHON:
        return name in NEWER or all(hasattr(PYTHON[first], each) for each in rest)
    module = PACKAGE / room / f"{first}.py"
    known = _definitions(module) if module.exists() else _classes().get(first, set())
    return len(rest) == 1 and rest[0] in known


@cache
def _classes() -> dict[str, set[str]]:
    """For each class of the package, by name, the names that it defines."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_members(node))
    return found


def _definitions(path: Path) -> set[str]:
    return {getattr(node, "name", "") for node in ast.parse(path.read_text()).body}


def _members(class_: ast.ClassDef) -> set[str]:
    """Methods, fields, and the attributes that methods assign to `self`."""
    found = set()
    for node in ast.walk(class_):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.attr for each in targets if isinstance(each, ast.Attribute)}
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found
