"""Migrations of several plugins, made, applied and taken back, on each database."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.db.database import Database
from msanic_core.db.migration.migrator import Migrator
from msanic_core.errors import MigrationError
from tests.support.migrations import make, migrate, opened
from tests.support.model_packages import write_models

NOTE = """
    class Note(Model):
        id = fields.IntField(primary_key=True)
        text = fields.CharField(max_length=50)
"""
OF_USER = """
    class Audit(Model):
        id = fields.IntField(primary_key=True)
        user = fields.ForeignKeyField("users.User", related_name="audits")
        tags = fields.ManyToManyField("users.User", related_name="tagged", through="audit_tags")
"""
USER = """
    class User(Model):
        id = fields.IntField(primary_key=True)
        name = fields.CharField(max_length=50, unique=True)
"""


async def status(database: Database) -> dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]]:
    found = await Migrator(database, print).status()
    return {each.app.label: (each.applied, each.pending, each.changed) for each in found}


def test_models_are_made_migrated_and_used(site: Path, database_url: str) -> None:
    write_models(site, "books", NOTE)

    async def run() -> None:
        async with opened(database_url, "books") as database:
            with pytest.raises(
                MigrationError, match="plugin books has models and no migrations; run: msanic-core db make"
            ):
                await Migrator(database, print).check()
        assert await make("books") == ["books/0001_initial"]
        assert await make("books") == []
        said: list[str] = []
        async with opened(database_url, "books") as database:
            migrator = Migrator(database, said.append)
            core, books = (await status(database)).values()
            assert core == books == ((), ("0001_initial",), False)
            with pytest.raises(
                MigrationError, match=r"the core: migration 0001_initial \(and 1 more\) is not applied to"
            ):
                await migrator.check()
            assert await migrator.migrate() == 2
            await migrator.check()
            assert await migrator.migrate() == 0
            (_, app) = database.apps
            (note,) = app.models()
            assert (await note.create(text="é" * 50)).pk == 1
            assert [each.text for each in await note.all()] == ["é" * 50]  # type: ignore[attr-defined]
            assert (await status(database))["books"] == (("0001_initial",), (), False)
        assert [line.partition(" in ")[0] for line in said] == [
            f"{word} {label} 0001_initial" for label in ("msanic_core", "books") for word in ("applying", "applied")
        ]

    asyncio.run(run())


def test_plugins_that_refer_to_each_other_are_migrated_in_that_order(site: Path, database_url: str) -> None:
    # By name the one that refers comes first.
    write_models(site, "audit", OF_USER)
    write_models(site, "users", USER)

    async def run() -> None:
        assert await make("audit", "users") == ["users/0001_initial", "audit/0001_initial"]
        assert '("users", "0001_initial")' in _text(site, "audit", "0001_initial")
        async with opened(database_url, "audit", "users") as database:
            said: list[str] = []
            migrator = Migrator(database, said.append)
            assert await migrator.migrate("audit") == 2
            assert [line.split()[1] for line in said if line.startswith("applying")] == ["users", "audit"]
            user, audit = (model for app in reversed(database.apps[1:]) for model in app.models())
            ann = await user.create(name="ann")
            entry = await audit.create(user=ann)
            await entry.tags.add(ann)  # type: ignore[attr-defined]
            with pytest.raises(
                MigrationError, match=r"plugin audit needs it, by its migration 0001_initial; take that"
            ):
                await migrator.downgrade("users")
            assert await migrator.downgrade("audit") == 1
            assert await migrator.downgrade("users", "zero") == 1
            assert (await status(database))["users"] == ((), ("0001_initial",), False)
            assert await migrator.migrate() == 3

    asyncio.run(run())


def test_models_that_change(site: Path, database_url: str) -> None:
    write_models(site, "users", USER)
    write_models(site, "audit", OF_USER)

    async def run() -> None:
        await make("audit", "users")
        await migrate(database_url, "audit", "users")
        async with opened(database_url, "audit", "users") as database:
            audit, user = (model for app in database.apps[1:] for model in app.models())
            entry = await audit.create(user=await user.create(name="ann"))
            await entry.tags.add(await user.get(name="ann"))  # type: ignore[attr-defined]
        write_models(
            site,
            "users",
            """
            class User(Model):
                id = fields.IntField(primary_key=True)
                name = fields.CharField(max_length=80, unique=True)
                age = fields.IntField(db_default=0)
                mail = fields.CharField(max_length=80, null=True)

                class Meta:
                    indexes = [("age", "mail")]
            """,
        )
        assert await make("audit", "users", name="more of a user") == ["users/0002_more_of_a_user"]
        assert (await migrate(database_url, "audit", "users"))[0] == "applying users 0002_more_of_a_user"
        async with opened(database_url, "audit", "users") as database:
            audit, user = (model for app in database.apps[1:] for model in app.models())
            (ann,) = await user.all()
            assert (ann.name, ann.age, ann.mail) == ("ann", 0, None)  # type: ignore[attr-defined]
            (entry,) = await audit.all().prefetch_related("user", "tags")
            assert entry.user.name == "ann", "a row that refers to a table that was changed is still there"  # type: ignore[attr-defined]
            assert [each.name for each in entry.tags] == ["ann"]  # type: ignore[attr-defined]
            assert await make("audit", "users") == []
            assert await Migrator(database, print).downgrade("users") == 1
            assert (await status(database))["users"] == (("0001_initial",), ("0002_more_of_a_user",), False)
            assert [
                row["name"]
                for row in await (await database.connection()).execute_query_dict("select name from users_user")
            ] == ["ann"]

    asyncio.run(run())


def _text(site: Path, plugin: str, name: str) -> str:
    return (site / f"sample_{plugin}" / "migrations" / f"{name}.py").read_text().replace("'", '"')
