"""A separate process that writes rows into a part that does not exist: `python -m tests.support.split_writer URL NAME`.

It says "ready", waits for a line, starts 100 tasks at once, half of them in transactions, and exits with 0 if all is
written.
"""

import asyncio
import sys

from tortoise.transactions import in_transaction

from tests.support.split_models import Reading, at, opened

TASKS = 100


async def write(name: str, number: int) -> None:
    row = Reading(device=name, value=number, at=at(11, 1 + number % 30))
    if number % 2:
        await row.save()
        return
    async with in_transaction():
        await row.save()


async def main(url: str, name: str) -> None:
    async with opened(url, make=False) as client:
        await client.execute_query("SELECT 1")
        print("ready", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(write(name, number) for number in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
