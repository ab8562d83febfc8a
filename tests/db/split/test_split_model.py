import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta, timezone
from typing import Any

import pytest
from tortoise import fields
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.signals import pre_save
from tortoise.transactions import in_transaction

from msanic_core.db import SplitModel
from msanic_core.errors import SplitError
from tests.support.split_models import Log, Message, Reading, Visit, at, opened


def on(url: str, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(url):
            await work()

    asyncio.run(run())


async def names(model: type[SplitModel] = Reading) -> list[str]:
    return [part.name for part in await model.parts()]


def test_rows_go_into_their_parts(database_url: str) -> None:
    async def work() -> None:
        row = await Reading.create(device="a", value=1, at=at(11, 30, 23))
        other = await Reading.create(device="a", value=2, at=at(12).astimezone(timezone(timedelta(hours=-3))))
        assert await names() == ["2026_11", "2026_12"]
        assert isinstance(row, Reading)
        assert row.id != other.id
        found = await Reading.between(at(11), at(12))
        assert [(each.id, each.value, each.at) for each in found] == [(row.id, 1, at(11, 30, 23))]
        assert found == [row]

    on(database_url, work)


def test_ids_are_unique_over_all_parts(database_url: str) -> None:
    async def work() -> None:
        rows = [await Reading.create(device="a", value=n, at=at(1 + n % 12)) for n in range(24)]
        assert len({row.id for row in rows}) == 24
        assert all(row.id < 2**53 for row in rows)
        await asyncio.gather(*(row.refresh_from_db() for row in rows))

    on(database_url, work)


def test_a_row_is_changed_and_deleted_where_it_is(database_url: str) -> None:
    async def work() -> None:
        row = await Reading.create(device="a", value=1, at=at(3))
        await Reading.create(device="a", value=1, at=at(4))
        row.value = 5
        await row.save()
        row.at = at(3, 31)
        await row.save(update_fields=["at"])
        assert await Reading.everywhere().order_by("at").values("value", "at") == [
            {"value": 5, "at": at(3, 31)},
            {"value": 1, "at": at(4)},
        ]
        await row.delete()
        assert await Reading.everywhere().count() == 1

    on(database_url, work)


def test_a_row_does_not_leave_its_part(database_url: str) -> None:
    async def work() -> None:
        row = await Reading.create(device="a", value=1, at=at(3))
        row.at = at(4)
        with pytest.raises(
            SplitError, match="is in part 2026_03 and belongs into 2026_04; delete it and create it anew"
        ):
            await row.save()
        with pytest.raises(SplitError, match="is not changed: delete the row"):
            await Reading.everywhere().update(at=at(4))
        await row.clone().save()
        assert await names() == ["2026_03", "2026_04"]
        assert await Reading.everywhere().order_by("at").values("at") == [{"at": at(3)}, {"at": at(4)}]

    on(database_url, work)


def test_a_row_that_cannot_be_written_stays_what_it_was(database_url: str) -> None:
    async def work() -> None:
        await Reading.create(device="a", value=1, at=at(3))
        row = Reading(device="a", value=1, at=at(3))
        with pytest.raises(IntegrityError):
            await row.save()
        assert type(row) is Reading
        row.at = at(4)
        await row.save()
        assert await names() == ["2026_03", "2026_04"]

    on(database_url, work)


def test_bulk_create_takes_each_row_to_its_part(database_url: str) -> None:
    async def work() -> None:
        await Reading.bulk_create(Reading(device="a", value=n, at=at(1 + n % 3)) for n in range(30))
        assert [part.name for part in await Reading.parts()] == ["2026_01", "2026_02", "2026_03"]
        assert await Reading.between(at(1), at(2)).count() == 10
        with pytest.raises(IntegrityError):  # the second of these is there: nor is the first written
            await Reading.bulk_create([Reading(device="b", value=0, at=at(1)), Reading(device="a", value=1, at=at(2))])
        assert await Reading.everywhere().count() == 30
        await Reading.bulk_create([])

    on(database_url, work)


def test_what_is_rolled_back_leaves_no_rows(database_url: str) -> None:
    async def work() -> None:
        with pytest.raises(KeyError):
            async with in_transaction():
                await Reading.create(device="a", value=1, at=at(1))
                assert await Reading.everywhere().exists()
                async with in_transaction():
                    await Reading.bulk_create([Reading(device="a", value=1, at=at(month)) for month in (1, 2)][1:])
                raise KeyError
        assert not await Reading.everywhere().exists()
        async with in_transaction():
            await Reading.create(device="a", value=1, at=at(1))
            with pytest.raises(KeyError):
                async with in_transaction():
                    await Reading.create(device="a", value=1, at=at(2))
                    raise KeyError
            await Reading.create(device="a", value=1, at=at(3))
        assert await Reading.everywhere().order_by("at").values("at") == [{"at": at(1)}, {"at": at(3)}]

    on(database_url, work)


def test_more_transactions_than_connections_need_a_new_part(database_url: str) -> None:
    async def write(number: int) -> None:
        async with in_transaction():
            await Reading.create(device="a", value=number, at=at(5))

    async def work() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(write(number) for number in range(20)))
        assert await Reading.everywhere().count() == 20

    on(database_url, work)


def test_a_hundred_tasks_on_different_parts_do_not_disturb_each_other(database_url: str) -> None:
    async def one(number: int) -> None:
        moment = at(1 + number % 24 % 12, 2, year=2025 + number % 24 // 12)
        mine = Reading.between(moment, moment + timedelta(days=1)).filter(device=f"d{number}")
        for value in range(3):
            await Reading.create(device=f"d{number}", value=value, at=moment)
            found = await mine.order_by("at", "value")
            assert [(row.device, row.value, row.at) for row in found] == [
                (f"d{number}", n, moment) for n in range(value + 1)
            ]
        found[0].value = 9
        await found[0].save()
        assert await mine.filter(value=9).count() == 1

    async def work() -> None:
        await asyncio.gather(*(one(number) for number in range(100)))
        assert len(await Reading.parts()) == 24
        assert await Reading.everywhere().count() == 300

    on(database_url, work)


def test_a_part_that_another_process_dropped_is_made_again(database_url: str) -> None:
    async def work() -> None:
        await Reading.create(device="a", value=1, at=at(1))
        await Reading.create(device="a", value=1, at=at(2))
        client = Reading._meta.db
        await client.execute_script("DROP TABLE iot_reading__2026_01")
        assert await Reading.between(at(1), at(3)).count() == 1
        await client.execute_script("DROP TABLE iot_reading__2026_02")
        assert [row async for row in Reading.between(at(1), at(3))] == []
        await Reading.create(device="a", value=2, at=at(2))
        await client.execute_script("DROP TABLE iot_reading__2026_02")
        await Reading.create(device="a", value=3, at=at(2))
        await client.execute_script("DROP TABLE iot_reading__2026_02")
        await Reading.bulk_create([Reading(device="a", value=4, at=at(2))])
        assert await Reading.everywhere().values("value") == [{"value": 4}]

    on(database_url, work)


def test_a_part_that_is_gone_in_a_transaction(database_url: str) -> None:
    async def write(value: int) -> None:
        async with in_transaction():
            await Reading.create(device="a", value=value, at=at(1))

    async def work() -> None:
        await write(1)
        await Reading._meta.db.execute_script("DROP TABLE iot_reading__2026_01")
        if Reading._meta.db.capabilities.dialect == "postgres":
            with pytest.raises(OperationalError):  # an error ends a transaction there: the next one succeeds
                await write(2)
        await write(3)
        assert await Reading.everywhere().values("value") == [{"value": 3}]

    on(database_url, work)


def test_parts_by_key(database_url: str) -> None:
    async def work() -> None:
        for region in ("eu", "us", "eu_west"):
            await Message.create(region=region, text=f"from {region}")
        assert await names(Message) == ["eu", "eu_west", "us"]
        assert await Message.of("us", "eu", "asia").values("text") == [{"text": "from eu"}, {"text": "from us"}]
        assert await Message.of().count() == 0
        assert await Message.everywhere().count() == 3
        with pytest.raises(SplitError, match="'EU' is no key"):
            await Message.create(region="EU", text="")

    on(database_url, work)


def test_parts_by_week_of_a_date(database_url: str) -> None:
    async def work() -> None:
        for day in range(20, 32):
            await Visit.create(day=date(2026, 12, day), price=day)
        assert await names(Visit) == ["2026_w51", "2026_w52", "2026_w53"]
        found = await Visit.between(date(2026, 12, 20), date(2026, 12, 28)).order_by("-price").values("day")
        assert found == [{"day": date(2026, 12, day)} for day in range(27, 19, -1)]

    on(database_url, work)


def test_the_time_of_creation_decides(database_url: str) -> None:
    async def work() -> None:
        row = await Log.create(line="one")
        await Log.bulk_create([Log(line="two")])
        assert row.part_name == row.at.strftime("%Y_%m_%d")
        assert await Log.between(row.at - timedelta(days=1), row.at + timedelta(days=2)).count() == 2
        with pytest.raises(IntegrityError):
            await Log.create(line="one", at=row.at)

    on(database_url, work)


def test_who_listens_to_the_model_hears_of_the_parts(database_url: str) -> None:
    heard = []

    @pre_save(Log)
    async def note(sender: type[Log], instance: Log, *_: object) -> None:
        heard.append((sender, instance.line))

    async def work() -> None:
        row = await Log.create(line="one")
        row.line = "two"
        await row.save()

    try:
        on(database_url, work)
    finally:
        Log._listeners[next(iter(Log._listeners))].clear()
    assert heard == [(Log, "one"), (Log, "two")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_template_is_not_asked(database_url: str) -> None:
    async def work() -> None:
        for ask in (Reading.all, Reading.filter, Reading.first, lambda: Reading.get(id=1)):
            with pytest.raises(SplitError, match=r"say which parts, Reading.between\(start, end\)"):
                ask()
        with pytest.raises(SplitError, match=r"use Reading.between"):
            Reading.of("eu")
        with pytest.raises(SplitError, match=r"use Message.of"):
            Message.between(None, None)
        with pytest.raises(SplitError, match="is a date"):
            Visit.between(at(1), None)

    on(database_url, work)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_its_template_a_part_cannot_be_made(database_url: str) -> None:
    async def run() -> None:
        async with opened(database_url, make=False):
            with pytest.raises(SplitError, match="no table iot_reading: migrate the database"):
                await Reading.create(device="a", at=at(1))
            with pytest.raises(SplitError, match="no table iot_reading: migrate the database"):
                async with in_transaction():
                    await Reading.create(device="a", at=at(1))

    asyncio.run(run())


DECLARATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("say how it is split", {}, {}),
    ("say how it is split", {"by": "hour", "field": "at"}, {}),
    ("say how it is split", {"by": "day"}, {}),
    ("has keep: it has by and field", {"by": "day", "field": "at", "keep": 3}, {}),
    ("at must be a DatetimeField or DateField", {"by": "day", "field": "at"}, {"at": fields.IntField()}),
    ("when must be a DatetimeField or DateField", {"by": "day", "field": "when"}, {}),
    ("at must be a CharField", {"by": "key", "field": "at"}, {}),
    ("must be set before", {"by": "day", "field": "at"}, {"at": fields.DatetimeField(null=True)}),
    ("must be set before", {"by": "day", "field": "at"}, {"at": fields.DatetimeField(auto_now=True)}),
    ("leave out Meta.ordering", {"by": "day", "field": "at"}, {"Meta": {"ordering": ["at"]}}),
    ("leave out Meta.schema", {"by": "day", "field": "at"}, {"Meta": {"schema": "other"}}),
    ("no many-to-many", {"by": "day", "field": "at"}, {"tags": fields.ManyToManyField("models.Tag")}),
    ("db_constraint=False", {"by": "day", "field": "at"}, {"tag": fields.ForeignKeyField("models.Tag")}),
]


@pytest.mark.parametrize(("message", "split", "more"), DECLARATIONS)
def test_a_wrong_declaration_is_an_error_at_once(message: str, split: dict[str, Any], more: dict[str, Any]) -> None:
    contents = {"id": fields.IntField(primary_key=True), "at": fields.DatetimeField(), **more}
    if isinstance(meta := contents.get("Meta"), dict):
        contents["Meta"] = type("Meta", (), meta)
    with pytest.raises(SplitError, match=message):
        type("Wrong", (SplitModel,), {**contents, "Split": type("Split", (), split), "__module__": __name__})
