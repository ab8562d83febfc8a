"""Every example runs."""

import asyncio
import importlib.util
import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from msanic_core.testing import redis_process, serve_nodes, serving
from tests.support.processes import program

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(path: str) -> ModuleType:
    """Import an example afresh, so that tests share nothing."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def ask(client: ClientConnection, cmd: str, data: Any = None) -> Any:
    """Send a command and return its reply's data, passing over pushes."""
    await client.send(json.dumps({"cmd": cmd, "data": data, "req": "asked"}))
    while (reply := json.loads(await client.recv())).get("req") != "asked":
        continue
    assert reply["code"] == 0
    return reply["data"]


def test_every_example_is_tested() -> None:
    source = Path(__file__).read_text()
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*/*.py")]:
        assert f'"{path.relative_to(EXAMPLES)}"' in source


def test_hello() -> None:
    async def run() -> None:
        async with serving({"hello": load("hello_plugin/msanic_hello.py")}) as server:
            ada = await server.connect("ada")
            bob = await server.connect("bob")
            assert await ask(bob, "hello.greet", {"name": "Ada"}) == {"text": "Hello, Ada!"}
            assert json.loads(await ada.recv())["data"] == {"by": "bob", "name": "Ada"}
            await bob.close()
            assert json.loads(await ada.recv())["data"] == {"user": "bob", "reason": "closed"}
            await ada.close()

    asyncio.run(run())


def test_hello_can_be_installed_beside_the_first_party_plugins() -> None:
    async def run() -> None:
        installed = {
            each.name: each.load() for each in entry_points(group="msanic_core") if each.name in ("chat", "echo")
        }
        plugins = {**installed, "hello": load("hello_plugin/msanic_hello.py")}
        assert len(plugins) == 3
        async with serving(plugins) as server:
            ada = await server.connect("ada")
            assert await ask(ada, "echo.ping", {"text": "hi"}) == {"text": "hi"}
            assert await ask(ada, "hello.greet", {"name": "Ada"}) == {"text": "Hello, Ada!"}
            await ada.close()

    asyncio.run(run())


def test_token_login() -> None:
    async def run() -> None:
        async with serving({"login": load("token_login.py")}, {"auth": {"mode": "plugin"}}) as server:
            ada = await connect(server.websocket_url(token="s3cret-of-ada"))
            assert await ask(ada, "account.whoami") == {"user": "ada", "roles": ["admin"]}
            await ada.close()
            for parameters, reason in (({"token": "guessed"}, "the token is not valid"), ({}, "not authenticated")):
                refused = await connect(server.websocket_url(**parameters))
                with pytest.raises(ConnectionClosed):
                    await refused.recv()
                assert (refused.close_code, refused.close_reason) == (4501, reason)

    asyncio.run(run())


def test_http_push() -> None:
    async def run() -> None:
        async with serving({"notify": load("http_push.py")}) as server, httpx.AsyncClient() as http:
            ada = await server.connect("ada")
            answer = await http.post(f"{server.url}/notify/ada", json={"text": "tea?"})
            assert answer.json() == {"id": 1, "online": True}
            assert json.loads(await ada.recv())["data"] == {"text": "tea?"}
            answer = await http.post(f"{server.url}/notify/bob", json={"text": "later"})
            assert answer.json() == {"id": 1, "online": False}
            bob = await server.connect("bob")
            assert json.loads(await bob.recv())["data"] == {"text": "later"}
            await ada.close()
            await bob.close()

    asyncio.run(run())


def test_http_books() -> None:
    async def run() -> None:
        async with (
            serving({"books": load("http_books.py")}, {"auth": {"mode": "plugin"}}) as server,
            httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
        ):
            emma = {"title": "Emma", "year": 1815}
            refused = await http.post("/v1/books/", json=emma)
            assert (refused.status_code, refused.json()["code"]) == (401, 13)
            http.headers["Authorization"] = "Bearer s3cret-of-ada"
            answer = await http.post("/v1/books/", json=emma)
            assert answer.json() == {"code": 0, "data": {"title": "Emma", "by": "ada"}, "hint": ""}
            answer = await http.post("/v1/books/", json=emma)
            assert (answer.status_code, answer.json()["hint"]) == (421, "there is a book with this title")
            answer = await http.post("/v1/books/", json={"title": "Dune", "year": "1965"})
            assert (answer.status_code, answer.json()["hint"]) == (422, "body.year: expected int, got str")
            answer = await http.get("/v1/books/?word=Em")
            book = {**emma, "cover": "#ffffff"}
            assert answer.json() == {"code": 0, "data": [book], "hint": "", "total": 1}
            answer = await http.get("/v1/books/?size=1000")
            assert answer.json() == {"code": 12, "data": None, "hint": "query.size: expected int <= 100"}
            assert "/v1/books" in (await http.get("/openapi.json")).json()["paths"]

    asyncio.run(run())


def test_ticker() -> None:
    async def run() -> None:
        plugin = load("ticker.py").plugin
        async with serving({"ticker": plugin}, {"plugins": {"ticker": {"interval": 0.01}}}) as server:
            ada = await server.connect("ada")
            first, second = [json.loads(await ada.recv()) for _ in range(2)]
            assert first["cmd"] == "ticker.time"
            assert second["data"]["time"] > first["data"]["time"]
            await ada.close()

    asyncio.run(run())


def test_client_greets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    async def run() -> None:
        async with serving({"hello": load("hello_plugin/msanic_hello.py")}) as server:
            await load("client_greets.py").main(server.websocket_url(), "Bob")
            await load("client_greets.py").main(server.websocket_url(), 1)

    asyncio.run(run())
    assert capsys.readouterr().out.splitlines() == [
        "Hello, Bob!",
        "hello.greeted {'by': 'ada', 'name': 'Bob'}",
        "refused: 12 data.name: expected str, got int",
    ]


def test_client_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    path = tmp_path / "notes.db"

    async def run() -> None:
        async with serving({"notify": load("http_push.py")}) as server:
            for number in range(6):
                await server.server.push("ada", "notify.message", {"text": str(number)})
            for _ in range(3):
                await load("client_resumes.py").main(server.websocket_url(), str(path), 2)

    asyncio.run(run())
    with closing(sqlite3.connect(path)) as db:
        assert [text for (text,) in db.execute("SELECT text FROM note ORDER BY rowid")] == list("012345")


def test_two_nodes(tmp_path: Path) -> None:
    """As its README has it: first ada leaves, then the node that she is on is killed."""

    async def run() -> None:
        shutil.copy(EXAMPLES / "two_nodes/msanic_relay.py", tmp_path)
        metadata = tmp_path / "msanic_relay-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: msanic-relay\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text("[msanic_core]\nrelay = msanic_relay\n")
        async with (
            redis_process(tmp_path) as redis,
            serve_nodes(tmp_path, {"redis.url": redis.url, "redis.lease": 1.0, "redis.timeout": 0.5}) as nodes,
        ):
            one, two = await nodes.start(), await nodes.start()
            command = [sys.executable, str(EXAMPLES / "two_nodes/clients.py"), one.websocket_url(), two.websocket_url()]
            async with program(*command, stderr=None) as clients:
                told, left = (await clients.communicate())[0].decode().splitlines()
            assert re.fullmatch(rf"bob was told by ada, who is on \S+-{one.pid}-\w+: are you there\?", told)
            assert re.fullmatch(rf"ada has left \(closed\), says \S+-{one.pid}-\w+", left)
            async with program(*command, "--wait", stderr=None) as clients:
                assert clients.stdout is not None
                lines = [await clients.stdout.readline() for _ in range(2)]
                assert lines[1] == b"now kill -9 the node that ada is on\n"
                await one.kill()
                left = (await clients.communicate())[0].decode().strip()
            assert re.fullmatch(rf"ada has left \(crashed\), says \S+-{two.pid}-\w+", left)

    asyncio.run(run())
