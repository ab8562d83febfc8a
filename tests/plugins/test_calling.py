"""Calls of plugins' hooks: with the arguments they take, awaited if necessary, isolated from each other."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from msanic_core import Context, OfflineReason, PluginError, Server, SessionInfo, command, hookimpl
from msanic_core.testing import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_clients import MakePlugin


class OwnSettings(msgspec.Struct):
    colour: str = "red"


def test_what_server_start_returns_is_the_plugins_state(make_plugin: MakePlugin) -> None:
    seen: dict[str, Any] = {}
    lost = asyncio.Event()

    @command("probe.look")
    def look(ctx: Context[None, list[str]]) -> None:
        seen["command"] = ctx.state
        seen["server"] = ctx.server.state_of("probe", list)

    async def server_start() -> list[str]:
        await asyncio.sleep(0)
        return ["its own"]

    def ws_offline(state: list[str]) -> None:
        seen["offline"] = state
        lost.set()

    async def main() -> None:
        hooks = {
            "server_start": server_start,
            "ws_command": lambda: [look],
            "ws_online": lambda state: seen.update(online=state),
            "ws_offline": ws_offline,
            "server_stop": lambda state: seen.update(stop=state),
        }
        async with serving({"probe": make_plugin(**hooks), "none": make_plugin(ws_online=lambda: None)}) as server:
            ws = await server.connect("ada")
            await ws.send('{"cmd": "probe.look"}')
            await ws.recv()
            await ws.close()
            async with asyncio.timeout(10):
                await lost.wait()
            assert server.server.state_of("none") is None
            assert server.server.state_of("no such plugin") is None
            with pytest.raises(TypeError, match="the state of 'probe': list instead of dict"):
                server.server.state_of("probe", dict)

    asyncio.run(main())
    states = list(seen.values())
    assert list(seen) == ["online", "command", "server", "offline", "stop"]
    assert all(each is states[0] for each in states)
    assert states[0] == ["its own"]


def test_two_servers_have_a_state_each(make_plugin: MakePlugin) -> None:
    async def main() -> None:
        probe = make_plugin(server_start=lambda: object())
        async with serving({"probe": probe}) as one, serving({"probe": probe}) as other:
            assert one.server.state_of("probe") is not other.server.state_of("probe")

    asyncio.run(main())


def test_plugins_stop_in_the_reverse_of_the_order_in_which_they_start(make_plugin: MakePlugin) -> None:
    order: list[str] = []

    def named(name: str, *, tryfirst: bool = False) -> SimpleNamespace:
        plugin = make_plugin(server_stop=lambda: order.append(f"-{name}"))
        plugin.server_start = hookimpl(tryfirst=tryfirst)(lambda: order.append(f"+{name}"))
        return plugin

    async def main() -> None:
        plugins = {"b": named("b"), "a": named("a"), "d": named("d", tryfirst=True)}
        async with serving({**plugins, "c": make_plugin(server_stop=lambda: order.append("-c"))}):
            pass

    asyncio.run(main())
    assert order == ["+d", "+a", "+b", "-c", "-b", "-a", "-d"]


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
            "first": make_plugin(server_start=lambda: started.append("first")),
            "broken": make_plugin(server_start=lambda: server_start()),
            "above": make_plugin(server_start=lambda: started.append("above")),
        }
        async with serving(plugins):
            pytest.fail("the server started")

    with pytest.raises(PluginError, match="plugin broken: server_start raised LookupError: no licence") as raised:
        asyncio.run(main())
    assert raised.value.packages == ("broken",)
    assert started == ["above"]


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
            "a": make_plugin(ws_online=fails),
            "b": make_plugin(ws_online=hangs),
            "c": make_plugin(ws_online=lambda: called.set()),
        }
        settings = {"offline": {"yield_after": 0.05, "cancel_after": 0.1}}
        async with serving(plugins, settings) as server, await server.connect("ada") as ws:
            await (await ws.ping())
            async with asyncio.timeout(10):
                await called.wait()
            (session,) = await server.server.sessions("ada")
            lines = [
                f"plugin a: ws_online for session {session.id} raised",
                f"plugin b: ws_online for session {session.id} cancelled after 0.1 s",
            ]
            assert [record.getMessage() for record in caplog.records] == lines

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
