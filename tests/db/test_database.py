import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tortoise.exceptions import DBConnectionError

from msanic_core.config import settings_from
from msanic_core.db.database import Database
from msanic_core.errors import ConfigError, DatabaseUnavailableError, MsanicError
from msanic_core.plugins.loading import load_plugins
from tests.support.model_packages import WriteModels

NOTE = "class Note(Model):\n    id = fields.IntField(primary_key=True)\n"


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, msanic_core.db.database as m; m.Database('sqlite://:memory:'); print('tortoise' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_no_file_is_made_before_it_is_asked_for(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "data.db"
        database = Database(f"sqlite://{file}")
        await database.close()
        assert not file.exists()
        await (await database.connection()).execute_script("create table t (x integer)")
        await database.close()
        assert file.exists()

    asyncio.run(run())


def test_it_can_be_asked(tmp_path: Path) -> None:
    async def run() -> None:
        database = Database("sqlite://:memory:")
        connection = await database.connection()
        await connection.execute_script("create table t (x integer)")
        await connection.execute_insert("insert into t values (?)", [7])
        count, rows = await connection.execute_query("select x from t")
        assert (count, [row["x"] for row in rows]) == (1, [7])
        await database.close()

    asyncio.run(run())


def test_all_who_ask_get_the_same_connection() -> None:
    async def run() -> None:
        database = Database("sqlite://:memory:")
        connections = await asyncio.gather(*(database.connection() for _ in range(10)))
        assert len(set(map(id, connections))) == 1
        await database.close()

    asyncio.run(run())


def test_two_databases_are_apart(tmp_path: Path) -> None:
    async def run() -> None:
        databases = [Database(f"sqlite://{tmp_path}/{name}.db") for name in "ab"]
        for number, database in enumerate(databases):
            connection = await database.connection()
            await connection.execute_script(f"create table t (x integer); insert into t values ({number})")
        for number, database in enumerate(databases):
            rows = await (await database.connection()).execute_query_dict("select x from t")
            assert rows == [{"x": number}]
            await database.close()

    asyncio.run(run())


def test_closed_it_can_be_opened_again(tmp_path: Path) -> None:
    async def run() -> None:
        database = Database(f"sqlite://{tmp_path}/data.db")
        await (await database.connection()).execute_script("create table t (x integer); insert into t values (1)")
        await database.close()
        await database.close()
        rows = await (await database.connection()).execute_query_dict("select x from t")
        assert rows == [{"x": 1}]
        await database.close()

    asyncio.run(run())


def test_closing_waits_for_one_who_is_opening() -> None:
    async def run() -> None:
        database = Database("sqlite://:memory:")
        opening = asyncio.create_task(database.connection())
        await asyncio.sleep(0)
        await database.close()
        await opening
        assert not database._is_open, "what was opened is closed again"

    asyncio.run(run())


def test_a_database_that_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    async def run() -> None:
        database = Database(f"sqlite://{tmp_path}/missing/data.db")
        for _ in range(2):
            with pytest.raises(DBConnectionError):
                await database.connection()
        (tmp_path / "missing").mkdir()
        assert (await (await database.connection()).execute_query_dict("select 1 as x")) == [{"x": 1}]
        await database.close()

    asyncio.run(run())


def test_the_models_of_a_database_that_is_away(plugin: WriteModels, tmp_path: Path) -> None:
    apps = load_plugins(settings_from({"plugins": {"load": []}}), {"notes": plugin("notes", NOTE)}).apps
    url = f"sqlite://{tmp_path}/missing/data.db"
    with pytest.raises(DatabaseUnavailableError, match=f"the database {url} cannot be reached: unable to open"):
        asyncio.run(Database(url, apps).open())


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlit://data.db", r"db.url 'sqlit://data.db' cannot be used: .*; correct it \(--db\)"),
        (
            "mysql://ann:s3cret@127.0.0.1:1/x?charset=no",
            "the database mysql://127.0.0.1:1/x cannot be reached: Unknown",
        ),
        ("mysql://ann:s3cret@127.0.0.1:1/x", "the database mysql://127.0.0.1:1/x cannot be reached: .*connect"),
        ("postgres://ann:s3cret@127.0.0.1:1/x", "the database postgres://127.0.0.1:1/x cannot be reached: .*onnect"),
    ],
)
def test_an_error_says_what_is_wrong_and_no_secret(plugin: WriteModels, url: str, error: str) -> None:
    apps = load_plugins(settings_from({"plugins": {"load": []}}), {"notes": plugin("notes", NOTE)}).apps
    with pytest.raises(MsanicError, match=error) as raised:
        asyncio.run(Database(url, apps).open())
    assert "s3cret" not in str(raised.value)


def test_a_driver_that_is_missing(plugin: WriteModels, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = load_plugins(settings_from({"plugins": {"load": []}}), {"notes": plugin("notes", NOTE)}).apps
    for module in [name for name in sys.modules if name.startswith(("asyncpg", "tortoise.backends.asyncpg"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r'install it with: pip install "msanic-core\[postgres\]"'):
        asyncio.run(Database("postgres://ann@127.0.0.1:1/x", apps).open())
