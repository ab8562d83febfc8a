"""One process at a time migrates; another one waits and says for whom, and goes on when the first has died."""

import asyncio
from pathlib import Path

from msanic_core.db.migration.migration_lock import migration_lock
from tests.support.migrations import db, make, opened, running_db
from tests.support.model_packages import write_models

NOTE = "class Note(Model):\n    id = fields.IntField(primary_key=True)\n"
SLOW = """\
import asyncio
from pathlib import Path
from tortoise import migrations
from tortoise.migrations import operations as ops

FLAG = Path(__file__).parent / "begun"

async def wait(apps, editor):
    if not FLAG.exists():
        FLAG.touch()
        await asyncio.sleep(60)

class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [ops.RunPython(wait)]
"""


def test_who_waits_says_for_whom_and_goes_on_after_the_death_of_the_other(site: Path, database_url: str) -> None:
    async def run() -> None:
        write_models(site, "books", NOTE)
        await make("books")
        directory = site / "sample_books" / "migrations"
        (directory / "0002_slow.py").write_text(SLOW)
        async with running_db("migrate", "--db", database_url) as first:
            while not (directory / "begun").exists():
                assert first.returncode is None
                await asyncio.sleep(0.01)
            async with running_db("migrate", "--db", database_url) as second:
                assert second.stderr is not None
                line = (await second.stderr.readline()).decode()
                assert line.startswith("msanic-core: waiting for ")
                assert line.endswith(", which migrates the same database\n")
                if database_url.startswith("sqlite"):
                    assert f"waiting for process {first.pid}," in line
                first.kill()
                await first.communicate()
                _, err = await second.communicate()
                assert second.returncode == 0, err
                assert "applied books 0002_slow in" in err.decode()
        assert (await db("status", "--db", database_url))[0] == 0

    asyncio.run(run())


def test_the_lock_is_held_by_one_at_a_time(site: Path, database_url: str) -> None:
    write_models(site, "books", NOTE)
    inside = 0

    async def hold() -> None:
        nonlocal inside
        async with opened(database_url, "books") as database, migration_lock(database, print):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0.01)
            inside -= 1

    async def run() -> None:
        await asyncio.gather(*(hold() for _ in range(4)))

    asyncio.run(run())
