"""Migrations as they are written: where, with which name, and after which others."""

import asyncio
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from msanic_core.config import settings_from
from msanic_core.db.database import Database
from msanic_core.db.migration.writer import write_migrations
from msanic_core.errors import MigrationError
from msanic_core.hookspecs import hookimpl
from msanic_core.plugins.loading import load_plugins
from tests.support.migrations import make, migrate
from tests.support.model_packages import write_models

THING = "class Thing(Model):\n    id = fields.IntField(primary_key=True)\n"


def test_models_that_refer_to_each_other_cannot_be_made_at_once(site: Path) -> None:
    for name, other in ("cd", "dc"):
        field = f"fields.ForeignKeyField('{other}.Thing', related_name='{name}s')"
        write_models(site, name, f"{THING}    other = {field}\n")
    with pytest.raises(MigrationError, match=r"plugin c: no migration makes d.Thing yet, .*: msanic-core db make d"):
        asyncio.run(make("c", "d"))


def test_a_migration_comes_after_the_one_that_makes_what_it_refers_to(site: Path) -> None:
    write_models(site, "b", THING)

    async def run() -> None:
        await make("b")
        assert await make("b", plugin="b", empty=True) == ["b/0002_empty"]
        assert await make("b", plugin="b", empty=True, name="Another One!") == ["b/0003_another_one"]
        write_models(site, "a", f"{THING}    other = fields.ForeignKeyField('b.Thing', related_name='things')\n")
        assert await make("a", "b") == ["a/0001_initial"]
        migration = importlib.import_module("sample_a.migrations.0001_initial").Migration
        assert migration.dependencies == [("b", "0001_initial")]
        assert importlib.import_module("sample_b.migrations.0003_another_one").Migration.dependencies == [
            ("b", "0002_empty")
        ]
        await migrate("sqlite://:memory:", "a", "b")

    asyncio.run(run())


def test_a_new_docstring_is_no_change(site: Path) -> None:
    """Tortoise makes the table's comment of it; ours is what `Meta.table_description` says."""

    def write(docstring: str, description: str) -> None:
        meta = f"    class Meta:\n        table_description = {description!r}\n"
        write_models(site, "a", THING.replace("\n", f"\n    {docstring!r}\n", 1) + meta)

    write("Old.", "Things.")
    assert asyncio.run(make("a")) == ["a/0001_initial"]
    write("New.", "Things.")
    assert asyncio.run(make("a")) == []
    write("New.", "All things.")
    assert len(asyncio.run(make("a"))) == 1


def test_a_module_at_the_top_has_its_migrations_beside_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "single.py").write_text(f"from tortoise import fields\nfrom tortoise.models import Model\n{THING}")
    module = importlib.import_module("single")
    monkeypatch.delitem(sys.modules, "single")
    monkeypatch.setitem(sys.modules, "single", module)

    async def run() -> list[Path]:
        plugin = ModuleType("plugin")
        vars(plugin)["db_models"] = hookimpl(lambda: module)
        plugins = load_plugins(settings_from({"plugins": {"load": []}}), {"single": plugin})
        plugins.check()
        database = Database("sqlite://:memory:", plugins.apps)
        with database.entered():
            await database.load()
            return await write_migrations(database)

    assert asyncio.run(run()) == [site / "single_migrations" / "0001_initial.py"]


def test_a_package_that_cannot_be_written_to(site: Path) -> None:
    write_models(site, "a", THING)
    (site / "sample_a" / "migrations").touch()
    with pytest.raises(MigrationError, match=r"plugin a: its migrations cannot be written to .*sample_a/migrations: "):
        asyncio.run(make("a"))
