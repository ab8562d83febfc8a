"""ARCHITECTURE.md: a real server takes the walks that it describes, and what it names exists."""

import ast
import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from msanic_core import Context, command
from msanic_core.testing import TestServer, serving
from tests.support.raw_clients import MakePlugin
from tests.test_imports import PACKAGE, ROOMS

PAGE = (Path(__file__).parent.parent / "ARCHITECTURE.md").read_text()
BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""
STEP = re.compile(r"^\d+\. `([\w/]+\.py)` `([\w.]+)`", re.MULTILINE)
PLACE = re.compile(r"`([\w/]+\.(?:py|lua))`(?:\s`([\w.]+)`)?")


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def steps(heading: str) -> list[tuple[str, str]]:
    found = STEP.findall(section(heading))
    assert len(found) > 5
    return found


def test_the_rooms_are_those_that_the_imports_are_held_to() -> None:
    named = re.findall(r"^\| `(\w+)` \|", section("Rooms"), re.MULTILINE)
    assert named == [room for room in ROOMS if not room.startswith("__")]


@pytest.mark.parametrize(("file", "name"), sorted(set(PLACE.findall(PAGE))))
def test_what_the_page_names_exists(file: str, name: str) -> None:
    path = PACKAGE / file if not file.startswith("tests/") else PACKAGE.parent / file
    assert path.exists()
    if name:
        names: Any = ast.parse(path.read_text()).body
        for part in name.split("."):
            [node] = [each for each in names if getattr(each, "name", None) == part]
            names = node.body


@contextmanager
def recorded() -> Iterator[list[tuple[str, str]]]:
    """The functions of the package that are called in this thread meanwhile, as the page writes them."""
    calls: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            calls.append((str(path.relative_to(PACKAGE)), frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def assert_walked(heading: str, calls: list[tuple[str, str]]) -> None:
    """The steps were taken, in this order, with whatever else in between."""
    rest = iter(calls)
    for step in steps(heading):
        assert step in rest, f"{step} does not come after the steps before it"


@command("walk.here")
async def here(_: Context) -> str:
    return "there"


@asynccontextmanager
async def walking(make_plugin: MakePlugin, **hooks: Callable[..., Any]) -> AsyncIterator[TestServer]:
    async with serving({"walk": make_plugin(ws_command=lambda: [here], **hooks)}) as server:
        yield server


@pytest.mark.interpreted
def test_a_message(make_plugin: MakePlugin) -> None:
    async def run() -> list[tuple[str, str]]:
        async with walking(make_plugin) as server, await server.connect("ada") as ws:
            with recorded() as calls:
                await ws.send('{"cmd": "walk.here"}')
                assert "there" in str(await ws.recv())
            return calls

    assert_walked("A message", asyncio.run(run()))


@pytest.mark.interpreted
def test_a_lost_connection(make_plugin: MakePlugin) -> None:
    async def run() -> list[tuple[str, str]]:
        told = asyncio.Event()
        async with walking(make_plugin, ws_offline=lambda: told.set()) as server:
            ws = await server.connect("ada")
            with recorded() as calls:
                ws.transport.abort()
                async with asyncio.timeout(BOUND):
                    await told.wait()
                    await server.node.offline.drain(asyncio.get_running_loop().time() + BOUND)
            return calls

    assert_walked("A lost connection", asyncio.run(run()))


@pytest.mark.interpreted
def test_a_durable_push(make_plugin: MakePlugin, redis_url: str) -> None:
    async def run() -> list[tuple[str, str]]:
        shared = {"redis": {"url": redis_url}}
        plugins = {"walk": make_plugin(ws_command=lambda: [here])}
        async with serving(plugins, shared) as one, serving(plugins, shared) as other, await other.connect("ada") as ws:
            await ws.send('{"cmd": "walk.here"}')
            await ws.recv()
            with recorded() as calls:
                await one.server.push("ada", "walk.told", "news")
                assert "news" in str(await ws.recv())
            return calls

    assert_walked("A durable push", asyncio.run(run()))
