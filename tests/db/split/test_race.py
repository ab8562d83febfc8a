"""Many tasks of several processes need the same new part at once."""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest
from tortoise.exceptions import IntegrityError

from tests.support.processes import program
from tests.support.split_models import Reading, at, opened
from tests.support.split_writer import TASKS

PROCESSES = 4
ROOT = Path(__file__).parents[3]


def test_one_table_no_error_and_no_row_lost(database_url: str) -> None:
    async def run() -> None:
        async with opened(database_url):
            async with AsyncExitStack() as stack:
                starts = (writing(database_url, f"process-{number}") for number in range(PROCESSES))
                writers = [await stack.enter_async_context(start) for start in starts]
                for writer in writers:
                    assert writer.stdout is not None
                    assert await writer.stdout.readline() == b"ready\n"
                outcomes = await asyncio.gather(*(writer.communicate(b"go\n") for writer in writers))
            assert [errors.decode() for _, errors in outcomes] == [""] * PROCESSES
            assert [part.name for part in await Reading.parts()] == ["2026_11"]
            rows = await Reading.between(at(11), at(12))
            assert len(rows) == PROCESSES * TASKS
            assert len({row.id for row in rows}) == PROCESSES * TASKS
            with pytest.raises(IntegrityError):  # its indexes are there
                await Reading.create(device="process-0", value=0, at=at(11))

    asyncio.run(run())


def writing(url: str, name: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return program(
        sys.executable, "-W", "error", "-m", "tests.support.split_writer", url, name, cwd=ROOT,
        environ={"PYTHONPATH": str(ROOT)}, stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
