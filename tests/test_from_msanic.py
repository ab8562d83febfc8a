"""docs/from-msanic.md names every module of msanic 1.0.22, and the code on it works; for data see the other file."""

import asyncio
import doctest
import json
import logging
import re
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from msanic_core.testing import TestServer, serving
from tests.support.constraints import problem_with
from tests.support.model_packages import CommandLine
from tests.support.msanic_page import BLOCK, COMMAND, DOCS, PAGE, SECTIONS, blocks, plugin, program

MODULES = {
    "": "base_blue base_conf base_server base_ws exception handler_http handler_ws middleware mult_creator verify",
    "libs/": "base_timed component consts crypto decorator file_type manager mult_log random_maker rds_client"
    " rds_locker tool tool_dt tool_jwt tool_ws",
    "orm/": "db_index db_model mssql_generator mysql_generator pgsql_generator rc_model",
}
"""The files of msanic 1.0.22 that are not empty."""

EXAMPLES = sorted(heading for heading, text in SECTIONS.items() if "```pycon" in text)


async def ask(client: ClientConnection, cmd: str | int, data: Any = None) -> Any:
    """The code and the data of a reply; pushes are passed over."""
    await client.send(json.dumps({"cmd": cmd, "data": data, "req": "asked"}))
    while (reply := json.loads(await client.recv())).get("req") != "asked":
        continue
    return reply["code"], reply["data"]


# The page


def test_every_module_has_a_row_that_leads_to_code() -> None:
    rows = re.findall(r"^\| `([\w/]+)\.py` \| .+ \|$", SECTIONS["The modules"], re.MULTILINE)
    assert sorted(rows) == sorted(f"{folder}{name}" for folder, names in MODULES.items() for name in names.split())
    anchors = {heading.lower().replace(" ", "-"): heading for heading in SECTIONS}
    for line in re.findall(r"^\| `.*$", SECTIONS["The modules"], re.MULTILINE):
        links = re.findall(r"\(#(\S+)\)", line)
        assert links
        for link in links:
            section = SECTIONS[anchors[link]]
            assert BLOCK.search(section) or COMMAND.search(section), line


def test_links_lead_somewhere() -> None:
    here = [("from-msanic.md", anchor) for anchor in re.findall(r"\(#(\S+?)\)", PAGE)]
    links = here + re.findall(r"\]\(([\w-]+\.md)#?(\S*?)\)", PAGE)
    assert len(links) > 40
    for document, anchor in links:
        headings = re.findall(r"^#+ (.*)$", (DOCS / document).read_text(), re.MULTILINE)
        assert anchor in ["", *(heading.lower().replace(" ", "-") for heading in headings)], (document, anchor)


def test_every_block_is_run() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_from_msanic*.py"))
    for heading, text in SECTIONS.items():
        languages = {language for language, _ in BLOCK.findall(text)}
        assert languages <= {"python", "pycon", "toml"}
        if languages - {"pycon"} or COMMAND.search(text):
            assert re.search(rf'(files|plugin\(site|program|SECTIONS)[,(\[] ?"{heading}"', source), heading


def test_every_library_comes_with_the_tests() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    test = {re.split(r"[><=\[;]", each)[0].lower() for each in project["optional-dependencies"]["test"]}
    named = {name.lower() for name in re.findall(r"`([\w-]+)`", SECTIONS["Libraries"].split("All are")[0])}
    assert len(named) > 6
    assert named - {"pip"} <= test


@pytest.mark.parametrize("heading", EXAMPLES)
def test_examples_give_what_is_shown(heading: str) -> None:
    for code in blocks(heading, "pycon"):
        test = doctest.DocTestParser().get_doctest(code, {}, heading, "docs/from-msanic.md", 0)
        said: list[str] = []
        doctest.DocTestRunner(verbose=False).run(test, out=said.append)
        assert not said, "".join(said)


# Sections


def test_start(site: Path, command_line: CommandLine) -> None:
    project = tomllib.loads(blocks("Start", "toml")[0])["project"]
    assert project["entry-points"]["msanic_core"] == {"shop": "msanic_shop"}
    shop = plugin(site, "Start")

    async def run() -> None:
        async with serving({"shop": shop}) as server:
            assert shop.started == [server.server.node]
        assert shop.started == []

    asyncio.run(run())
    listing, serve = COMMAND.findall(SECTIONS["Start"])
    assert "shop" in command_line(listing)
    assert serve == "serve"


def test_settings(site: Path, tmp_path: Path, command_line: CommandLine) -> None:
    toml = blocks("Settings", "toml")[0]
    shop = plugin(site, "Settings")

    async def run() -> None:
        async with serving({"shop": shop}, {"plugins": tomllib.loads(toml)["plugins"]}) as server:
            ada = await server.connect("ada")
            assert await ask(ada, "shop.greet") == (0, "hello")
            await ada.close()

    asyncio.run(run())
    (tmp_path / "msanic.toml").write_text(toml)
    assert "https://shop.example" in command_line("config --json")


def test_websocket(site: Path) -> None:
    shop = plugin(site, "WebSocket")

    async def run() -> None:
        async with serving({"shop": shop}) as server:
            ada = await server.connect("ada")
            assert await ask(ada, 2001, {"item": "tea", "count": 11}) == (16, None)
            assert await ask(ada, 2001, {"item": "tea", "count": "1"}) == (12, None)
            assert await ask(ada, "shop.buy", {"item": "tea"}) == (0, {"item": "tea", "count": 1})
            seller = await server.connect("seller")
            push = json.loads(await seller.recv())
            assert (push["cmd"], push["data"]) == (2002, {"item": "tea", "by": "ada"})
            await ask(seller, 2001, {"item": "milk"})
            assert await ask(seller, 2004, "nobody") == (0, 0)
            assert await ask(seller, 2004, "ada") == (0, 1)
            assert json.loads(await ada.recv())["data"] == {"item": "milk"}
            with pytest.raises(ConnectionClosed):
                await ada.recv()
            assert ada.close_code == 4504
            await seller.close()
        assert sorted(shop.gone) == [("ada", "kicked"), ("seller", "closed")]

    asyncio.run(run())


def test_http(site: Path) -> None:
    shop = plugin(site, "HTTP")

    async def run() -> None:
        async with (
            serving({"shop": shop}) as server,
            httpx.AsyncClient(base_url=f"{server.url}/v1/shop/main", trust_env=False) as http,
        ):
            for item in ("tea", "milk", "salt"):
                answer = await http.post("/orders", json={"item": item})
                assert answer.json() == {"code": 0, "data": item, "hint": ""}
            answer = await http.post("/orders", json={"item": "tea"})
            assert (answer.status_code, answer.json()["code"]) == (421, 18)
            answer = await http.get("/orders?page=2&page_size=2")
            assert answer.json() == {"code": 0, "data": ["salt"], "hint": "", "total": 3}
            answer = await http.get("/orders?page_size=201")
            assert (answer.status_code, answer.json()["hint"]) == (422, "query.page_size: expected int <= 200")
            answer = await http.get("/orders?beginTime=2026-03-29T12:00:00Z&endTime=yesterday")
            assert (answer.status_code, answer.json()["hint"].partition(":")[0]) == (422, "query.endTime")
            assert (await http.get("/nothing")).status_code == 404

    asyncio.run(run())


def test_validation() -> None:
    account = program("Validation")["Account"]
    right = {
        "name": "ada_1", "password": "secret1", "phone": "138 0013 8000", "colour": "#A0B1C2", "age": 36,
        "city": "Hangzhou", "price": 2.5, "since": "2026-03-29T12:00:00+02:00",
    }  # fmt: skip
    assert problem_with(account, right) == ""
    wrong = {
        "name": "1a", "password": "secret", "phone": "12345678901", "colour": "#A", "age": "36",
        "city": "", "price": -1, "since": "2026-03-29 12:00:00", "kind": 3,
    }  # fmt: skip
    for field, value in wrong.items():
        assert problem_with(account, {**right, field: value}).startswith(f"data.{field}: "), field


def test_timers(site: Path) -> None:
    shop = plugin(site, "Timers")

    async def run() -> None:
        async with serving({"shop": shop}) as server:
            assert sorted(job.id for job in shop.scheduler.get_jobs()) == ["clean_up", "nightly"]
            ended: asyncio.Queue[str] = asyncio.Queue()
            shop.scheduler.add_listener(lambda event: ended.put_nowait(event.job_id), EVENT_JOB_EXECUTED)

            async def night() -> None:
                shop.scheduler.modify_job("nightly", next_run_time=datetime.now(UTC))
                assert await asyncio.wait_for(ended.get(), 20) == "nightly"

            async with server.server.lock("shop:clean_up"):
                await night()
            assert shop.runs == []
            await night()
            assert shop.runs == [server.server.node]

    asyncio.run(run())


def test_tokens(site: Path) -> None:
    shop = plugin(site, "Tokens")
    key = "k" * 32
    now = int(time.time())
    of_msanic = {"sub": 1, "iss": "default", "exp": now + 60, "iat": now, "aud": "1", "identify": 7, "extra": None}
    tokens = {
        "ada": shop.token_for("ada", key),
        "7": jwt.api_jws.encode(json.dumps(of_msanic).encode(), key, "HS256"),
    }

    async def refused(server: TestServer, token: str) -> int | None:
        client = await connect(server.websocket_url(token=token))
        with pytest.raises(ConnectionClosed):
            await client.recv()
        return client.close_code

    async def run() -> None:
        settings = {"auth": {"mode": "plugin"}, "plugins": {"shop": {"key": key}}}
        async with serving({"shop": shop}, settings) as server:
            for user, token in tokens.items():
                client = await connect(server.websocket_url(token=token))
                assert (await ask(client, 1001, 1)) == (0, 1)
                assert await server.server.online(user)
                await client.close()
            assert await refused(server, shop.token_for("ada", "x" * 32)) == 4501
            assert await refused(server, shop.token_for("ada", key, seconds=-1)) == 4501

    asyncio.run(run())


def test_clients(site: Path) -> None:
    talk = program("Clients")["talk"]
    ws = tomllib.loads(blocks("Clients", "toml")[0])["ws"]

    async def run() -> None:
        settings = {"ws": {"handshake_time": "require", **ws}}
        async with serving({"shop": plugin(site, "WebSocket")}, settings) as server:
            await talk(server.websocket_url("ada"))
            headers = {"Timestamp": str(int(time.time()))}
            async with connect(server.websocket_url("bob"), additional_headers=headers) as bob:
                await bob.send(json.dumps({"cmd": 1001, "req": "a"}).encode())
                answer = await bob.recv()
                await server.server.push("bob", 2005)
                push = await bob.recv()
                assert isinstance(answer, bytes)
                assert isinstance(push, bytes)
                assert (json.loads(answer)["req"], json.loads(push)["cmd"]) == ("a", 2005)

    asyncio.run(run())


def test_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("msanic_core.plugin.shop")
    handler = program("Log")["handler"]
    try:
        log.warning("sold %s", "out")
    finally:
        log.removeHandler(handler)
        handler.close()
    assert (tmp_path / "shop.log").read_text().endswith(" WARNING sold out\n")


def test_tools(site: Path) -> None:
    ask_url = program("Tools")["ask"]

    async def run() -> None:
        async with serving({"shop": plugin(site, "HTTP")}) as server, httpx.AsyncClient(trust_env=False) as client:
            assert (await ask_url(client, f"{server.url}/v1/shop/main/orders"))["total"] == 0

    asyncio.run(run())


def test_redis(site: Path, redis_url: str) -> None:
    shop = plugin(site, "Redis").plugin

    async def run() -> None:
        async with serving({"shop": shop}, {"plugins": {"shop": {"redis": redis_url}}}) as server:
            ada = await server.connect("ada")
            await shop.redis.hset("stock", "tea", 5)
            assert await ask(ada, "shop.sell", "tea") == (0, 4)
            assert await shop.redis.get("last") == "tea"
            await ada.close()

    asyncio.run(run())
