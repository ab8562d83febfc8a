"""Wherever the core calls a plugin, its models use the database of the server that calls."""

import asyncio
import json
import sqlite3
from pathlib import Path

import httpx
import pytest

from msanic_core.config import settings_from
from msanic_core.node.lifecycle import RunningNode
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins
from msanic_core.process.bind import bind
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
    from msanic_core import CommandError, Identity
    from tortoise.transactions import in_transaction

    TASKS = []
    LOST = asyncio.Event()

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

    @command("seen.kick")
    async def kicks(ctx, data: str) -> None:
        async with in_transaction():
            await see("command that is rolled back")
            await ctx.server.kick(data)
            await LOST.wait()
            for _ in range(20):
                await models.Seen.all().count()
            raise CommandError(100)

    @hookimpl
    def ws_command():
        return [waits, plain, kicks]

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
        LOST.set()
        await see("ws_offline")

    @hookimpl
    async def authenticate(request):
        await see("authenticate")
        return Identity(request.args.get("user", "ann"))

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


def test_who_is_kicked_in_a_transaction_is_gone_after_its_end_too(tmp_path: Path) -> None:
    async def run() -> None:
        settings = {"db": {"url": f"sqlite://{tmp_path}/seen.db"}, "auth": {"mode": "plugin"}}
        async with serving({"seen": import_models("seen")}, settings) as server:
            bob = await server.connect("bob")
            ann = await server.connect("ann")
            await ann.send(json.dumps({"cmd": "seen.kick", "data": "bob", "req": 1}))
            assert json.loads(await ann.recv())["code"] == 100
            await bob.wait_closed()

    asyncio.run(run())
    found = places(tmp_path / "seen.db")
    assert found.count("ws_offline") == 2, "the transaction was the command's own"
    assert "command that is rolled back" not in found


def test_a_server_that_is_started_after_another_was_made_has_its_own_database(tmp_path: Path) -> None:
    async def run() -> None:
        plugins = {"seen": import_models("seen")}
        nodes = []
        for name in "ab":
            settings = settings_from(
                {
                    "db": {"url": f"sqlite://{tmp_path}/{name}.db", "migrate": True},
                    "plugins": {"load": []},
                }
            )
            nodes.append(Node(settings, load_plugins(settings, plugins)))
        for node in nodes:
            node.app.config.TOUCHUP = False
            with bind("127.0.0.1", 0, 10) as sock:
                await (await RunningNode.start(node, sock)).stop()

    asyncio.run(run())
    started = ["listener", "server_start", "server_stop", "task of server_start"]
    assert [places(tmp_path / f"{name}.db") for name in "ab"] == [started] * 2
