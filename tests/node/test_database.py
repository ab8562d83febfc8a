"""A server whose plugins have models: it starts only with their tables, and survives an outage of the database."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from msanic_core.errors import MigrationError
from msanic_core.testing import DatabaseProcess, redis_process, serve_process, serving
from tests.support.migrations import make
from tests.support.model_packages import import_models, write_models

NOTE = "class Note(Model):\n    id = fields.IntField(primary_key=True)\n    text = fields.CharField(max_length=50)\n"
PLUGIN = """
from msanic_core import Identity
from sanic import Blueprint, json as answer
from tortoise.transactions import in_transaction

@command("books.add")
async def add(ctx, data: str) -> int:
    await models.Note.create(text=data)
    return await models.Note.all().count()

@command("books.move")
async def move(ctx, data: str) -> int:
    async with in_transaction():
        await models.Note.create(text=data)
        return await models.Note.all().count()

@command("books.wrong")
async def wrong(ctx) -> None:
    await models.Note._meta.db.execute_query("select nonsense from nowhere")

@hookimpl
async def authenticate(request):
    await models.Note.all().count()
    return Identity(request.args["user"][0])

@hookimpl
def ws_command():
    return [add, move, wrong]

blueprint = Blueprint("books")

@blueprint.get("/")
async def count(request):
    return answer(await models.Note.all().count())

@hookimpl
def http_blueprint():
    return blueprint
"""


@pytest.fixture
def books(site: Path) -> Path:
    write_models(site, "books", NOTE, PLUGIN)
    asyncio.run(make("books"))
    return site


def test_a_start_without_the_tables_is_refused(books: Path, tmp_path: Path) -> None:
    settings = {"db": {"url": f"sqlite://{tmp_path}/data.db", "migrate": False}}

    async def run() -> None:
        plugins = {"books": import_models("books")}
        with pytest.raises(MigrationError, match=r"the core: migration 0001_initial \(and 1 more\) is not applied"):
            async with serving(plugins, settings):
                pass
        async with serving(plugins, {"db": {**settings["db"], "migrate": True}}):
            pass
        async with serving(plugins, settings):
            pass

    asyncio.run(run())


def test_a_process_says_what_to_run(books: Path, tmp_path: Path) -> None:
    async def run() -> None:
        settings = {"db.url": f"sqlite://{tmp_path}/data.db", "db.migrate": False}
        with pytest.raises(RuntimeError, match=r"run: msanic-core db migrate \(or serve --migrate\)"):
            async with serve_process(books, settings):
                pass

    asyncio.run(run())


def test_a_database_that_is_away_at_the_start(books: Path) -> None:
    async def run() -> None:
        with pytest.raises(RuntimeError) as raised:
            async with serve_process(books, {"db.url": "postgres://ann:s3cret@127.0.0.1:1/x"}):
                pass
        assert "the database postgres://127.0.0.1:1/x cannot be reached" in str(raised.value)
        assert "Traceback" not in str(raised.value)
        assert "s3cret" not in str(raised.value)

    asyncio.run(run())


def test_workers_find_the_tables_made_by_migrate(books: Path, database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis:
            settings = {"db.url": database_url, "redis.url": redis.url, "server.workers": 2}
            async with serve_process(books, settings) as server, httpx.AsyncClient() as client:
                assert (await client.get(f"{server.url}/books/")).json() == 0
                assert [line for line in server.log if "applied books 0001_initial" in line] != []
                assert len([line for line in server.log if "applied books 0001_initial" in line]) == 1

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_while_the_database_is_away_clients_are_told_to_try_again(
    books: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    process: DatabaseProcess = request.getfixturevalue(kind)

    async def run() -> None:
        url = await process.create_database(f"away_{kind}")
        settings = {"db": {"url": url}, "auth": {"mode": "plugin"}}
        async with serving({"books": import_models("books")}, settings) as server:
            client = httpx.AsyncClient()
            socket = await server.connect("ann")

            async def ask(cmd: str) -> tuple[int, str]:
                await socket.send(json.dumps({"cmd": cmd, "data": "x", "req": 1}))
                reply = json.loads(await socket.recv())
                return reply["code"], reply["hint"]

            assert await ask("books.add") == (0, "")
            assert (await ask("books.wrong"))[0] == 11
            await process.kill()
            away = (10, "something that the server needs is away, try again")
            for _ in range(3):
                assert await ask("books.add") == away
                assert await ask("books.move") == away
                response = await client.get(f"{server.url}/books/")
                assert (response.status_code, response.json()["code"]) == (503, 10)
                bob = await server.connect("bob")
                await bob.wait_closed()
                assert bob.close_code == 1013
            await process.start()
            async with asyncio.timeout(20):
                while (await ask("books.move"))[0] != 0:
                    await asyncio.sleep(0.05)
            assert (await client.get(f"{server.url}/books/")).json() >= 2
            await socket.close()
            await client.aclose()

    asyncio.run(run())
