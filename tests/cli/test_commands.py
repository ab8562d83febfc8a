import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from msanic_core.cli import main
from msanic_core.cli.commands import type_name
from msanic_core.commands.signature import NO_DATA

Install = Callable[[str, str], None]

PARLOUR = '''
import msgspec
from msanic_core.commands.declaration import command
from msanic_core.hookspecs import hookimpl

class Say(msgspec.Struct):
    room: str

@command("parlour.say", id=2001)
def say(ctx, data: Say):
    """Say something in a room.

    All of it.
    """

@command("parlour.list")
def list_(ctx):
    pass

@hookimpl
def ws_command():
    return [say, list_]
'''


def test_table_is_sorted_by_name(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("parlour", PARLOUR)
    assert main(["commands", "--set", "plugins.load=parlour"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert [line.split(maxsplit=4) for line in captured.out.splitlines()] == [
        ["NAME", "ID", "PLUGIN", "DATA", "SUMMARY"],
        ["parlour.list", "-", "parlour", "-", "-"],
        ["parlour.say", "2001", "parlour", "Say", "Say something in a room."],
    ]


def test_json(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("parlour", PARLOUR)
    assert main(["commands", "--json", "--set", "plugins.load=parlour"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "parlour.list", "id": None, "plugin": "parlour", "data": None, "summary": ""},
        {"name": "parlour.say", "id": 2001, "plugin": "parlour", "data": "Say", "summary": "Say something in a room."},
    ]


def test_what_is_missing_is_told(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("wreck", "import nowhere_to_be_found")
    assert main(["commands", "--set", "plugins.load=wreck"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "There are no commands: `msanic-core plugins` shows which plugins are in use.\n"
    assert captured.err.startswith("msanic-core: error: cli-test-wreck 1.2: cannot be imported: ")


class Say(msgspec.Struct):
    text: str


@pytest.mark.parametrize(
    ("data_type", "name"),
    [(NO_DATA, None), (Any, "any"), (int, "int"), (Say, "Say"), (list[int], "list[int]"), (str | None, "str | None")],
)
def test_type_names(data_type: Any, name: str | None) -> None:
    assert type_name(data_type) == name
