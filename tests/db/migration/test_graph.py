"""Migrations that do not fit together: each fault is one line."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.db.migration.migrator import Migrator, show_sql
from msanic_core.errors import MigrationError
from tests.support.migrations import database_of, make, migrate, opened
from tests.support.model_packages import write_models

THING = "class Thing(Model):\n    id = fields.IntField(primary_key=True)\n"
SOURCE = """\
from tortoise import migrations
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    dependencies = {}
    operations = {}
"""


def write(site: Path, plugin: str, name: str, dependencies: list[tuple[str, str]], operations: str = "[]") -> None:
    source = SOURCE.format(dependencies, operations)
    (site / f"sample_{plugin}" / "migrations" / f"{name}.py").write_text(source)


def problem(*plugins: str) -> str:
    async def run() -> None:
        await migrate("sqlite://:memory:", *plugins)

    with pytest.raises(MigrationError) as raised:
        asyncio.run(run())
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture(autouse=True)
def plugins(site: Path) -> None:
    for name in "ab":
        write_models(site, name, THING)
        asyncio.run(make(name))


def test_two_last_migrations(site: Path) -> None:
    write(site, "a", "0002_one", [("a", "0001_initial")])
    write(site, "a", "0002_two", [("a", "0001_initial")])
    text = "plugin a: none of its migrations 0002_one and 0002_two comes after the other; name the one in"
    assert problem("a").startswith(text)


def test_a_circle(site: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial"), ("b", "0002_x")])
    write(site, "b", "0002_x", [("b", "0001_initial"), ("a", "0002_x")])
    assert problem("a", "b").startswith("migrations depend on each other in a circle: ")


def test_a_dependency_that_is_not_there(site: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial"), ("c", "0001_initial")])
    assert "c.0001_initial; repair them" in problem("a")


def test_one_that_cannot_be_imported(site: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial")], "[nonsense]")
    assert "the migrations cannot be loaded: NameError: name 'nonsense' is not defined; repair them" in problem("a")


def test_one_is_named_by_its_beginning(site: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial")])

    async def run() -> None:
        async with opened("sqlite://:memory:", "a") as database:
            migrator = Migrator(database, print)
            assert await migrator.migrate("a", "0001") == 1
            assert await migrator.migrate("a", "0001") == 0
            with pytest.raises(MigrationError, match="plugin a has several migrations '00'; there are: 0001_initial"):
                await migrator.migrate("a", "00")
            with pytest.raises(MigrationError, match="plugin a has no migration '3'; there are: 0001_initial, 0002_x"):
                await migrator.migrate("a", "3")
            with pytest.raises(MigrationError, match="plugin a: its migration 0002_x is not applied: there is no way"):
                await migrator.downgrade("a", "0002")
            with pytest.raises(MigrationError, match="no plugin 'c' has models; those that have: a, msanic_core"):
                await migrator.migrate("c")

    asyncio.run(run())


def test_what_cannot_be_taken_back(site: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial")], "[ops.RunSQL('select 1')]")

    async def run() -> None:
        async with opened("sqlite://:memory:", "a") as database:
            await Migrator(database, print).migrate()
            with pytest.raises(MigrationError, match="cannot be taken back: its operation 'Run SQL' has no way back"):
                await Migrator(database, print).downgrade("a")

    asyncio.run(run())


def test_one_that_is_applied_and_not_there(site: Path, tmp_path: Path) -> None:
    write(site, "a", "0002_x", [("a", "0001_initial")])
    url = f"sqlite://{tmp_path}/data.db"

    async def run() -> None:
        await migrate(url, "a")
        (site / "sample_a" / "migrations" / "0002_x.py").unlink()
        async with opened(url, "a") as database:
            await Migrator(database, print).check()
            assert (await Migrator(database, print).status())[1].unknown == ("0002_x",)

    asyncio.run(run())


def test_sql_is_shown_without_a_database(site: Path) -> None:
    async def run(url: str) -> str:
        database = database_of(url, "a")
        with database.entered():
            await database.load()
            there = await show_sql(database, "a", "0001")
            back = await show_sql(database, "a", "0001", backward=True)
        return "\n".join([*there, *back])

    for url in ("sqlite://:memory:", "postgres://x@127.0.0.1:1/x", "mysql://x:x@127.0.0.1:1/x"):
        text = asyncio.run(run(url)).replace("`", '"')
        assert 'CREATE TABLE "a_thing"' in text
        assert 'DROP TABLE "a_thing"' in text
