"""Several servers: killed, frozen, started again on the same port, and none left running."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from msanic_core.testing import ServerProcess, install_plugin, nodes, serve_nodes
from msanic_core.testing.ports import free_port

PLUGIN = """
import os
from msanic_core import hookimpl
from sanic import Blueprint, text

blueprint = Blueprint("hello")

@blueprint.get("/")
async def hello(request):
    return text(f"{os.getpid()} {os.environ['GREETING']}")

@hookimpl
def http_blueprint():
    return blueprint
"""


async def ask(node: ServerProcess) -> str:
    async with httpx.AsyncClient(timeout=0.3) as http:
        return (await http.get(f"{node.url}/hello/")).text


def test_a_node_has_settings_of_its_own_beside_those_of_all(tmp_path: Path) -> None:
    async def run() -> None:
        async with serve_nodes(tmp_path, {"ws.path": "/all"}) as started, httpx.AsyncClient() as http:
            for node, path in ((await started.start(), "/all"), (await started.start(own={"ws.path": "/own"}), "/own")):
                assert (await http.get(f"{node.url}{path}")).status_code == 426

    asyncio.run(run())


def assert_gone(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_two_nodes_of_which_one_is_killed_and_started_again(tmp_path: Path) -> None:
    install_plugin(tmp_path, "hello", PLUGIN)
    pids = []

    async def run() -> None:
        async with serve_nodes(tmp_path, {}, {"GREETING": "hello"}) as started:
            first, second = await started.start(), await started.start()
            for node in (first, second):
                assert await ask(node) == f"{node.pid} hello"
            assert first.port != second.port
            again = await started.restart(first)
            assert again.port == first.port
            assert again.pid != first.pid
            assert await first.exit_code() == -signal.SIGKILL
            assert await ask(again) == f"{again.pid} hello"
            assert await ask(second) == f"{second.pid} hello"
            pids.extend([first.pid, second.pid, again.pid])
            second.freeze()

    asyncio.run(run())
    for pid in pids:
        assert_gone(pid)


def test_frozen_it_does_not_answer_and_thawed_it_does(tmp_path: Path) -> None:
    install_plugin(tmp_path, "hello", PLUGIN)

    async def run() -> None:
        async with serve_nodes(tmp_path, {}, {"GREETING": "hello"}) as started:
            node = await started.start()
            node.freeze()
            with pytest.raises(httpx.ReadTimeout):
                await ask(node)
            node.thaw()
            assert await ask(node) == f"{node.pid} hello"
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        asyncio.run(run())


def test_when_somebody_else_was_quicker_another_port_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ports = iter([taken.getsockname()[1], free_port()])
            monkeypatch.setattr(nodes, "free_port", lambda: next(ports))
            async with serve_nodes(tmp_path, {}) as started:
                assert (await started.start()).port != taken.getsockname()[1]
                with pytest.raises(RuntimeError, match="already in use"):
                    await started.start(taken.getsockname()[1])

    asyncio.run(run())


def test_a_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        async with serve_nodes(tmp_path, {"ws.pink_interval": 1}) as started:
            await started.start()

    with pytest.raises(RuntimeError, match="ping_interval"):
        asyncio.run(run())
