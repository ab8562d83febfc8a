"""How plugins' hooks are called: with what they ask for, awaited if need be, each isolated from the others."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from msanic_core import OfflineReason, PluginError, Server, SessionInfo
from msanic_core.testing import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_clients import MakePlugin


class OwnSettings(msgspec.Struct):
    colour: str = "red"


def test_hooks_get_what_they_ask_for(make_plugin: MakePlugin) -> None:
    calls: dict[str, tuple[Any, ...]] = {}
    done = asyncio.Event()

    def server_start(server: Server, settings: OwnSettings) -> None:
        calls["start"] = (server, settings.colour)

    async def ws_online(settings: OwnSettings, session: SessionInfo) -> None:
        await asyncio.sleep(0)
        calls["online"] = (session.user, settings.colour)

    def ws_offline(reason: OfflineReason, settings: OwnSettings) -> None:
        calls["offline"] = (reason, settings.colour)
        done.set()

    async def server_stop(server: Server) -> None:
        calls["stop"] = (server,)

    async def main() -> Server:
        hooks = make_plugin(
            plugin_settings=lambda: OwnSettings,
            server_start=server_start,
            ws_online=ws_online,
            ws_offline=ws_offline,
            server_stop=server_stop,
        )
        async with serving({"probe": hooks}, {"plugins": {"probe": {"colour": "blue"}}}) as server:
            ws = await server.connect("ada")
            await ws.close()
            async with asyncio.timeout(10):
                await done.wait()
            return server.server

    server = asyncio.run(main())
    assert calls == {
        "start": (server, "blue"),
        "online": ("ada", "blue"),
        "offline": (OfflineReason.CLOSED, "blue"),
        "stop": (server,),
    }


async def fails_late() -> None:
    await asyncio.sleep(0)
    raise LookupError("no licence")


def fails() -> None:
    raise LookupError("no licence")


@pytest.mark.parametrize("server_start", [fails, fails_late])
def test_server_start_that_raises_stops_the_start(make_plugin: MakePlugin, server_start: Callable[[], Any]) -> None:
    started = []

    async def main() -> None:
        plugins = {
            "last": make_plugin(server_start=lambda: started.append("last")),
            "broken": make_plugin(server_start=lambda: server_start()),
            "above": make_plugin(server_start=lambda: started.append("above")),
        }
        async with serving(plugins):
            pytest.fail("the server started")

    with pytest.raises(PluginError, match="plugin broken: server_start raised LookupError: no licence") as raised:
        asyncio.run(main())
    assert raised.value.packages == ("broken",)
    assert started == ["last"]


@pytest.mark.parametrize("server_stop", [fails, fails_late])
def test_server_stop_that_raises_is_logged_and_the_others_are_called(
    make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture, server_stop: Callable[[], Any]
) -> None:
    stopped = []

    async def main() -> None:
        plugins = {
            "last": make_plugin(server_stop=lambda: stopped.append("last")),
            "broken": make_plugin(server_stop=lambda: server_stop()),
            "above": make_plugin(server_stop=lambda: stopped.append("above")),
        }
        async with serving(plugins):
            pass

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert stopped == ["last", "above"]
    assert [record.getMessage() for record in caplog.records] == ["plugin broken: server_stop raised"]


def test_server_stop_that_hangs_is_cancelled(make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture) -> None:
    cancelled = []

    async def server_stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def main() -> None:
        async with serving({"probe": make_plugin(server_stop=server_stop)}, {"server": {"drain_timeout": 0.1}}):
            pass

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert cancelled == [True]
    assert [each.getMessage() for each in caplog.records] == [
        "plugin probe: server_stop cancelled, the time to stop is up"
    ]


def test_ws_online_that_raises_or_hangs_does_not_end_the_session(
    make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    called = asyncio.Event()

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        plugins = {
            "c": make_plugin(ws_online=fails),
            "b": make_plugin(ws_online=hangs),
            "a": make_plugin(ws_online=lambda: called.set()),
        }
        settings = {"offline": {"yield_after": 0.05, "cancel_after": 0.1}}
        async with serving(plugins, settings) as server, await server.connect("ada") as ws:
            await (await ws.ping())
            async with asyncio.timeout(10):
                await called.wait()
            (session,) = await server.server.sessions("ada")
            lines = [
                f"plugin c: ws_online for session {session.id} raised",
                f"plugin b: ws_online for session {session.id} cancelled after 0.1 s",
            ]
            assert [record.getMessage() for record in caplog.records] == lines

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
