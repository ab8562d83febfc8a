"""Range queries over the monthly parts of a split table, beside the same queries of one table with the same index.

    python -m benchmarks.split_tables [DATABASE_URL ...]

Without URLs it runs on SQLite, and on a private PostgreSQL and MariaDB where their programs are installed.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tortoise import Tortoise, fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext
from tortoise.functions import Avg, Count, Max
from tortoise.models import Model

from msanic_core.db import SplitModel
from msanic_core.testing import mariadb_process, postgres_process

GOAL = 1.3
ROWS = 1_000_000
_DEVICES = 1_000
_YEAR = 2026
_BATCH = 20_000
_INDEXES = (("device", "at"), ("at",))


class Whole(Model):
    """The same rows in one table."""

    id = fields.BigIntField(primary_key=True)
    device = fields.IntField()
    value = fields.IntField()
    at = fields.DatetimeField()

    class Meta:
        """The same indexes."""

        table = "whole"
        indexes = _INDEXES


class Reading(SplitModel):
    """A part for each month."""

    id = fields.BigIntField(primary_key=True)
    device = fields.IntField()
    value = fields.IntField()
    at = fields.DatetimeField()

    class Meta:
        """The same indexes."""

        table = "reading"
        indexes = _INDEXES

    class Split:
        """By month."""

        by = "month"
        field = "at"


@dataclass(frozen=True)
class Query:
    """The same question to both: the number of the round says which device and which months."""

    title: str
    rounds: int
    whole: Callable[[int], Awaitable[Any]]
    split: Callable[[int], Awaitable[Any]]


def _month(month: int) -> datetime:
    return datetime(_YEAR + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)


def _whole(start: datetime, end: datetime) -> Any:
    return Whole.filter(at__gte=start, at__lt=end)


_ALL = (_month(1), _month(13))
_HALF = (_month(3) + timedelta(days=11), _month(10) + timedelta(days=4))


def _three(number: int) -> tuple[datetime, datetime]:
    return _month(1 + number % 10), _month(4 + number % 10)


def _groups(query: Any) -> Any:
    answers = {"n": Count("id"), "top": Max("value"), "mean": Avg("value")}
    return query.annotate(**answers).group_by("device").values("device", *answers)


QUERIES = [
    Query(
        "one device, latest 100 of the year", 200,
        lambda n: _whole(*_ALL).filter(device=n).order_by("-at").limit(100),
        lambda n: Reading.between(*_ALL).filter(device=n).order_by("-at").limit(100),
    ),
    Query(
        "one device, first 100 from the middle of a month on", 200,
        lambda n: _whole(*_HALF).filter(device=n).order_by("at").limit(100),
        lambda n: Reading.between(*_HALF).filter(device=n).order_by("at").limit(100),
    ),
    Query(
        "one device, all of the year in order", 30,
        lambda n: _whole(*_ALL).filter(device=n).order_by("at"),
        lambda n: Reading.between(*_ALL).filter(device=n).order_by("at"),
    ),
    Query(
        "one device, 20 highest values of the year", 100,
        lambda n: _whole(*_ALL).filter(device=n).order_by("-value", "id").limit(20),
        lambda n: Reading.between(*_ALL).filter(device=n).order_by("-value", "id").limit(20),
    ),
    Query(
        "a device that has no rows", 200,
        lambda n: _whole(*_ALL).filter(device=-n - 1).order_by("-at").limit(100),
        lambda n: Reading.between(*_ALL).filter(device=-n - 1).order_by("-at").limit(100),
    ),
    Query(
        "latest 100 of all", 200,
        lambda _: _whole(*_ALL).order_by("-at").limit(100),
        lambda _: Reading.between(*_ALL).order_by("-at").limit(100),
    ),
    Query(
        "count of three months", 10,
        lambda n: _whole(*_three(n)).count(),
        lambda n: Reading.between(*_three(n)).count(),
    ),
    Query(
        "count of one device in the year", 100,
        lambda n: _whole(*_ALL).filter(device=n).count(),
        lambda n: Reading.between(*_ALL).filter(device=n).count(),
    ),
    Query(
        "count, maximum and mean by device, of the year", 2,
        lambda _: _groups(_whole(*_ALL)),
        lambda _: Reading.between(*_ALL).aggregate("device", n=Count("id"), top=Max("value"), mean=Avg("value")),
    ),
]  # fmt: skip


async def _fill(client: BaseDBAsyncClient, rows: int) -> None:
    """Write the same rows into both, in the order of time; the parts are made as they are needed."""
    chance = random.Random(7)
    step = (_ALL[1] - _ALL[0]) / rows
    for first in range(0, rows, _BATCH):
        batch = [
            {"device": chance.randrange(_DEVICES), "value": chance.randrange(1_000_000), "at": _ALL[0] + n * step}
            for n in range(first, min(first + _BATCH, rows))
        ]
        await Whole.bulk_create([Whole(**row) for row in batch])
        await Reading.bulk_create([Reading(**row) for row in batch])
    tables = ["whole", *(part.table for part in await Reading.parts())]
    match client.capabilities.dialect:
        case "mysql":
            await client.execute_query(f"ANALYZE TABLE {', '.join(tables)}")
        case "postgres":
            await client.execute_script("VACUUM ANALYZE")
        case _:
            await client.execute_script("ANALYZE")


def _same(whole: Any, split: Any) -> bool:
    """Compare two answers, whatever their classes and, for groups, their order."""
    if not isinstance(whole, list):
        return bool(whole == split)
    if whole and isinstance(whole[0], dict):
        # Tortoise makes an integer of an average of integers.
        answers = [{row["device"]: (row["n"], row["top"], int(row["mean"])) for row in rows} for rows in (whole, split)]
        return answers[0] == answers[1]
    return [(row.device, row.value, row.at) for row in whole] == [(row.device, row.value, row.at) for row in split]


async def _seconds(ask: Callable[[int], Awaitable[Any]], numbers: Sequence[int]) -> float:
    begun = time.perf_counter()
    for number in numbers:
        await ask(number)
    return (time.perf_counter() - begun) / len(numbers)


async def _compare(query: Query, repeats: int) -> tuple[float, float, float]:
    """Give the median seconds of both, and the median of the ratios of each pair of turns."""
    if not _same(await query.whole(3), await query.split(3)):
        raise RuntimeError(f"{query.title}: the answers differ")
    pairs = []
    for turn in range(repeats):
        numbers = [(turn * query.rounds + n) % _DEVICES for n in range(query.rounds)]
        # Each is first as often as the other.
        if turn % 2:
            split, whole = await _seconds(query.split, numbers), await _seconds(query.whole, numbers)
        else:
            whole, split = await _seconds(query.whole, numbers), await _seconds(query.split, numbers)
        pairs.append((whole, split))
    return (
        statistics.median(whole for whole, _ in pairs),
        statistics.median(split for _, split in pairs),
        statistics.median(split / whole for whole, split in pairs),
    )


async def measure(url: str, rows: int, repeats: int) -> list[tuple[str, float, float, float]]:
    """Fill an empty database and compare all queries: title, seconds of one table, of parts, and the ratio."""
    EXECUTOR_CACHE.clear()
    async with TortoiseContext() as context:
        await context.init(db_url=url, modules={"models": [__name__]})
        await Tortoise.generate_schemas()
        await _fill(context.db(), rows)
        return [(query.title, *await _compare(query, repeats)) for query in QUERIES]


@asynccontextmanager
async def servers(directory: Path) -> AsyncIterator[dict[str, str]]:
    """Run what is installed, and give the URLs of empty databases by name."""
    urls = {"SQLite": f"sqlite://{directory}/rows.db"}
    async with AsyncExitStack() as stack:
        for name, process in (("PostgreSQL", postgres_process), ("MariaDB", mariadb_process)):
            try:
                server = await stack.enter_async_context(process(directory))
                urls[name] = await server.create_database("rows")
            except RuntimeError as error:
                print(f"{name} is left out: {error}")
        yield urls


def report(name: str, found: Sequence[tuple[str, float, float, float]]) -> str:
    """Write the figures of one database as a table."""
    lines = [f"### {name}", "", "| query | one table, ms | 12 parts, ms | ratio |", "| --- | ---: | ---: | ---: |"]
    for title, whole, split, ratio in found:
        mark = "" if ratio <= GOAL else f" (goal: {GOAL:g})"
        lines.append(f"| {title} | {whole * 1000:.2f} | {split * 1000:.2f} | {ratio:.2f}{mark} |")
    return "\n".join([*lines, ""])


async def _main(urls: Sequence[str], rows: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        async with AsyncExitStack() as stack:
            named = {url: url for url in urls} or await stack.enter_async_context(servers(Path(directory)))
            for name, url in named.items():
                print(report(name, await measure(url, rows, repeats)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="DATABASE_URL", help="empty databases to run on")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.urls, arguments.rows, arguments.repeats))
