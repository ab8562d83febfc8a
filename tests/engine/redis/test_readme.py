"""The room's README names every file, key, channel, payload and script there is, and nothing that there is not."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import msanic_core.engine.redis
from msanic_core.engine.redis import records
from msanic_core.engine.redis.names import Names

ROOM = Path(msanic_core.engine.redis.__file__).parent
README = (ROOM / "README.md").read_text()
LUA = {path.name: path.read_text() for path in (ROOM / "lua").iterdir()}
PYTHON = {path.name: path.read_text() for path in ROOM.glob("*.py")}
ARGUMENTS = {"owner": "OWNER", "user": "USER", "session_id": "SESSION", "group": "GROUP", "name": "NAME"}


def members() -> dict[str, tuple[str, set[str]]]:
    """The file of each class of the room and of `base.py`, and what it has: methods and attributes."""
    found = {}
    for name, text in {**PYTHON, "base.py": (ROOM.parent / "base.py").read_text()}.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                inside = list(ast.walk(node))
                methods = {each.name for each in inside if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
                set_here = {
                    each.attr for each in inside if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
                }
                found[node.name] = name, methods | set_here
    return found


def keys() -> set[str]:
    """Every kind of key that `Names` can make, without the prefix."""
    names = Names("P", 0)
    made = [names.beats, names.dead, names.epoch]
    for name, method in inspect.getmembers(names, inspect.ismethod):
        if not name.startswith("_"):
            made.append(method(*(ARGUMENTS[parameter] for parameter in inspect.signature(method).parameters)))
    return {key.removeprefix("P:") for key in made}


def payloads() -> set[str]:
    """The letters that payloads begin with."""
    source = inspect.getsource(records.read_payload)
    return {*re.findall(r'kind == b"(\w)"', source), chr(records.group_payload("red", b"")[0])}


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the tables in a section."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, heading
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def keys_of(script: str) -> list[str]:
    """The names that a script's comment gives its keys."""
    comment = re.search(r"^-- KEYS (.*?)^-- (?:ARGV|Returns)", script, re.MULTILINE | re.DOTALL)
    assert comment is not None
    return re.findall(r"(?<!\S)\d {1}(\w+)", comment[1])


def problems(text: str) -> set[str]:
    """Where the README and the room differ."""
    found = set()
    code = set(re.findall(r"`([^`\n]+)`", text))
    classes = members()
    for name in code:
        if name.endswith(".lua") and name not in LUA:
            found.add(f"there is no lua/{name}")
        if name.endswith(".py") and name not in PYTHON:
            found.add(f"there is no {name}")
        if match := re.fullmatch(r"([A-Z]\w*[a-z]\w*)\.(\w+)", name):
            owner, member = match.groups()
            if owner not in classes or member not in classes[owner][1]:
                found.add(f"there is no {name}")
    found |= {f"{name} is not named" for name in {*LUA, *PYTHON} - {*code, "__init__.py"}}

    named = {row[0].strip("`") for row in rows(text, "Keys")}
    found |= {f"key {key}" for key in named ^ keys()}
    channels = rows(text, "Channels")
    names = Names("P", 7)
    expected = {channel.replace("P:7", "DATABASE") for channel in (names.node_channel + "NODE", names.everybody)}
    found |= {f"channel {channel}" for channel in {row[0].strip("`") for row in channels if row[0]} ^ expected}
    found |= {f"payload {letter}" for letter in {row[1][1] for row in channels} ^ payloads()}

    scripts = {row[0].strip("`"): row for row in rows(text, "Scripts")}
    found |= {f"script {name}" for name in scripts.keys() ^ (LUA.keys() - {"inbox_common.lua"})}
    for name, (_, _, given, callers, _) in scripts.items():
        if name in LUA and [key.split()[0] for key in given.split(", ")] != keys_of(LUA[name]):
            found.add(f"keys of {name}")
        for caller in re.findall(r"`(\w+)\.\w+`", callers):
            file, _ = classes.get(caller, ("", set()))
            if f"scripts.{name.removesuffix('.lua').upper()}" not in PYTHON.get(file, ""):
                found.add(f"{caller} does not call {name}")
    return found


def test_the_readme_is_that_of_the_room() -> None:
    assert problems(README) == set()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("`held.py`", "`helt.py`", "there is no helt.py"),
        ("`topology.py`", "the topology", "topology.py is not named"),
        ("`Sessions.unregister`", "`Sessions.lost`", "there is no Sessions.lost"),
        ("`kick.lua`", "`throw.lua`", "there is no lua/throw.lua"),
        ("| `kick.lua` |", "| `join.lua` |", "script kick.lua"),
        ("`inbox_common.lua`", "One file", "inbox_common.lua is not named"),
        ("| `{u:USER}:taken:SESSION` |", "| `{u:USER}:took:SESSION` |", "key {u:USER}:taken:SESSION"),
        ("| `{nodes}:dead` |", "| the dead |", "key {nodes}:dead"),
        ("`lNAME`", "`xNAME`", "payload l"),
        ("`DATABASE:everybody`", "`everybody`", "channel DATABASE:everybody"),
        ("| sessions, meta, taken, job |", "| sessions, meta, job, taken |", "keys of restore.lua"),
        ("| `Inboxes.send` |", "| `Groups.broadcast` |", "Groups does not call send.lua"),
    ],
)
def test_a_difference_is_found(old: str, new: str, problem: str) -> None:
    assert old in README
    assert problem in problems(README.replace(old, new))
