"""Queries over a range of parts, beside the same of a plain list."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tortoise.exceptions import FieldError
from tortoise.expressions import Q
from tortoise.functions import Avg, Count, Lower, Max, Min, Sum
from tortoise.transactions import in_transaction

from msanic_core.db.split.rows import _FIRST, _GROWTH
from msanic_core.errors import SplitError
from tests.support.split_models import Message, Reading, Visit, at, opened


def on(url: str, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(url):
            await work()

    asyncio.run(run())


def rows_of(count: int, seed: int, days: int) -> list[Reading]:
    chance = random.Random(seed)
    moments = [at(1) + timedelta(days=chance.randrange(days), seconds=n) for n in range(count)]
    return [Reading(device=chance.choice("abc"), value=n, at=moment) for n, moment in enumerate(moments)]


moments = st.one_of(
    st.none(), st.datetimes(datetime(2025, 12, 1), datetime(2027, 8, 1)).map(lambda m: m.astimezone(at(1).tzinfo))
)
orders = st.sampled_from([(), ("at",), ("-at",), ("value",), ("-device", "value"), ("-at", "value")])


@settings(deadline=None, max_examples=5, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(0, 120), st.sampled_from([20, 90, 600]))
def test_a_walk_beside_a_plain_list(database_url_of: Callable[[], str], seed: int, count: int, days: int) -> None:
    asyncio.run(_walk(database_url_of(), seed, count, days))


async def _walk(url: str, seed: int, count: int, days: int) -> None:
    chance = random.Random(seed)
    async with opened(url):
        await Reading.everywhere().delete()
        rows = rows_of(count, seed, days)
        await Reading.bulk_create(rows[: count // 2])
        for row in rows[count // 2 :]:
            await row.save()
        for _ in range(25):
            rows = await _step(rows, chance, days)


async def _step(rows: list[Reading], chance: random.Random, days: int) -> list[Reading]:
    start, end = (
        None
        if chance.random() < 0.2
        else at(1) + timedelta(days=chance.randint(-10, days + 10), hours=chance.randrange(24))
        for _ in range(2)
    )
    query = Reading.between(start, end)
    inside = [row for row in rows if (start is None or start <= row.at) and (end is None or row.at < end)]
    if chance.random() < 0.6:
        device = chance.choice("abcd")
        query, inside = query.filter(device=device), [row for row in inside if row.device == device]
    assert await query.count() == len(inside)
    assert await query.exists() is bool(inside)
    if chance.random() < 0.1:
        assert await query.delete() == len(inside)
        gone = {row.value for row in inside}
        return [row for row in rows if row.value not in gone]
    if chance.random() < 0.1:
        # MariaDB counts the rows that become different.
        assert await query.exclude(device="c").update(device="c") == len([row for row in inside if row.device != "c"])
        for row in inside:
            row.device = "c"
        return rows
    await _compare(query, inside, chance)
    return rows


async def _compare(query, inside: list[Reading], chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    name, down = chance.choice(["at", "value"]), chance.random() < 0.5
    ordered = sorted(inside, key=lambda row: getattr(row, name), reverse=down)
    query = query.order_by(f"-{name}" if down else name)
    if name == "at":
        assert [row.value async for row in query] == [row.value for row in ordered]
    offset, limit = chance.choice([0, 0, 1, 7, 40]), chance.choice([None, 0, 1, 5, 30])
    expected = [row.value for row in ordered[offset : None if limit is None else offset + limit]]
    page = query.offset(offset) if limit is None else query.offset(offset).limit(limit)
    assert [row.value for row in await page] == expected
    assert [row["value"] for row in await page.values("value")] == expected
    first = await query.first()
    assert (first and first.value) == (ordered[0].value if ordered else None)
    groups = {
        row["device"]: row
        for row in await query.order_by().aggregate("device", n=Count("id"), s=Sum("value"), m=Avg("value"))
    }
    for device in {row.device for row in inside}:
        values = [row.value for row in inside if row.device == device]
        found = groups.pop(device)
        assert (found["n"], found["s"], round(float(found["m"]), 6)) == (
            len(values),
            sum(values),
            round(sum(values) / len(values), 6),
        )
    assert not groups


@pytest.fixture
def database_url_of(database_url: str) -> Callable[[], str]:
    """The database for all examples of a test, whose rows are deleted in between."""
    return lambda: database_url


def test_rows_of_more_parts_than_a_first_statement_takes(database_url: str) -> None:
    async def work() -> None:
        count = _FIRST * (1 + _GROWTH) + 3
        rows = [Reading(device="a", value=n, at=at(1 + n % 12, year=2020 + n // 12)) for n in range(count)]
        await Reading.bulk_create(rows)
        found = await Reading.everywhere().order_by("-at").limit(count - 1)
        assert [row.value for row in found] == list(range(count))[:0:-1]
        assert [row.value for row in await Reading.everywhere().order_by("at").offset(count - 2)] == [
            count - 2,
            count - 1,
        ]

    on(database_url, work)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_more_parts_than_sqlite_joins_in_one_union(database_url: str) -> None:
    async def work() -> None:
        async with in_transaction():
            for number in range(520):
                await Message.create(region=f"r{number}", text=str(number % 7))
        assert await Message.everywhere().count() == 520
        found = await Message.everywhere().order_by("text", "region").limit(2).values("region")
        assert found == [{"region": "r0"}, {"region": "r105"}]
        assert (await Message.everywhere().aggregate(n=Count("id")))[0]["n"] == 520

    on(database_url, work)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("order", [(), ("at",), ("-value", "id")])
def test_postgresql_starts_no_workers_for_small_parts(
    database_url: str, order: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        await Reading.bulk_create(Reading(device="a", value=n, at=at(1 + n % 12)) for n in range(6_000))
        async with in_transaction() as transaction:
            await transaction.execute_script(
                "ANALYZE; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0"
            )
            caplog.set_level("DEBUG", "tortoise.db_client")
            assert len(await Reading.everywhere().filter(value__lt=50).order_by(*order)) == 50
            sql, values = cast("tuple[str, list[Any]]", caplog.records[-1].args)
            plan = await transaction.execute_query_dict(f"EXPLAIN {sql}", values)
        text = "\n".join(row["QUERY PLAN"] for row in plan)
        assert "Append" in text
        assert "Gather" not in text

    on(database_url, work)


def test_filters_and_fields(database_url: str) -> None:
    async def work() -> None:
        await Reading.bulk_create(Reading(device=f"d{n}", value=n, at=at(1 + n)) for n in range(6))
        query = Reading.between(at(2), at(6))
        assert await query.filter(Q(value=1) | Q(device__contains="4")).order_by("at").values("value") == [
            {"value": 1},
            {"value": 4},
        ]
        assert [row.value for row in await query.exclude(value__in=[1, 2]).order_by("-at")] == [4, 3]
        assert list((await query.order_by("at").values())[0]) == ["id", "device", "value", "at"]
        assert await query.order_by("value").limit(1).values("device") == [{"device": "d1"}]
        assert await Reading.between(at(6), at(2)).count() == 0
        assert await Reading.between(at(7), at(12)).values("value") == []
        assert [row.value async for row in query.filter(value__gt=2)] == [3, 4]

    on(database_url, work)


def test_iteration_goes_on_from_chunk_to_chunk(database_url: str) -> None:
    async def work() -> None:
        rows = [Reading(device="a", value=n, at=at(1, 1 + n % 3, n % 2)) for n in range(2100)]
        await Reading.bulk_create(rows)
        for order in ("at", "-at"):
            found = [row async for row in Reading.everywhere().order_by(order)]
            assert [row.at for row in found] == sorted((row.at for row in rows), reverse=order == "-at")
            assert len({row.id for row in found}) == 2100
        assert len([row async for row in Reading.everywhere()]) == 2100

    on(database_url, work)


def test_aggregates(database_url: str) -> None:
    async def work() -> None:
        whole = Visit.everywhere()
        empty = {"n": 0, "s": None, "low": None, "high": None, "mean": None}
        asked = {"n": Count("id"), "s": Sum("price"), "low": Min("day"), "high": Max("price"), "mean": Avg("price")}
        assert await whole.aggregate(**asked) == [empty]
        assert await whole.aggregate("day", **asked) == []
        for day, price in ((1, "1.50"), (15, "2.50"), (29, "9.00"), (29, None)):
            await Visit.create(day=date(2026, 1, day), price=price)
        assert await whole.aggregate(**asked) == [
            {
                "n": 4,
                "s": Decimal("13.00"),
                "low": date(2026, 1, 1),
                "high": Decimal("9.00"),
                "mean": pytest.approx(Decimal("4.3333333")),
            }
        ]
        assert await whole.order_by("-n", "day").limit(2).offset(1).aggregate("day", n=Count("id")) == [
            {"day": date(2026, 1, 1), "n": 1},
            {"day": date(2026, 1, 15), "n": 1},
        ]
        assert await whole.aggregate(n=Count("id", _filter=Q(price__gt=2))) == [{"n": 2}]

    on(database_url, work)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_asked(database_url: str) -> None:
    async def work() -> None:
        query = Reading.everywhere()
        for refused in (Count("id", distinct=True), Lower("device")):
            with pytest.raises(SplitError, match="Count, Sum, Min, Max and Avg"):
                await query.aggregate(n=refused)  # type: ignore[arg-type]
        with pytest.raises(FieldError, match="order_by"):
            await query.order_by("at").aggregate("device", n=Count("id"))
        with pytest.raises(SplitError, match="averages"):
            await query.order_by("m").aggregate("device", m=Avg("value"))
        with pytest.raises(FieldError, match="Unknown field colour"):
            await query.order_by("colour")
        with pytest.raises(SplitError, match="leave out limit"):
            await query.limit(3).delete()
        with pytest.raises(SplitError, match="leave out limit"):
            await query.order_by("at").update(value=1)
        for number in (query.limit, query.offset):
            with pytest.raises(SplitError, match="not negative"):
                number(-1)
        for wrong in (query.limit(3), query.offset(1), query.order_by("value"), query.order_by("at", "id")):
            with pytest.raises(SplitError, match="async for"):
                async for _ in wrong:
                    pass

    on(database_url, work)


def test_changes_are_all_or_none(database_url: str) -> None:
    async def work() -> None:
        from tortoise.exceptions import IntegrityError

        await Reading.bulk_create(Reading(device="ab"[n % 2], value=1, at=at(2 - n // 3)) for n in (0, 3, 4))
        with pytest.raises(IntegrityError):
            await Reading.everywhere().update(device="c")
        assert await Reading.everywhere().filter(device="c").count() == 0
        with pytest.raises(KeyError):
            async with in_transaction():
                assert await Reading.everywhere().delete() == 3
                assert await Reading.everywhere().count() == 0
                raise KeyError
        assert await Reading.everywhere().count() == 3

    on(database_url, work)


def test_a_connection_can_be_named(database_url: str) -> None:
    async def work() -> None:
        async with in_transaction() as transaction:
            await Reading.create(device="a", at=at(1), using_db=transaction)
            assert await Reading.everywhere().using_db(transaction).count() == 1

    on(database_url, work)
