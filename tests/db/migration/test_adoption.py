"""Tables that another program made become those of a plugin, with their rows; on each database."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.db.migration.migrator import Migrator
from msanic_core.errors import MigrationError
from tests.support.migrations import db, execute, make, migrate, opened
from tests.support.model_packages import write_models

SHOP = """
    class Customer(Model):
        id = fields.IntField(primary_key=True)
        name = fields.CharField(max_length=50)
        groups = fields.ManyToManyField("shop.Group", through="customer_group", related_name="customers")

        class Meta:
            table = "customer"


    class Group(Model):
        id = fields.IntField(primary_key=True)

        class Meta:
            table = "grp"
"""
TABLES = [
    "create table customer (id integer primary key, name varchar(50) not null, old_note varchar(10))",
    "create table grp (id integer primary key)",
    "create table customer_group (customer_id integer, group_id integer)",
    "insert into customer values (1, 'Ada', null)",
]
NAME_IS_UNIQUE = SHOP.replace("max_length=50", "max_length=50, unique=True")


async def adopt(url: str, *arguments: str, plugins: tuple[str, ...] = ("shop",)) -> tuple[int, list[str]]:
    said: list[str] = []
    async with opened(url, *plugins) as database:
        return await Migrator(database, said.append).adopt(*arguments), said


def test_what_is_there_is_recorded_and_later_migrations_are_applied(site: Path, database_url: str) -> None:
    async def run() -> None:
        await execute(database_url, *TABLES, "select 1")
        write_models(site, "shop", SHOP)
        assert await make("shop") == ["shop/0001_initial"]
        assert await adopt(database_url, "shop") == (1, ["recorded shop 0001_initial, as its tables are there"])
        assert await adopt(database_url, "shop") == (0, [])
        write_models(site, "shop", NAME_IS_UNIQUE)
        await make("shop", name="unique")
        said = await migrate(database_url, "shop")
        assert [line.partition(" in ")[0] for line in said if line.startswith("applied")] == [
            "applied msanic_core 0001_initial",
            "applied shop 0002_unique",
        ]
        async with opened(database_url, "shop") as database:
            await Migrator(database, print).check()
            customer = next(each for each in database.apps[1].models() if each.__name__ == "Customer")
            assert [each.name for each in await customer.all()] == ["Ada"]  # type: ignore[attr-defined]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("broken", "table", "missing"),
    [
        (TABLES[1:3], "customer", "customer"),
        ([TABLES[0].replace("name", "title"), *TABLES[1:3]], "customer", "name"),
        (TABLES[:2], "customer_group", "customer_group"),
        ([*TABLES[:2], TABLES[2].replace("group_id", "grp")], "customer_group", "group_id"),
    ],
)
def test_a_table_or_column_that_is_not_there_is_not_recorded(
    site: Path, database_url: str, broken: list[str], table: str, missing: str
) -> None:
    async def run() -> None:
        await execute(database_url, *broken, "select 1")
        write_models(site, "shop", SHOP)
        await make("shop")
        with pytest.raises(MigrationError, match=rf"table {table} is not as .*: .*{missing}.*; name the tables and"):
            await adopt(database_url, "shop")
        async with opened(database_url, "shop") as database:
            assert len(await Migrator(database, print).pending()) == 2

    asyncio.run(run())


def test_up_to_a_migration(site: Path, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/shop.db"

    async def run() -> None:
        await execute(url, *TABLES, "select 1")
        write_models(site, "shop", SHOP)
        await make("shop")
        write_models(site, "shop", NAME_IS_UNIQUE)
        await make("shop", name="unique")
        assert (await adopt(url, "shop", "0001"))[0] == 1
        async with opened(url, "shop") as database:
            pending = await Migrator(database, print).pending()
        assert [(key.app_label, key.name) for key in pending] == [
            ("msanic_core", "0001_initial"),
            ("shop", "0002_unique"),
        ]

    asyncio.run(run())


def test_what_another_plugin_makes_has_to_be_there_before(site: Path, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/shop.db"
    bill = """
        class Bill(Model):
            id = fields.IntField(primary_key=True)
            customer = fields.ForeignKeyField("shop.Customer", related_name="bills")
    """

    async def run() -> None:
        await execute(url, *TABLES, "create table bills_bill (id integer, customer_id integer)", "select 1")
        write_models(site, "shop", SHOP)
        write_models(site, "bills", bill)
        await make("bills", "shop")
        both = ("bills", "shop")
        with pytest.raises(MigrationError, match=r"plugin bills needs migration 0001_initial of plugin shop, .* shop$"):
            await adopt(url, "bills", plugins=both)
        for plugin in ("shop", "bills"):
            assert (await adopt(url, plugin, plugins=both))[0] == 1

    asyncio.run(run())


def test_the_command(site: Path, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/shop.db"
    write_models(site, "shop", SHOP)

    async def run() -> None:
        await make("shop")
        flags = ("--db", url, "--set", 'plugins.load=["shop"]')
        code, _, err = await db("migrate", "--fake", *flags)
        assert (code, "fake needs a PLUGIN" in err) == (2, True)
        code, _, err = await db("migrate", "shop", "--fake", *flags)
        assert (code, "is not as the migrations would make it" in err) == (1, True)
        await execute(url, *TABLES, "select 1")
        assert (await db("migrate", "shop", "--fake", *flags))[:2] == (0, "1 migration recorded.\n")
        assert (await db("migrate", "shop", "--fake", *flags))[:2] == (0, "Everything is recorded already.\n")
        assert (await db("migrate", *flags))[:2] == (0, "1 migration applied.\n")

    asyncio.run(run())
