"""Wherever the core calls a plugin, its models use the database of the server that calls."""

import asyncio
import json
import sqlite3
from pathlib import Path

import httpx
import pytest

from msanic_core.testing import TestServer, serving
from tests.support.migrations import make
from tests.support.model_packages import import_models, write_models

MODELS = """
    class Seen(Model):
        id = fields.IntField(primary_key=True)
        place = fields.CharField(max_length=50)
"""
PLUGIN = """
    import asyncio
    from sanic import Blueprint, json
    from msanic_core import AuthenticationError, Identity

    TASKS = []

    async def see(place):
        await models.Seen.create(place=place)

    @command("seen.wait")
    async def waits(ctx) -> list:
        await asyncio.sleep(0)
        await see("command that waits")
        return []

    @command("seen.plain")
    def plain(ctx) -> list:
        TASKS.append(asyncio.get_running_loop().create_task(see("task of a plain command")))
        return []

    @hookimpl
    def ws_command():
        return [waits, plain]

    @hookimpl
    async def server_start():
        await see("server_start")
        TASKS.append(asyncio.create_task(see("task of server_start")))

    @hookimpl
    async def server_stop():
        await asyncio.gather(*TASKS)
        await see("server_stop")

    @hookimpl
    async def ws_online():
        await see("ws_online")

    @hookimpl
    async def ws_offline():
        await see("ws_offline")

    @hookimpl
    async def authenticate(request):
        await see("authenticate")
        return Identity("ann")

    blueprint = Blueprint("seen", url_prefix="/seen")

    @blueprint.get("/")
    async def handler(request):
        await see("route")
        return json({"count": await models.Seen.all().count()})

    @blueprint.listener("after_server_start")
    async def listener(app):
        await see("listener")

    @hookimpl
    def http_blueprint():
        return blueprint
"""


@pytest.fixture(autouse=True)
def seen(site: Path) -> None:
    write_models(site, "seen", MODELS, PLUGIN)
    asyncio.run(make("seen"))


async def use(server: TestServer) -> None:
    """Have every hook of the plugin called but those of the stop."""
    socket = await server.connect()
    for command in ("seen.wait", "seen.plain"):
        await socket.send(json.dumps({"cmd": command, "req": 1}))
        assert json.loads(await socket.recv())["code"] == 0
    await socket.close()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/seen/")).json()["count"] >= 1


def places(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        return sorted(place for (place,) in connection.execute("select place from seen_seen"))


EVERYWHERE = sorted(
    [
        "authenticate",
        "command that waits",
        "listener",
        "route",
        "server_start",
        "server_stop",
        "task of a plain command",
        "task of server_start",
        "ws_offline",
        "ws_online",
    ]
)


def test_models_work_wherever_a_plugin_is_called(tmp_path: Path) -> None:
    async def run() -> None:
        settings = {"db": {"url": f"sqlite://{tmp_path}/seen.db"}, "auth": {"mode": "plugin"}}
        async with serving({"seen": import_models("seen")}, settings) as server:
            await use(server)

    asyncio.run(run())
    assert places(tmp_path / "seen.db") == EVERYWHERE


def test_two_servers_of_a_process_each_see_their_own_database(tmp_path: Path) -> None:
    async def run() -> None:
        seen = import_models("seen")

        def settings(name: str) -> dict[str, object]:
            return {"db": {"url": f"sqlite://{tmp_path}/{name}.db"}, "auth": {"mode": "plugin"}}

        async with serving({"seen": seen}, settings("a")) as first, serving({"seen": seen}, settings("b")) as second:
            await asyncio.gather(use(first), use(second))
            with first.node.db.entered():
                assert "a.db" in seen.models.Seen._meta.db.filename
            assert "b.db" in seen.models.Seen._meta.db.filename

    asyncio.run(run())
    assert [places(tmp_path / f"{name}.db") for name in "ab"] == [EVERYWHERE] * 2
