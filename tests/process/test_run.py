"""`serve` as a process: what it shows, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from msanic_core.testing import install_plugin, serve_process

if TYPE_CHECKING:
    from pathlib import Path

CHAT = """
import asyncio, os, signal, sys
from msanic_core import command, hookimpl

@command("chat.say", id=2001)
def say(ctx): ...

@hookimpl
def ws_command():
    return [say]

@hookimpl
def server_start():
    {start}

@hookimpl
def server_stop():
    print("chat has stopped", file=sys.stderr)
"""
STOP_EARLY = "os.kill(os.getpid(), signal.SIGTERM)"
SAY_MODULES = """
import sys
from msanic_core import hookimpl

@hookimpl
def server_stop():
    print("modules:", *sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_in_order(tmp_path: Path, number: signal.Signals) -> None:
    install_plugin(tmp_path, "chat", CHAT.format(start="pass"), version="1.2")

    async def main() -> list[str]:
        async with serve_process(tmp_path, {"plugins.load": ["chat"]}) as server:
            async with connect(server.websocket_url("user=ada"), proxy=None) as ws:
                server.signal(number)
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                assert ws.close_code == 1012
            assert await server.exit_code() == 0
        return [line.split(": ", 1)[-1] if "INFO" in line else line for line in server.log]

    log = asyncio.run(main())
    ready = next(i for i, line in enumerate(log) if line.startswith("msanic-core ") and line.endswith(" is ready"))
    rows = dict(line.split(maxsplit=1) for line in log[ready + 1 : ready + 8])
    assert rows["http"].startswith("http://127.0.0.1:")
    assert rows["websocket"] == rows["http"].replace("http", "ws") + "ws"
    assert rows["engine"].startswith("memory")
    assert rows["database"] == "sqlite://:memory:"
    assert rows["auth"].startswith("anonymous")
    assert rows["plugins"] == "chat 1.2"
    assert rows["commands"] == "chat.say"
    assert "stopping: 1 sessions" in log
    assert "chat has stopped" in log
    assert log[-1].startswith("stopped in ")
    assert not [line for line in log if "Traceback" in line or "WARNING" in line or "ERROR" in line]


def test_the_settings_of_the_wire_reach_it(tmp_path: Path) -> None:
    async def main() -> None:
        settings = {"plugins.load": [], "ws.json_frames": "binary", "ws.handshake_time": "require"}
        async with (
            serve_process(tmp_path, settings) as server,
            connect(server.websocket_url("user=ada"), proxy=None) as ws,
        ):
            reject = await ws.recv()
            assert isinstance(reject, bytes)
            assert json.loads(reject)["cmd"] == 1002

    asyncio.run(main())


def test_what_a_server_may_never_need_is_not_imported(tmp_path: Path) -> None:
    install_plugin(tmp_path, "chat", SAY_MODULES)
    with next(tmp_path.rglob("METADATA")).open("a") as metadata:
        metadata.write("Requires-Dist: msanic-core>=0.1,<1000\n")

    async def main() -> list[str]:
        async with serve_process(tmp_path, {"plugins.load": ["chat"]}) as server:
            async with connect(server.websocket_url("user=ada"), proxy=None) as ws:
                await ws.send('{"cmd":"sys.ping","req":1}')
                await ws.recv()
            server.signal(signal.SIGTERM)
            await server.exit_code()
        return server.log

    (modules,) = [line.split()[1:] for line in asyncio.run(main()) if line.startswith("modules: ")]
    assert "msanic_core.db.database" in modules
    assert {"tortoise", "packaging", "difflib", "redis"}.isdisjoint(modules)


def test_a_signal_during_the_start_stops_the_server_in_order_too(tmp_path: Path) -> None:
    install_plugin(tmp_path, "chat", CHAT.format(start=STOP_EARLY))

    async def main() -> list[str]:
        async with serve_process(tmp_path, {"plugins.load": ["chat"]}) as server:
            assert await server.exit_code() == 0
        return server.log

    assert "chat has stopped" in asyncio.run(main())


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    source = CHAT.format(start="pass").replace("def server_stop():", "async def server_stop():")
    install_plugin(tmp_path, "chat", source + "    await asyncio.Event().wait()\n")

    async def main() -> None:
        async with serve_process(tmp_path, {"plugins.load": ["chat"], "server.drain_timeout": 60.0}) as server:
            server.signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while "chat has stopped" not in server.log:
                    await asyncio.sleep(0.01)
            server.signal(signal.SIGTERM)
            assert await server.exit_code() == -signal.SIGTERM

    asyncio.run(main())


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("raise RuntimeError('no licence')", "plugin chat: server_start raised RuntimeError: no licence"),
        ("raise SystemExit(3)", None),
    ],
)
def test_a_plugin_that_does_not_start_ends_the_process(tmp_path: Path, start: str, line: str | None) -> None:
    install_plugin(tmp_path, "chat", CHAT.format(start=start))

    async def main() -> None:
        async with serve_process(tmp_path, {"plugins.load": ["chat"]}):
            pytest.fail("it started")

    with pytest.raises(RuntimeError, match="the server did not start") as raised:
        asyncio.run(main())
    if line is not None:
        assert str(raised.value).splitlines()[-1] == f"msanic-core: error: {line}"
        assert "Traceback" not in str(raised.value)
