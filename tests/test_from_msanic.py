"""docs/from-msanic.md names every module of msanic 1.0.22, and the code on it works."""

import asyncio
import doctest
import importlib
import json
import logging
import re
import runpy
import shlex
import time
import tomllib
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from msanic_core.cli import main
from msanic_core.testing import TestServer, serving
from tests.support.constraints import problem_with
from tests.support.migrations import execute, opened
from tests.support.model_packages import forget_models, import_models

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "from-msanic.md").read_text()

MODULES = {
    "": "base_blue base_conf base_server base_ws exception handler_http handler_ws middleware mult_creator verify",
    "libs/": "base_timed component consts crypto decorator file_type manager mult_log random_maker rds_client"
    " rds_locker tool tool_dt tool_jwt tool_ws",
    "orm/": "db_index db_model mssql_generator mysql_generator pgsql_generator rc_model",
}
"""The files of msanic 1.0.22 that are not empty."""

SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^    msanic-core (.*?)(?:  +#.*)?$", re.MULTILINE)
Core = Callable[[str], str]
EXAMPLES = sorted(heading for heading, text in SECTIONS.items() if "```pycon" in text)


def blocks(heading: str, language: str) -> list[str]:
    """The code of a section that is written in a language."""
    return [code for name, code in BLOCK.findall(SECTIONS[heading]) if name == language]


def files(heading: str) -> list[tuple[str, str]]:
    """The blocks of a section whose first line is a comment with their path: path and source."""
    found = [re.match(r"# (\S+\.py)\n", code) for code in blocks(heading, "python")]
    return [(match[1], match.string) for match in found if match]


def program(heading: str) -> dict[str, Any]:
    """What the blocks of a section define that are no files."""
    namespace: dict[str, Any] = {"__name__": heading}
    for code in blocks(heading, "python"):
        if not code.startswith("# msanic_shop/"):
            exec(compile(code, f"docs/from-msanic.md, {heading}", "exec"), namespace)
    return namespace


def write(site: Path, *sources: tuple[str, str], entry_point: str = "msanic_shop") -> None:
    """Write files of the package `msanic_shop`, installed as the plugin shop."""
    for path, source in sources:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(source)
    (site / "msanic_shop/__init__.py").touch()
    metadata = site / "msanic_shop-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: msanic-shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[msanic_core]\nshop = {entry_point}\n")


def plugin(site: Path, heading: str) -> Any:
    """The plugin that the files of a section make."""
    write(site, *files(heading))
    return import_models("shop")


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Core:
    """Run `msanic-core`, with the plugin shop only; gives what it prints, and fails unless the exit code is 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MSANIC_PLUGINS__LOAD", '["shop"]')

    def core(arguments: str) -> str:
        forget_models("shop")
        code = main(shlex.split(arguments))
        captured = capsys.readouterr()
        assert code == 0, captured.out + captured.err
        return captured.out

    return core


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
    source = Path(__file__).read_text()
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


def test_start(site: Path, core: Core) -> None:
    project = tomllib.loads(blocks("Start", "toml")[0])["project"]
    assert project["entry-points"]["msanic_core"] == {"shop": "msanic_shop"}
    shop = plugin(site, "Start")

    async def run() -> None:
        async with serving({"shop": shop}) as server:
            assert shop.started == [server.server.node]
        assert shop.started == []

    asyncio.run(run())
    listing, serve = COMMAND.findall(SECTIONS["Start"])
    assert "shop" in core(listing)
    assert serve == "serve"


def test_settings(site: Path, tmp_path: Path, core: Core) -> None:
    toml = blocks("Settings", "toml")[0]
    shop = plugin(site, "Settings")

    async def run() -> None:
        async with serving({"shop": shop}, {"plugins": tomllib.loads(toml)["plugins"]}) as server:
            ada = await server.connect("ada")
            assert await ask(ada, "shop.greet") == (0, "hello")
            await ada.close()

    asyncio.run(run())
    (tmp_path / "msanic.toml").write_text(toml)
    assert "https://shop.example" in core("config --json")


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

    async def run() -> None:
        async with serving({"shop": plugin(site, "WebSocket")}, {"ws": {"handshake_time": "require"}}) as server:
            await talk(server.websocket_url("ada"))

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


# Data


PRIMARY_KEYS = {
    "sqlite": "integer primary key",
    "asyncpg": "bigserial primary key",
    "mysql": "bigint auto_increment primary key",
}


def test_models(site: Path, database_url: str, core: Core) -> None:
    clock, old, hook, new, migration = files("Models")
    write(site, clock, old, hook)
    make, fake, migrate, status = (f"{command} --db {database_url}" for command in COMMAND.findall(SECTIONS["Models"]))
    key = PRIMARY_KEYS[database_url.partition(":")[0]]
    asyncio.run(
        execute(
            database_url,
            f"create table orders (id {key}, buyer varchar(50) not null, price decimal(10, 2) not null,"
            " sta_del bool not null, created bigint)",
            "insert into orders values (11, 'ada', 2.50, false, 1774756800), (12, 'bob', 1, true, 1774756801)",
            "select 1",
        )
    )
    assert core(make).endswith("0001_initial.py\n")
    assert core(fake) == "1 migration recorded.\n"
    assert core(migrate) == "1 migration applied.\n"
    core(status)
    write(site, new, migration)
    assert core(migrate) == "1 migration applied.\n"
    core(status)

    async def run() -> None:
        async with opened(database_url, "shop"):
            namespace = program("Models")
            rows = await namespace["Order"].with_deleted().order_by("id")
            assert [(row.buyer, row.price, row.created_at.timestamp(), row.deleted_at is None) for row in rows] == [
                ("ada", Decimal("2.5"), 1774756800, True),
                ("bob", Decimal(1), 1774756801, False),
            ]
            for row in rows:
                await row.hard_delete()
            await namespace["use"]()

    asyncio.run(run())


def test_split_tables(site: Path, database_url: str, core: Core) -> None:
    model, migration = files("Split tables")
    write(site, model, files("Models")[2])
    core("db make shop")
    core(f"db migrate --db {database_url}")
    months = {"sale_y2026m02": 1769904000, "sale_y2026m03": 1772323200}

    async def use() -> None:
        async with opened(database_url, "shop"):
            namespace = program("Split tables")
            await namespace["use"]()
            assert len(await namespace["Sale"].drop_before(datetime(2026, 5, 1, tzinfo=UTC))) == 1
        for table, begin in months.items():
            rows = ", ".join(f"({number}, 'tea', {begin + number})" for number in range(1, 1502))
            create = f"create table {table} (id integer primary key, item varchar(50), created bigint)"
            await execute(database_url, create, f"insert into {table} values {rows}", "select 1")

    async def look() -> None:
        async with opened(database_url, "shop"):
            sale = program("Split tables")["Sale"]
            assert [part.name for part in await sale.parts()] == ["2026_02", "2026_03"]
            assert len({row.id for row in await sale.everywhere()}) == 3002

    asyncio.run(use())
    write(site, migration)
    core(f"db migrate --db {database_url}")
    asyncio.run(look())


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_indexes(site: Path, database_url: str, core: Core) -> None:
    model, migration = files("Indexes")
    write(site, model, files("Models")[2])
    core("db make shop")
    write(site, migration)
    core(f"db migrate --db {database_url}")
    rows = asyncio.run(
        execute(database_url, "select indexdef from pg_indexes where tablename = 'shop_product'"),
    )
    definitions = " ".join(row["indexdef"] for row in rows)
    for part in ("(name, created_at)", "USING gin (tags)", "(name varchar_pattern_ops)", "gin (name gin_trgm_ops)"):
        assert part in definitions


def test_table_generators(site: Path, core: Core) -> None:
    write(site, files("Split tables")[0], files("Models")[2])
    make, sql = COMMAND.findall(SECTIONS["Table generators"])
    core(make)
    assert 'CREATE TABLE "shop_sale"' in core(sql)


# cashews closes its connections by a name that redis-py would rather not have used.
@pytest.mark.filterwarnings("ignore:Call to deprecated close")
def test_cache(site: Path, tmp_path: Path, redis_url: str, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, hook, new, _ = files("Models")
    write(site, new, hook, *files("Cache"))
    core("db make shop")
    core("db migrate")

    async def run() -> None:
        async with opened(f"sqlite://{tmp_path}/msanic.db", "shop"), AsyncExitStack() as stack:
            order_model = importlib.import_module("msanic_shop.models").Order
            # As in two processes: each has its own module.
            nodes = [runpy.run_module("msanic_shop.cache") for _ in range(2)]
            for node in nodes:
                node["cache"].setup(redis_url, pickle_type="json")
                stack.push_async_callback(node["cache"].close)
            order = await order_model.create(buyer="ada", price=Decimal("2.50"))
            reads: list[int] = []
            get = order_model.get

            def counted(**key: int) -> Any:
                reads.append(key["id"])
                return get(**key)

            monkeypatch.setattr(order_model, "get", counted)
            for buyer in ("ada", "bob"):
                found = await asyncio.gather(*(node["order_of"](order.id) for node in nodes * 5))
                assert [each["buyer"] for each in found] == [buyer] * 10
                await nodes[0]["rename"](order.id, "bob")
            assert reads == [order.id] * 2

    asyncio.run(run())
