"""Show, write, apply and take back the migrations of plugins. Migrations make the tables of models."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from msanic_core.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msanic_core.db.database import Database
    from msanic_core.db.migration.migrator import AppStatus

SUMMARY = "show, write and apply the migrations of plugins"
NO_MODELS = "No plugin has models: none implements the hook db_models."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs, each with its flags."""
    verbs = parser.add_subparsers(title="sub-verbs", metavar="SUB-VERB", dest="sub_verb", required=True)
    status = verbs.add_parser("status", help="list migrations and models that changed", allow_abbrev=False)
    status.add_argument("--json", action="store_true", help="print JSON")
    make = verbs.add_parser("make", help="write migrations of what has changed in models", allow_abbrev=False)
    make.add_argument("plugin", nargs="?", metavar="PLUGIN", help="only this one")
    make.add_argument("--name", default="", help="name of the migration, without its number")
    make.add_argument("--empty", action="store_true", help="one without operations, to be filled in")
    migrate = verbs.add_parser("migrate", help="apply migrations", allow_abbrev=False)
    migrate.add_argument("plugin", nargs="?", metavar="PLUGIN", help="only those of this one, and what they need")
    migrate.add_argument("name", nargs="?", metavar="NAME", help="only up to this one")
    migrate.add_argument(
        "--fake", action="store_true", help="apply none, record them: the tables of PLUGIN are there already"
    )
    downgrade = verbs.add_parser("downgrade", help="take migrations back", allow_abbrev=False)
    downgrade.add_argument("plugin", metavar="PLUGIN")
    downgrade.add_argument(
        "name", nargs="?", metavar="NAME", help='all after this one; "zero": all (default: the last)'
    )
    sql = verbs.add_parser("sql", help="show the statements of a migration", allow_abbrev=False)
    sql.add_argument("plugin", metavar="PLUGIN")
    sql.add_argument("name", metavar="NAME")
    sql.add_argument("--backward", action="store_true", help="those that take it back")
    for verb in (status, make, migrate, downgrade, sql):
        options.add_settings_arguments(verb)


def run(arguments: argparse.Namespace) -> int:
    """Run the sub-verb. The exit code is 1 if a migration fails; for `status`, also if there is something to do."""
    from msanic_core.db.database import Database
    from msanic_core.errors import MigrationError
    from msanic_core.plugins.loading import load_plugins

    if arguments.sub_verb == "make" and arguments.empty and arguments.plugin is None:
        raise output.UsageError("--empty needs a PLUGIN")
    if arguments.sub_verb == "migrate" and arguments.fake and arguments.plugin is None:
        raise output.UsageError("--fake needs a PLUGIN, the one whose tables are there already")
    settings, _ = options.read_settings(arguments)
    plugins = load_plugins(settings)
    plugins.check()
    if not plugins.apps:
        print(output.json_text({"plugins": []}) if getattr(arguments, "json", False) else NO_MODELS)
        return 0
    try:
        return asyncio.run(_run(Database(settings.db.url, plugins.apps), arguments))
    except MigrationError as error:
        output.error(str(error))
        return 1


async def _run(database: Database, arguments: argparse.Namespace) -> int:
    with database.entered():
        if arguments.sub_verb in ("make", "sql"):
            await database.load()
            return await (_make if arguments.sub_verb == "make" else _sql)(database, arguments)
        await database.open()
        try:
            return await {"status": _status, "migrate": _migrate, "downgrade": _downgrade}[arguments.sub_verb](
                database, arguments
            )
        finally:
            await database.close()


async def _status(database: Database, arguments: argparse.Namespace) -> int:
    from msanic_core.db.migration.migrator import Migrator

    found = await Migrator(database, _say).status()
    print(output.json_text(as_document(found), indent=2) if arguments.json else as_text(found))
    return 1 if any(each.pending or each.changed for each in found) else 0


async def _make(database: Database, arguments: argparse.Namespace) -> int:
    from msanic_core.db.migration.writer import write_migrations

    written = await write_migrations(database, arguments.plugin, name=arguments.name, empty=arguments.empty)
    for path in written:
        print(path)
    if not written:
        print("No model has changed.")
    return 0


async def _migrate(database: Database, arguments: argparse.Namespace) -> int:
    from msanic_core.db.migration.migrator import Migrator

    migrator = Migrator(database, _say)
    if arguments.fake:
        count = await migrator.adopt(arguments.plugin, arguments.name)
        print(f"{_count(count)} recorded." if count else "Everything is recorded already.")
        return 0
    count = await migrator.migrate(arguments.plugin, arguments.name)
    print(f"{_count(count)} applied." if count else "Everything is applied.")
    return 0


async def _downgrade(database: Database, arguments: argparse.Namespace) -> int:
    from msanic_core.db.migration.migrator import Migrator

    count = await Migrator(database, _say).downgrade(arguments.plugin, arguments.name)
    print(f"{_count(count)} taken back." if count else "There is nothing to take back.")
    return 0


async def _sql(database: Database, arguments: argparse.Namespace) -> int:
    from msanic_core.db.migration.migrator import show_sql

    print("\n".join(await show_sql(database, arguments.plugin, arguments.name, backward=arguments.backward)))
    return 0


def as_document(found: Sequence[AppStatus]) -> dict[str, Any]:
    """Give the document that `status --json` prints."""
    plugins = [
        {
            "name": each.app.plugin or each.app.label,
            "applied": each.applied,
            "pending": each.pending,
            "unknown": each.unknown,
            "changed": each.changed,
        }
        for each in found
    ]
    return {"plugins": plugins}


def as_text(found: Sequence[AppStatus]) -> str:
    """Give the table, and below it the commands to run next."""
    rows = []
    for each in found:
        name = each.app.plugin or each.app.label
        rows += [(name, migration, "applied") for migration in each.applied]
        rows += [(name, migration, "applied, but not there") for migration in each.unknown]
        rows += [(name, migration, "pending") for migration in each.pending]
        if each.changed:
            rows.append((name, "", "models changed"))
    lines = [output.table(("plugin", "migration", "state"), rows)]
    if any(each.changed for each in found):
        lines.append("Models differ from what migrations make; write those that are missing with: msanic-core db make")
    if any(each.pending for each in found):
        lines.append("Apply what is pending with: msanic-core db migrate")
    return "\n".join(lines)


def _count(number: int) -> str:
    return "1 migration" if number == 1 else f"{number} migrations"


def _say(text: str) -> None:
    print(f"msanic-core: {text}", file=sys.stderr, flush=True)
