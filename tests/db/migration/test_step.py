"""Migrations that fail or are killed in the middle, on each database: nothing is applied twice, and all can go on."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from textwrap import dedent

import pytest
from tortoise.migrations.recorder import MigrationRecorder

from msanic_core.db.migration.migrator import Migrator
from msanic_core.errors import MigrationError
from tests.support.migrations import db, make, migrate, opened, running_db
from tests.support.model_packages import write_models

NOTE = """
    class Note(Model):
        id = fields.IntField(primary_key=True)
        text = fields.CharField(max_length=50)
"""
HEAD = """\
import asyncio
import os
import signal
from pathlib import Path
from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
"""
SITE_FLAG = "Path(__file__).parent / 'flag'"


def write_migration(site: Path, name: str, operations: str, *, before: str = "", atomic: bool = True) -> None:
    """Write 0002_… of the plugin books: `operations` are the items of the list."""
    head = HEAD.replace("\n\n\nclass", f"\n{dedent(before)}\n\nclass")
    source = f"{head}    atomic = {atomic}\n    operations = [\n{dedent(operations)}\n    ]\n"
    (site / "sample_books" / "migrations" / f"{name}.py").write_text(source)


async def tables(url: str) -> set[str]:
    """The tables of the plugin."""
    async with opened(url, "books") as database:
        connection = await database.connection()
        sqlite = connection.capabilities.dialect == "sqlite"
        names = (
            "name from sqlite_master where type = 'table'" if sqlite else "table_name from information_schema.tables"
        )
        rows = await connection.execute_query_dict(f"select {names}")
        return {name for row in rows for name in row.values() if name.startswith("books_")}


async def texts(url: str) -> list[str]:
    async with opened(url, "books") as database:
        rows = await (await database.connection()).execute_query_dict("select text from books_note order by id")
        return [row["text"] for row in rows]


async def pending(url: str) -> list[str]:
    async with opened(url, "books") as database:
        return [str(key) for key in await Migrator(database, print).pending()]


def create(name: str, key: str = "ops.CreateModel") -> str:
    return (
        f"{key}(name={name!r}, fields=[('id', fields.IntField(primary_key=True, generated=True))], "
        f"options={{'table': 'books_{name.lower()}', 'app': 'books', 'pk_attr': 'id'}}),"
    )


async def prepare(site: Path, url: str) -> None:
    write_models(site, "books", NOTE)
    await make("books")
    await migrate(url, "books")


def test_a_migration_of_rows_there_and_back(site: Path, database_url: str) -> None:
    async def run() -> None:
        await prepare(site, database_url)
        write_migration(
            site,
            "0002_rows",
            "ops.RunPython(there, back)",
            before="""
            async def there(apps, editor):
                await apps.get_model("books.Note").create(text="made")

            async def back(apps, editor):
                await apps.get_model("books.Note").filter(text="made").delete()
            """,
        )
        await migrate(database_url, "books")
        assert await texts(database_url) == ["made"]
        async with opened(database_url, "books") as database:
            await Migrator(database, print).downgrade("books")
        assert await texts(database_url) == []

    asyncio.run(run())


def test_one_that_fails_says_what_stands_and_goes_on_when_it_is_repaired(site: Path, database_url: str) -> None:
    rows = "async def rows(apps, editor):\n    await apps.get_model('books.Note').create(text='made')"
    good = f"{create('One')}\nops.RunPython(rows, ops.RunPython.noop),\n"

    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", f"{good}ops.RunSQL('nonsense', 'select 1'),\n{create('Two')}", before=rows)
        with pytest.raises(MigrationError) as raised:
            await migrate(database_url, "books")
        text = str(raised.value)
        assert text.startswith("books.0002_more: operation 3 of 4 (Run SQL) failed: OperationalError: ")
        keeps = database_url.startswith("mysql")
        stands = "of it stand: operations 1 to 2" if keeps else "nothing of it stands"
        assert f"; {stands}, and it is not recorded as applied; repair the migration and run it again" in text
        assert "\n" not in text
        assert await tables(database_url) == ({"books_note", "books_one"} if keeps else {"books_note"})
        assert await texts(database_url) == (["made"] if keeps else [])
        assert await pending(database_url) == ["books.0002_more"]
        write_migration(site, "0002_more", f"{good}{create('Two')}", before=rows)
        await migrate(database_url, "books")
        assert await tables(database_url) == {"books_note", "books_one", "books_two"}
        assert await texts(database_url) == ["made"], "what stood was not done again"

    asyncio.run(run())


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_what_stands_must_stay_as_it_was_written(site: Path, database_url: str) -> None:
    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", f"{create('One')}\nops.RunSQL('nonsense', 'select 1'),")
        with pytest.raises(MigrationError):
            await migrate(database_url, "books")
        write_migration(site, "0002_more", create("Two"))
        with pytest.raises(
            MigrationError, match="its operation 1 was 'Create model One' when it was applied before the"
        ):
            await migrate(database_url, "books")
        assert await tables(database_url) == {"books_note", "books_one"}

    asyncio.run(run())


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_an_operation_of_several_statements_goes_on_where_it_failed(site: Path, database_url: str) -> None:
    books = "fields.ManyToManyField('books.Note', related_name='tagged', through='books_tags')"
    tags = create("Tagged").replace("generated=True))]", f"generated=True)), ('books', {books})]")

    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", tags)
        async with opened(database_url, "books") as database:
            await (await database.connection()).execute_script("create table books_tags (x integer)")
        with pytest.raises(MigrationError, match=r"already exists.*; of it stand: of operation 1 the first 1 of its"):
            await migrate(database_url, "books")
        assert await tables(database_url) == {"books_note", "books_tagged", "books_tags"}
        with pytest.raises(MigrationError, match="already exists"):
            await migrate(database_url, "books")
        async with opened(database_url, "books") as database:
            await (await database.connection()).execute_script("drop table books_tags")
        await migrate(database_url, "books")
        assert await pending(database_url) == []

    asyncio.run(run())


KILLED = """
FLAG = Path(__file__).parent / "killed"

def kill_once():
    if not FLAG.exists():
        FLAG.touch()
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(ops.CreateModel):
    async def database_forward(self, *arguments):
        await super().database_forward(*arguments)
        kill_once()

async def rows(apps, editor):
    await apps.get_model("books.Note").create(text="made")

async def killed_rows(apps, editor):
    await rows(apps, editor)
    kill_once()
"""


@pytest.mark.parametrize(
    "operations",
    [
        f"{create('One')}\nops.RunPython(rows),\n{create('Two', 'Killed')}",
        f"{create('One')}\n{create('Two')}\nops.RunPython(killed_rows),",
    ],
    ids=["after a change of tables", "after a change of rows"],
)
def test_one_that_is_killed_in_the_middle_goes_on(site: Path, database_url: str, operations: str) -> None:
    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", operations, before=KILLED)
        assert (await db("migrate", "--db", database_url))[0] == -signal.SIGKILL
        assert await pending(database_url) == ["books.0002_more"]
        code, _, err = await db("migrate", "--db", database_url)
        assert code == 0, err
        assert await tables(database_url) == {"books_note", "books_one", "books_two"}
        assert await texts(database_url) == ["made"]
        assert await pending(database_url) == []

    asyncio.run(run())


def test_one_that_cannot_be_recorded_is_not_applied_twice(
    site: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("the disk is full")

    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", f"{create('One')}\nops.RunPython(rows),", before=KILLED)
        with monkeypatch.context() as patch, pytest.raises(MigrationError, match="the disk is full; run it again"):
            patch.setattr(MigrationRecorder, "record_applied", fail)
            await migrate(database_url, "books")
        assert await pending(database_url) == ["books.0002_more"]
        await migrate(database_url, "books")
        assert await texts(database_url) == ["made"]
        assert await pending(database_url) == []

    asyncio.run(run())


def test_one_without_a_transaction_that_is_killed_goes_on(site: Path, database_url: str) -> None:
    """`atomic = False` on databases that could do better; what is killed is a change of rows of its own transaction."""

    async def run() -> None:
        await prepare(site, database_url)
        operations = f"{create('One')}\nops.RunPython(killed_rows, atomic=True),\n{create('Two')}"
        write_migration(site, "0002_more", operations, before=KILLED, atomic=False)
        assert (await db("migrate", "--db", database_url))[0] == -signal.SIGKILL
        assert await tables(database_url) == {"books_note", "books_one"}
        code, _, err = await db("migrate", "--db", database_url)
        assert code == 0, err
        assert await texts(database_url) == ["made"]
        assert await pending(database_url) == []

    asyncio.run(run())


def test_one_that_is_killed_while_it_is_taken_back(site: Path, database_url: str) -> None:
    backward = KILLED.replace("database_forward", "database_backward")

    async def run() -> None:
        await prepare(site, database_url)
        write_migration(site, "0002_more", f"{create('One', 'Killed')}\n{create('Two')}", before=backward)
        await migrate(database_url, "books")
        assert (await db("downgrade", "books", "--db", database_url))[0] == -signal.SIGKILL
        assert await pending(database_url) == []
        code, _, err = await db("downgrade", "books", "--db", database_url)
        assert code == 0, err
        assert await tables(database_url) == {"books_note"}
        assert await pending(database_url) == ["books.0002_more"]

    asyncio.run(run())


def test_eight_processes_at_once_apply_each_migration_once(site: Path, database_url: str) -> None:
    async def run() -> None:
        write_models(site, "books", NOTE)
        await make("books")
        write_migration(site, "0002_rows", "ops.RunPython(rows)", before=KILLED)
        async with AsyncExitStack() as stack:
            starts = (running_db("migrate", "--db", database_url) for _ in range(8))
            processes = [await stack.enter_async_context(start) for start in starts]
            ended = await asyncio.gather(*(process.communicate() for process in processes))
        assert [process.returncode for process in processes] == [0] * 8, ended
        answers = sorted(out.decode() for out, _ in ended)
        assert answers == ["3 migrations applied.\n", *["Everything is applied.\n"] * 7]
        assert await texts(database_url) == ["made"]

    asyncio.run(run())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_references_that_a_migration_breaks_make_it_fail(site: Path, database_url: str) -> None:
    async def run() -> None:
        await prepare(site, database_url)
        one = create("One").replace(
            "))], ", ")), ('note', fields.ForeignKeyField('books.Note', related_name='ones'))], "
        )
        row = "ops.RunSQL('insert into books_one (note_id) values (7)')"
        write_migration(site, "0002_more", f"{one}\n{row},")
        with pytest.raises(
            MigrationError, match="1 references are broken, of table books_one to books_note among them"
        ):
            await migrate(database_url, "books")
        assert await tables(database_url) == {"books_note"}
        async with opened(database_url, "books") as database:
            rows = await (await database.connection()).execute_query_dict("pragma foreign_keys")
            assert rows == [{"foreign_keys": 1}]

    asyncio.run(run())
