"""What docs/from-msanic.md says of models, tables and caches works, on real databases."""

import asyncio
import importlib
import runpy
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.migrations import execute, opened
from tests.support.model_packages import CommandLine
from tests.support.msanic_page import COMMAND, SECTIONS, files, program, write

PRIMARY_KEYS = {
    "sqlite": "integer primary key",
    "asyncpg": "bigserial primary key",
    "mysql": "bigint auto_increment primary key",
}


def test_models(site: Path, database_url: str, command_line: CommandLine) -> None:
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
    assert command_line(make).endswith("0001_initial.py\n")
    assert command_line(fake) == "1 migration recorded.\n"
    assert command_line(migrate) == "1 migration applied.\n"
    command_line(status)
    write(site, new, migration)
    assert command_line(migrate) == "1 migration applied.\n"
    command_line(status)

    async def run() -> None:
        async with opened(database_url, "shop", prefix="msanic_"):
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


def test_split_tables(site: Path, database_url: str, command_line: CommandLine) -> None:
    model, migration = files("Split tables")
    write(site, model, files("Models")[2])
    command_line("db make shop")
    command_line(f"db migrate --db {database_url}")
    months = {"sale_y2026m02": 1769904000, "sale_y2026m03": 1772323200}

    async def use() -> None:
        async with opened(database_url, "shop", prefix="msanic_"):
            namespace = program("Split tables")
            await namespace["use"]()
            assert len(await namespace["Sale"].drop_before(datetime(2026, 5, 1, tzinfo=UTC))) == 1
        for table, begin in months.items():
            rows = ", ".join(f"({number}, 'tea', {begin + number})" for number in range(1, 1502))
            create = f"create table {table} (id integer primary key, item varchar(50), created bigint)"
            await execute(database_url, create, f"insert into {table} values {rows}", "select 1")

    async def look() -> None:
        async with opened(database_url, "shop", prefix="msanic_"):
            sale = program("Split tables")["Sale"]
            assert [part.name for part in await sale.parts()] == ["2026_02", "2026_03"]
            assert len({row.id for row in await sale.everywhere()}) == 3002

    asyncio.run(use())
    write(site, migration)
    command_line(f"db migrate --db {database_url}")
    asyncio.run(look())


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_indexes(site: Path, database_url: str, command_line: CommandLine) -> None:
    model, migration = files("Indexes")
    write(site, model, files("Models")[2])
    command_line("db make shop")
    write(site, migration)
    command_line(f"db migrate --db {database_url}")
    rows = asyncio.run(
        execute(database_url, "select indexdef from pg_indexes where tablename = 'shop_product'"),
    )
    definitions = " ".join(row["indexdef"] for row in rows)
    for part in ("(name, created_at)", "USING gin (tags)", "(name varchar_pattern_ops)", "gin (name gin_trgm_ops)"):
        assert part in definitions


def test_table_generators(site: Path, command_line: CommandLine) -> None:
    write(site, files("Split tables")[0], files("Models")[2])
    make, sql = COMMAND.findall(SECTIONS["Table generators"])
    command_line(make)
    assert 'CREATE TABLE "shop_sale"' in command_line(sql)


# cashews closes its connections by a name that redis-py would rather not have used.
@pytest.mark.filterwarnings("ignore:Call to deprecated close")
def test_cache(
    site: Path, tmp_path: Path, redis_url: str, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, hook, new, _ = files("Models")
    write(site, new, hook, *files("Cache"))
    command_line("db make shop")
    command_line("db migrate")

    async def run() -> None:
        async with opened(f"sqlite://{tmp_path}/msanic.db", "shop", prefix="msanic_"), AsyncExitStack() as stack:
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
