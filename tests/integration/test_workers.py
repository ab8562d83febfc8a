"""`serve` with several workers: what users and operators see when one of the processes dies, stops or is replaced."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from msanic_core.process.bind import bind
from msanic_core.testing import ServerProcess, install_plugin, serve_process
from tests.support.workers import gone, is_alive, written

if TYPE_CHECKING:
    from pathlib import Path

PROBE = """
import asyncio, os, sys, time
import msgspec
from sanic import Blueprint, json
from msanic_core import hookimpl

class Settings(msgspec.Struct):
    version: str = "old"

@hookimpl
def plugin_settings():
    return Settings

@hookimpl
def http_blueprint(settings):
    probe = Blueprint("probe", url_prefix="/probe")

    @probe.get("/")
    async def facts(request):
        return json({"pid": os.getpid(), "code": "first", "settings": settings.version})

    return probe
"""
HANGS_WHEN_STOPPED = """
@hookimpl
async def server_stop():
    print("it hangs", file=sys.stderr, flush=True)
    await asyncio.Event().wait()
"""
READY = r"worker \d \(pid (\d+)\) is ready"
WORKERS = 2


@asynccontextmanager
async def serving(directory: Path, redis_url: str, config: str = "") -> AsyncIterator[ServerProcess]:
    (directory / "msanic.toml").write_text(config)
    settings = {"plugins.load": ["probe"], "server.workers": WORKERS, "redis.url": redis_url}
    async with serve_process(directory, settings, config=directory / "msanic.toml") as server:
        yield server


def pids(server: ServerProcess, start: int = 0) -> list[int]:
    """The workers that have become ready, in this order."""
    return [int(match[1]) for line in server.log[start:] if (match := re.search(READY, line))]


async def ask(server: ServerProcess) -> dict[str, str | int]:
    """On a connection of its own."""
    async with httpx.AsyncClient() as client:
        answer: dict[str, str | int] = (await client.get(f"{server.url}/probe/")).raise_for_status().json()
        return answer


async def close_code(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code


async def crowd(server: ServerProcess, size: int = 20) -> list[ClientConnection]:
    return [await connect(server.websocket_url(f"user=user{number}"), proxy=None) for number in range(size)]


def assert_free(port: int) -> None:
    bind("127.0.0.1", port, 5).close()


class Stream:
    """New connections, one after the other, and how they fare."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.refused = self.failed = self.answered = 0

    async def run(self) -> None:
        while True:
            try:
                await ask(self._server)
                self.answered += 1
            except httpx.ConnectError:
                self.refused += 1
            except httpx.TransportError:
                self.failed += 1
            try:
                async with connect(self._server.websocket_url(), proxy=None):
                    self.answered += 1
            except ConnectionRefusedError:
                self.refused += 1
            except Exception:
                self.failed += 1


@asynccontextmanager
async def streaming(server: ServerProcess) -> AsyncIterator[Stream]:
    """Two of them at once, while the block runs."""
    stream = Stream(server)
    tasks = [asyncio.create_task(stream.run()) for _ in range(2)]
    try:
        yield stream
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_they_share_the_port_and_stop_in_order(tmp_path: Path, redis_url: str, number: signal.Signals) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server:
            assert len(pids(server)) == WORKERS
            assert len([line for line in server.log if "is ready" in line and "worker" not in line]) == 1
            seen: set[str | int] = set()
            async with asyncio.timeout(30):
                while len(seen) < WORKERS:
                    seen.update(answer["pid"] for answer in await asyncio.gather(*(ask(server) for _ in range(4))))
            assert seen == set(pids(server))
            clients = await crowd(server)
            server.signal(number)
            assert {await close_code(client) for client in clients} == {1012}
            assert await server.exit_code() == 0
            assert_free(server.port)
            for pid in seen:
                assert [line for line in server.log if re.search(rf"INFO worker \d\[{pid}\] .*: stopped in", line)]

    asyncio.run(run())


def test_a_killed_worker_is_replaced_and_no_connection_is_refused(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server, streaming(server) as stream:
            for pid in pids(server):
                os.kill(pid, signal.SIGKILL)
            await server.logged(r"worker 1 \(pid \d+\) is ready", start=len(server.log))
            while len(pids(server)) < 2 * WORKERS:
                await server.logged(READY, start=len(server.log))
            assert stream.refused == 0
            assert (await ask(server))["pid"] in pids(server)[WORKERS:]

    asyncio.run(run())


def test_without_their_supervisor_workers_stop_in_order(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server:
            workers = pids(server)
            clients = await crowd(server)
            server.signal(signal.SIGKILL)
            assert {await close_code(client) for client in clients} == {1012}
        for pid in workers:
            await gone(pid)
        assert len([line for line in server.log if "stopped in" in line]) == WORKERS
        assert_free(server.port)

    asyncio.run(run())


def test_without_their_supervisor_workers_that_are_starting_end(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)
    loading = tmp_path / "loading"

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server:
            (tmp_path / "msanic_probe.py").write_text(f"import os, time; os.mkdir({str(loading)!r}); time.sleep(600)")
            server.signal(signal.SIGHUP)
            await written(loading)
            server.signal(signal.SIGKILL)
        orphans = [match[1] for line in server.log if (match := re.search(r"pid (\d+)\) stops: its supervisor", line))]
        assert len(orphans) == WORKERS + 1
        for pid in map(int, orphans):
            await gone(pid)
        assert_free(server.port)

    asyncio.run(run())


def test_sighup_brings_new_code_and_settings_and_no_connection_fails(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url, '[plugins.probe]\nversion = "as at first"') as server:
            old = pids(server)
            client = await connect(server.websocket_url("user=ada"), proxy=None)
            answer = await ask(server)
            assert (answer["code"], answer["settings"]) == ("first", "as at first")
            (tmp_path / "msanic_probe.py").write_text(PROBE.replace("first", "second"))
            (tmp_path / "msanic.toml").write_text('[plugins.probe]\nversion = "as it is now"')
            async with streaming(server) as stream:
                server.signal(signal.SIGHUP)
                await server.logged("reload: all workers are replaced")
                assert (stream.refused, stream.failed) == (0, 0)
                assert stream.answered > 0
            assert await close_code(client) == 1012
            new = pids(server)[WORKERS:]
            assert len(new) == WORKERS
            assert not any(map(is_alive, old))
            answer = await ask(server)
            assert (answer["code"], answer["settings"]) == ("second", "as it is now")
            assert answer["pid"] in new
            server.signal(signal.SIGTERM)
            assert await server.exit_code() == 0

    asyncio.run(run())


def test_a_plugin_that_breaks_does_not_break_what_runs(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server:
            (tmp_path / "msanic_probe.py").write_text("import no_such_module")
            server.signal(signal.SIGHUP)
            await server.logged("ended with exit code 2 before it was ready: the reload is given up, 0 of 2")
            assert [line for line in server.log if "msanic-core: error:" in line and "no_such_module" in line]
            assert (await ask(server))["pid"] in pids(server)
            assert all(map(is_alive, pids(server)))

    asyncio.run(run())


def test_a_second_signal_ends_all_at_once(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE + HANGS_WHEN_STOPPED)

    async def run() -> None:
        async with serving(tmp_path, redis_url, "[server]\ndrain_timeout = 600.0") as server:
            server.signal(signal.SIGTERM)
            while server.log.count("it hangs") < WORKERS:
                await server.logged("it hangs", start=len(server.log))
            with pytest.raises(httpx.ConnectError):
                await ask(server)
            server.signal(signal.SIGTERM)
            assert await server.exit_code() == 1
            assert not any(map(is_alive, pids(server)))

    asyncio.run(run())


def test_workers_that_get_the_signals_too_stop_in_order_all_the_same(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)

    async def run() -> None:
        async with serving(tmp_path, redis_url) as server:
            clients = await crowd(server)
            for number in (signal.SIGINT, signal.SIGHUP):
                for pid in pids(server):
                    os.kill(pid, number)
            for client in clients:
                await (await client.ping())
            # By default systemd sends it to all; and the supervisor does so anyway.
            for pid in pids(server):
                os.kill(pid, signal.SIGTERM)
            server.signal(signal.SIGTERM)
            assert {await close_code(client) for client in clients} == {1012}
            assert await server.exit_code() == 0
            assert len([line for line in server.log if "stopped in" in line]) == WORKERS
            assert not [line for line in server.log if "the next one" in line]

    asyncio.run(run())


def command(directory: Path, redis_url: str) -> tuple[list[str], dict[str, str]]:
    """What runs the server, and its environment."""
    arguments = ["serve", "--workers", "2", "--port", "0", "--auth", "anonymous", "--redis", redis_url]
    database = ["--db", "sqlite://:memory:", "--set", "plugins.load=probe"]
    return [sys.executable, "-m", "msanic_core", *arguments, *database], {**os.environ, "PYTHONPATH": str(directory)}


def test_a_plugin_that_does_not_start_ends_the_server(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", "import no_such_module")
    argv, environ = command(tmp_path, redis_url)
    run = subprocess.run(argv, env=environ, stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 2
    assert "no_such_module" in run.stderr
    assert "Traceback" not in run.stderr
    assert re.search(r"worker \d \(pid \d+\) ended with exit code 2 .*: the server stops\n", run.stderr)


def test_the_port_is_taken(redis_url: str, tmp_path: Path) -> None:
    argv, environ = command(tmp_path, redis_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv += ["--port", str(listener.getsockname()[1])]
        run = subprocess.run(argv, env=environ, stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1
    assert re.fullmatch(r"msanic-core: error: 127.0.0.1:\d+ is already in use; .*\n", run.stderr)


def test_a_terminal_that_is_closed_is_no_reload(tmp_path: Path, redis_url: str) -> None:
    install_plugin(tmp_path, "probe", PROBE)
    terminal, inside = os.openpty()
    argv, environ = command(tmp_path, redis_url)
    process = subprocess.Popen(argv, env=environ, stdin=inside, stderr=subprocess.PIPE, text=True)
    os.close(inside)
    try:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any("msanic-core" in line and "is ready" in line for line in lines)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        rest = "".join(lines)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    assert "reload" not in rest
    assert "stopping: 2 workers" in rest
