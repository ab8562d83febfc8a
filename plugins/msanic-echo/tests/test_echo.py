import asyncio
import json
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msanic_echo
import msgpack
import pytest

from msanic_core.testing import serving

PACKAGE = Path(__file__).parent.parent


def ask(*messages: str | bytes) -> list[Any]:
    """Send each message to a server with this plugin, and return what it answers to each."""

    async def main() -> list[Any]:
        async with serving({"echo": msanic_echo}) as server, await server.connect("ada") as client:
            for message in messages:
                await client.send(message)
            answers = [await client.recv() for _ in messages]
        return [json.loads(each) if isinstance(each, str) else msgpack.unpackb(each) for each in answers]

    return asyncio.run(main())


@pytest.mark.parametrize("cmd", ["echo.ping", 2001])
def test_answers_with_the_same_text(cmd: str | int) -> None:
    request = {"cmd": cmd, "data": {"text": "hällo"}, "req": 7}
    reply = {"cmd": cmd, "data": {"text": "hällo"}, "code": 0, "req": 7, "hint": ""}
    assert ask(json.dumps(request), msgpack.packb(request)) == [reply, reply]


@pytest.mark.parametrize(
    ("data", "hint"),
    [({}, "data: missing required field text"), ({"text": 1}, "data.text: expected str, got int")],
)
def test_what_does_not_fit_is_refused(data: object, hint: str) -> None:
    [reply] = ask(json.dumps({"cmd": "echo.ping", "data": data}))
    assert (reply["code"], reply["hint"]) == (12, hint)


def test_the_entry_point_is_the_module() -> None:
    [entry_point] = entry_points(group="msanic_core", name="echo")
    assert entry_point.load() is msanic_echo


def test_the_readme_shows_the_whole_plugin() -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    shown = dict(reversed(blocks))
    assert shown["python"] == (PACKAGE / "src/msanic_echo/__init__.py").read_text()
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    assert tomllib.loads(shown["toml"])["project"]["entry-points"] == project["entry-points"]
