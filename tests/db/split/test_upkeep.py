"""Parts are listed, detached, dropped by age, and follow a template that was migrated."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext, require_context
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.transactions import in_transaction

from msanic_core.db import SplitModel
from msanic_core.errors import SplitError
from tests.support.split_models import Message, Reading, Visit, at, opened


def on(url: str, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(url):
            await work()

    asyncio.run(run())


async def names(model: type[SplitModel] = Reading) -> list[str]:
    return [part.name for part in await model.parts()]


async def fill(*months: int) -> None:
    await Reading.bulk_create(Reading(device="a", value=n, at=at(month)) for n, month in enumerate(months))


def test_parts_are_listed_with_their_bounds(database_url: str) -> None:
    async def work() -> None:
        assert await Reading.parts() == []
        await fill(12, 3)
        first, last = await Reading.parts()
        assert (first.name, first.table, first.start, first.end) == ("2026_03", "iot_reading__2026_03", at(3), at(4))
        assert (last.name, last.end) == ("2026_12", at(1, year=2027))
        if Reading._meta.db.capabilities.dialect == "sqlite":
            assert (first.rows, first.bytes) == (None, None)
        else:
            assert first.bytes is not None
            assert first.bytes > 0
        await Message.create(region="eu", text="")
        assert [(part.name, part.start, part.end) for part in await Message.parts()] == [("eu", None, None)]

    on(database_url, work)


def test_tables_that_are_no_parts_are_left_alone(database_url: str) -> None:
    async def work() -> None:
        await fill(1)
        for table in ("iot_reading__2026", "iot_reading__2026_13", "iot_reading__2026_01__old", "iot_reading_x"):
            await Reading._meta.db.execute_script(f"CREATE TABLE {table} (x INTEGER)")
        assert await names() == ["2026_01"]
        assert await Reading.everywhere().count() == 1
        assert await Reading.drop_before(at(1, year=2030))
        assert await names() == []
        await Reading._meta.db.execute_script("SELECT 1 FROM iot_reading__2026_13")

    on(database_url, work)


def test_a_detached_part_is_kept_and_not_found(database_url: str) -> None:
    async def work() -> None:
        await fill(1, 2)
        assert await Reading.detach("2026_01") == "iot_reading__2026_01__detached"
        assert await names() == ["2026_02"]
        assert [part.name for part in await Reading.parts(detached=True)] == ["2026_01"]
        assert await Reading.everywhere().count() == 1
        kept = await Reading._meta.db.execute_query_dict("SELECT * FROM iot_reading__2026_01__detached")
        assert [row["value"] for row in kept] == [0]
        with pytest.raises(SplitError, match="has no part '2026_01'"):
            await Reading.detach("2026_01")
        await fill(1)
        assert await names() == ["2026_01", "2026_02"]
        with pytest.raises(SplitError, match="rename or drop it first"):
            await Reading.detach("2026_01")
        with pytest.raises(SplitError, match="outside of a transaction"):
            async with in_transaction():
                await Reading.detach("2026_02")

    on(database_url, work)


def test_old_parts_are_dropped(database_url: str) -> None:
    async def work() -> None:
        await fill(1, 2, 3, 4)
        await Reading.detach("2026_01")
        for dry_run in (True, False):
            dropped = await Reading.drop_before(at(4), dry_run=dry_run)
            assert [part.name for part in dropped] == ["2026_02", "2026_03"]
            assert await names() == (["2026_02", "2026_03", "2026_04"] if dry_run else ["2026_04"])
        assert await Reading.drop_before(at(4, 30)) == []
        assert await Reading.everywhere().values("at") == [{"at": at(4)}]
        await Visit.create(day=date(2026, 3, 31))
        assert len(await Visit.drop_before(date(2026, 4, 5), dry_run=True)) == 0
        assert len(await Visit.drop_before(date(2026, 4, 6))) == 1
        with pytest.raises(SplitError, match="no age"):
            await Message.drop_before(at(1))
        with pytest.raises(SplitError, match="outside of a transaction"):
            async with in_transaction():
                await Reading.drop_before(at(4))

    on(database_url, work)


def test_parts_that_are_like_their_template_are_left_alone(database_url: str) -> None:
    async def work() -> None:
        await fill(1, 2)
        await Visit.create(day=date(2026, 3, 31), price="1.20")
        assert await Reading.sync_parts() == []
        assert await Visit.sync_parts() == []

    on(database_url, work)


MODEL = """
    from tortoise import fields
    from msanic_core.db import SplitModel

    class Sample(SplitModel):
        id = fields.BigIntField(primary_key=True)
        at = fields.DatetimeField()
        {fields}

        class Meta:
            table = "sample"
            indexes = ({indexes})

        class Split:
            by = "year"
            field = "at"
"""
BEFORE = (
    "name = fields.CharField(max_length=10); old = fields.IntField(null=True); gone = fields.IntField(default=1)",
    '("old",),',
)
AFTER = (
    "name = fields.CharField(max_length=40, null=True); new = fields.IntField(null=True); "
    'unit = fields.CharField(max_length=5, default="50%"); note = fields.TextField(null=True)',
    '("new",), ("unit", "at"),',
)
STEPS = """
    from tortoise import fields
    from tortoise.migrations import Migration
    from tortoise.migrations import operations as ops
    from tortoise.indexes import Index
    from msanic_core.db.split.upkeep import AlterParts

    class Migration(Migration):
        {head}
        operations = [{operations}]
"""
FIRST = """
    ops.CreateModel("Sample", [
        ("id", fields.BigIntField(primary_key=True, generated=True, unique=True, db_index=True)),
        ("at", fields.DatetimeField()),
        ("name", fields.CharField(max_length=10)), ("old", fields.IntField(null=True)),
        ("gone", fields.IntField(default=1)),
    ], options={"table": "sample", "indexes": [Index(fields=["old"])]}),
"""
SECOND = """
    AlterParts("Sample", rename={"new": "old"}, drop={"unit", "note"}),
    ops.RenameField("Sample", "old", "new"),
    ops.RemoveField("Sample", "gone"),
    ops.AlterField("Sample", "name", fields.CharField(max_length=40, null=True)),
    ops.AddField("Sample", "unit", fields.CharField(max_length=5, default="50%")),
    ops.AddField("Sample", "note", fields.TextField(null=True)),
    ops.AddIndex("Sample", Index(fields=["unit", "at"])),
    AlterParts("Sample", rename={"old": "new"}, drop={"gone"}),
"""


class Migrated:
    """A package with a model and its migrations, in a database."""

    def __init__(self, directory: Path, url: str) -> None:
        self.package = f"split_sample_{directory.name}"
        self._directory, self._url = directory / self.package, url
        (self._directory / "migrations").mkdir(parents=True)
        for path in (self._directory / "__init__.py", self._directory / "migrations" / "__init__.py"):
            path.write_text("")
        self.migration("m1", "initial = True", FIRST)

    def migration(self, name: str, head: str, operations: str) -> None:
        text = dedent(STEPS).replace("{head}", head).replace("{operations}", dedent(operations))
        (self._directory / "migrations" / f"{name}.py").write_text(text)

    async def open(self, stack: AsyncExitStack, number: int, shape: tuple[str, str]) -> Any:
        """Open the database with the model in one of its shapes, as a new release of the plugin does."""
        EXECUTOR_CACHE.clear()
        text = dedent(MODEL).replace("{fields}", shape[0].replace("; ", "\n    ")).replace("{indexes}", shape[1])
        module = f"models_{number}"
        (self._directory / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        context = await stack.enter_async_context(TortoiseContext())
        await context.init(db_url=self._url, modules={"sample": [f"{self.package}.{module}"]})
        return vars(sys.modules[f"{self.package}.{module}"])["Sample"]

    @property
    def migrations(self) -> Path:
        return self._directory / "migrations"

    async def migrate(self, client: BaseDBAsyncClient, target: str, module: str) -> None:
        await MigrationExecutor(client, self.config(module)).migrate([MigrationTarget("sample", target)])

    def config(self, module: str) -> dict[str, Any]:
        return {
            "sample": {"models": [f"{self.package}.{module}"], "migrations": f"{self.package}.migrations",
                       "default_connection": "default"}
        }  # fmt: skip


@pytest.fixture
def migrated(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Migrated:
    monkeypatch.syspath_prepend(tmp_path)
    return Migrated(tmp_path, database_url)


def test_parts_follow_a_migration_and_back(migrated: Migrated) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            old = await migrated.open(stack, 1, BEFORE)
            await migrated.migrate(old._meta.db, "m1", "models_1")
            for year in (2025, 2026):
                await old.create(at=at(1, year=year), name="a", old=year)
        migrated.migration("m2", 'dependencies = [("sample", "m1")]', SECOND)
        async with AsyncExitStack() as stack:
            new = await migrated.open(stack, 2, AFTER)
            await migrated.migrate(new._meta.db, "m2", "models_2")
            assert await new.everywhere().order_by("at").values("name", "new", "unit", "note") == [
                {"name": "a", "new": year, "unit": "50%", "note": None} for year in (2025, 2026)
            ]
            assert await new.sync_parts() == [], "nothing is left to do"
            ids = {row.id for row in await new.everywhere()}
            row = await new.create(at=at(2), name="b" * 40, new=1, note="n")
            assert row.id not in ids
            await new.create(at=at(2, year=2027), new=1)
            assert await new.sync_parts() == [], "a new part is like an old one"
            await new.everywhere().exclude(name="a").delete()
            assert len(await new.detach("2027")) > 0
            await migrated.migrate(new._meta.db, "m1", "models_2")
        async with AsyncExitStack() as stack:
            old = await migrated.open(stack, 3, BEFORE)
            found = await old.everywhere().order_by("at").values("name", "old", "gone")
            assert found == [{"name": "a", "old": year, "gone": 1} for year in (2025, 2026)]
            assert await old.sync_parts() == []

    asyncio.run(run())


def test_what_would_be_lost_is_refused(migrated: Migrated) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            model = await migrated.open(stack, 1, BEFORE)
            await migrated.migrate(model._meta.db, "m1", "models_1")
            await model.create(at=at(1), name="a", old=7)
            client = model._meta.db
            await client.execute_script("ALTER TABLE sample ADD COLUMN must VARCHAR(5) NOT NULL DEFAULT 'x'")
            await client.execute_script("ALTER TABLE sample DROP COLUMN gone")
            with pytest.raises(SplitError, match=r"has columns that its template has not: gone.*sync_parts\(rename="):
                await model.sync_parts()
            done = await model.sync_parts(drop={"gone"})
            assert all(line.startswith("sample__2026: ") for line in done)
            rows = await client.execute_query_dict("SELECT * FROM sample__2026")
            assert [(row["old"], row["must"], "gone" in row) for row in rows] == [(7, "x", False)]

    asyncio.run(run())


def test_rows_that_do_not_fit_are_an_error(migrated: Migrated) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            model = await migrated.open(stack, 1, BEFORE)
            await migrated.migrate(model._meta.db, "m1", "models_1")
            await model.create(at=at(1), name="a", old=7)
            client = model._meta.db
            await client.execute_script("DROP TABLE sample")
            await client.execute_script(
                "CREATE TABLE sample (id BIGINT PRIMARY KEY, at TIMESTAMP NOT NULL, name VARCHAR(10) NOT NULL, "
                "old INT, gone INT NOT NULL, must INT NOT NULL)"
            )
            with pytest.raises(SplitError, match="the rows of sample__2026 do not fit its template"):
                await model.sync_parts()
            assert (await client.execute_query_dict("SELECT old FROM sample__2026"))[0]["old"] == 7

    asyncio.run(run())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_tortoise_makes_migrations_of_split_models(migrated: Migrated) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            model = await migrated.open(stack, 1, BEFORE)
            apps = require_context().apps
            assert apps is not None
            config = migrated.config("models_1")
            assert await MigrationAutodetector(apps, config).changes() == []
            (migrated.migrations / "m1.py").unlink()
            sys.modules.pop(f"{migrated.package}.migrations.m1")
            importlib.invalidate_caches()
            await MigrationAutodetector(apps, config).write()
            await MigrationExecutor(model._meta.db, config).migrate()
            await model.create(at=at(1), name="a")
            assert [part.table for part in await model.parts()] == ["sample__2026"]
            assert await model.sync_parts() == []

    asyncio.run(run())
