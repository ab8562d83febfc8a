"""The composition root: which settings reach Sanic, and that nodes share no state."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from sanic import Sanic

from msanic_core import Context, PluginError, command
from msanic_core.config import settings_from
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins
from msanic_core.testing import serving

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin, Raw


@command("test.greet")
def greet(ctx: Context, data: str) -> str:
    return f"{data}, {ctx.user}"


def test_a_command_over_a_real_socket(make_plugin: MakePlugin) -> None:
    async def main() -> Any:
        async with (
            serving({"test": make_plugin(ws_command=lambda: [greet])}) as server,
            await server.connect("ada") as ws,
        ):
            await ws.send('{"cmd": "test.greet", "data": "hello", "req": 7}')
            return json.loads(await ws.recv())

    assert asyncio.run(main()) == {"cmd": "test.greet", "data": "hello, ada", "code": 0, "req": 7, "hint": ""}


def test_the_path_of_the_websocket_is_a_setting(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}, {"ws": {"path": "/realtime/v1"}}) as server, await server.connect("ada") as ws:
            await (await ws.ping())
            async with raw(server.port) as client:
                await client.send(client.handshake("/ws"))
                assert (await client.response())[0] == 404

    asyncio.run(main())


def test_two_nodes_of_a_process_share_nothing(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        other_ = serving({"test": make_plugin(ws_command=lambda: [greet])})
        async with (
            serving({}) as one,
            other_ as other,
            await one.connect("ada") as ws,
            await other.connect("ada") as ws2,
        ):
            assert one.node.id != other.node.id
            assert [len(each.node.registry) for each in (one, other)] == [1, 1]
            for each in (ws, ws2):
                await each.send('{"cmd": "test.greet", "data": "hi"}')
            assert [json.loads(await each.recv())["code"] for each in (ws, ws2)] == [11, 0]

    asyncio.run(main())


def test_a_node_that_stopped_leaves_no_app_behind() -> None:
    async def main() -> str:
        async with serving({}) as server:
            return server.node.app.name

    name = asyncio.run(main())
    assert name not in Sanic._app_registry


def test_what_reaches_sanic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from the environment, no access log (it holds query strings), no banner and no extras of Sanic's."""
    monkeypatch.setenv("SANIC_ACCESS_LOG", "true")
    monkeypatch.setenv("SANIC_KEEP_ALIVE_TIMEOUT", "1")

    async def main() -> None:
        async with serving({}, {"http": {"head_timeout": 3.5, "max_body": 1234}}) as server:
            config = server.node.app.config
            assert (config.HEAD_TIMEOUT, config.REQUEST_MAX_SIZE) == (3.5, 1234)
            assert (config.ACCESS_LOG, config.MOTD, config.AUTO_EXTEND) == (False, False, False)
            assert config.KEEP_ALIVE_TIMEOUT > 1

    asyncio.run(main())


def test_no_access_log(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving({}) as server, raw(server.port) as client:
            assert (await client.request("GET", "/livez"))[0] == 200

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "/livez" not in caplog.text


def test_plugins_that_cannot_be_served_together_stop_the_node(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        settings = settings_from({"plugins": {"load": []}})
        both = {name: make_plugin(ws_command=lambda: [greet]) for name in ("one", "two")}
        Node(settings, load_plugins(settings, both))

    with pytest.raises(PluginError, match=r"test\.greet"):
        asyncio.run(main())
