import asyncio
import datetime
import json

import msgspec
import pytest
from tortoise.exceptions import IntegrityError, OperationalError

from msanic_core.db import Model
from msanic_core.wire import Codecs
from tests.support.clients import in_loop
from tests.support.orm import KINDS, tables
from tests.support.orm_models import Author, Colour, Kinds, Note, Token

OLD = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


async def age(row: Model) -> None:
    """Let a row have been made and changed long ago."""
    await type(row).filter(pk=row.pk).update(created_at=OLD, updated_at=OLD)
    await row.refresh_from_db()
    assert row.updated_at == OLD


@in_loop
async def test_the_times_are_aware_and_in_utc(database_url: str) -> None:
    async with tables(database_url):
        before = datetime.datetime.now(datetime.UTC)
        made = await Note.create(title="a")
        read = await Note.get(id=made.id)
        for row in (made, read):
            assert row.created_at.utcoffset() == row.updated_at.utcoffset() == datetime.timedelta(0)
            assert before <= row.created_at <= row.updated_at <= datetime.datetime.now(datetime.UTC)
        assert (read.created_at, read.updated_at) == (made.created_at, made.updated_at)


@in_loop
async def test_every_way_of_changing_a_row_sets_updated_at(database_url: str) -> None:
    async with tables(database_url):
        row = await Note.create(title="a")

        async def changed() -> bool:
            found = await Note.get(id=row.id)
            assert found.created_at == OLD
            return found.updated_at > OLD

        await age(row)
        await row.save()
        assert await changed()
        await age(row)
        row.title = "b"
        await row.save(update_fields=["title"])
        assert await changed()
        await age(row)
        await row.save(update_fields=[])
        assert await changed()
        await age(row)
        assert await Note.filter(id=row.id).update(title="c") == 1
        assert await changed()
        await age(row)
        row.rank = 5
        assert await Note.bulk_update([row], ["rank"]) == 1
        assert await changed()
        assert (await Note.get(id=row.id)).rank == 5
        assert row.updated_at > OLD
        await age(row)
        (part,) = await Note.all().only("id", "title")
        part.title = "d"
        await part.save(update_fields=["title"])
        assert await changed()


@in_loop
async def test_rows_made_in_bulk_have_times(database_url: str) -> None:
    async with tables(database_url):
        await Note.bulk_create([Note(title=title) for title in "ab"])
        assert all(row.created_at > OLD and row.updated_at > OLD for row in await Note.all())


@in_loop
async def test_a_time_of_another_zone_is_the_same_point_in_time(database_url: str) -> None:
    async with tables(database_url):
        noon = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
        shanghai = noon.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
        hour = datetime.timedelta(hours=1)
        rows = [await Kinds.create(at=noon), await Kinds.create(at=shanghai)]
        assert [row.at for row in await Kinds.all()] == [noon, noon]
        assert await Kinds.filter(at=noon).count() == len(rows)
        assert await Kinds.filter(at=shanghai).count() == len(rows)
        assert await Kinds.filter(at__gt=shanghai - hour, at__lt=shanghai + hour).count() == len(rows)
        if not database_url.startswith("sqlite"):  # for which Tortoise has no parts of times
            assert await Kinds.filter(at__year=2026).count() == len(rows)
        await Kinds.all().update(at=shanghai + hour)
        assert await Kinds.filter(at=noon + hour).count() == len(rows)


@in_loop
async def test_a_row_as_plain_data(database_url: str) -> None:
    async with tables(database_url):
        made = await Kinds.create(**KINDS)
        for row in (made, await Kinds.get(id=made.id)):
            found = row.to_dict(exclude=("id", "created_at", "updated_at"))
            assert found == KINDS
            assert all(isinstance(found[name], type(value)) for name, value in KINDS.items())


@in_loop
async def test_plain_data_needs_no_conversion_for_the_wire(database_url: str, codecs: Codecs) -> None:
    async with tables(database_url):
        row = await Kinds.get(id=(await Kinds.create(**KINDS)).id)
        data = row.to_dict(KINDS)
        sent = codecs.json.reply("a.b", data, 0, 1, "")
        received = json.loads(sent[sent.index(b"{") :])["data"]
        assert received == {
            "at": "2026-01-02T03:04:05.678901Z",
            "day": "2026-01-02",
            "length": "PT3600.000005S",
            "price": "12.50",
            "uuid": "00000000-0000-0000-0000-000000000007",
            "data": {"a": [1, None, "x"]},
            "colour": "blue",
            "done": True,
            "blob": "AP8=",
        }
        packed = codecs.msgpack.reply("a.b", data, 0, 1, "")
        assert b"\xa4blue" in packed
        assert b"2026-01-02T03:04:05.678901Z" in packed or b"\xd7\xff" in packed


@in_loop
async def test_fields_of_plain_data(database_url: str) -> None:
    async with tables(database_url):
        author = await Author.create(name="ann")
        note = await Note.create(title="a", author=author)
        assert note.to_dict(["title", "author_id"]) == {"title": "a", "author_id": author.id}
        assert "author" not in note.to_dict()
        assert "password" not in author.to_dict(exclude=["password"])
        (part,) = await Note.all().only("id", "title")
        assert part.to_dict() == {"id": note.id, "title": "a"}
        for name in ("author", "pasword", "to_dict"):
            with pytest.raises(ValueError, match=f"Note has no column '{name}'; it has id, created_at, "):
                note.to_dict([name])
            with pytest.raises(ValueError, match=f"Note has no column '{name}'"):
                note.to_dict(exclude=[name])


class Shown(msgspec.Struct):
    id: int
    title: str


@in_loop
async def test_a_struct_of_a_row(database_url: str) -> None:
    async with tables(database_url):
        note = await Note.create(title="a")
        assert note.to_struct(Shown) == Shown(note.id, "a")
        with pytest.raises(ValueError, match="Author has no column 'title'"):
            (await Author.create(name="ann")).to_struct(Shown)


class Edit(msgspec.Struct):
    id: int
    title: str | msgspec.UnsetType = msgspec.UNSET
    rank: int | msgspec.UnsetType = msgspec.UNSET
    author_id: int | msgspec.UnsetType | None = msgspec.UNSET


@in_loop
async def test_the_set_fields_of_a_struct_go_into_a_row(database_url: str) -> None:
    async with tables(database_url):
        author = await Author.create(name="ann")
        note = Note.from_struct(Edit(id=1, title="a", rank=3), exclude=["id"], author=author)
        await note.save()
        note = await Note.get(title="a", rank=3, author=author)

        await Note.filter(id=note.id).update(title="changed by another")
        changed = note.update_from_struct(Edit(id=note.id, title="a", rank=4), exclude=["id"])
        assert changed == ["rank"]
        await note.save(update_fields=changed)
        found = await Note.get(id=note.id)
        assert (found.title, found.rank, found.author_id) == ("changed by another", 4, author.id)

        assert note.update_from_struct(Edit(id=note.id, author_id=None), exclude=["id"]) == ["author_id"]
        assert note.update_from_struct(Edit(id=note.id), exclude=["id"]) == []


class Structured(msgspec.Struct):
    data: list[Edit]
    colour: str


@in_loop
async def test_values_of_a_struct_become_those_of_the_columns(database_url: str) -> None:
    async with tables(database_url):
        row = Kinds.from_struct(Structured([Edit(1, "a")], "red"))
        assert row.colour is Colour.RED
        await row.save()
        assert (await Kinds.get(id=row.id)).data == [{"id": 1, "title": "a"}]


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "deleted_at", "author", "titel", "save"])
@in_loop
async def test_what_a_struct_may_not_set(name: str) -> None:
    data = msgspec.defstruct("Evil", [("title", str), (name, int | msgspec.UnsetType, msgspec.UNSET)])("a")
    async with tables("sqlite://:memory:"):
        note = await Note.create(title="old")
        with pytest.raises(ValueError, match=rf"^Evil\.{name} is no field of Note that may be set; exclude it$"):
            note.update_from_struct(data)
        with pytest.raises(ValueError, match=name):
            Note.from_struct(data)
        assert note.title == "old"
        assert Note.from_struct(data, exclude=[name]).title == "a"


@in_loop
async def test_another_primary_key(database_url: str) -> None:
    async with tables(database_url):
        token = await Token.create(text="a")
        assert (await Token.get(text="a")).id == token.id
        await Token.filter(id=token.id).update(text="b")
        assert (await Token.get(id=token.id)).updated_at > token.updated_at


def test_an_unsaved_row_is_inserted_whatever_update_fields_says() -> None:
    async def run() -> None:
        async with tables("sqlite://:memory:"):
            row = Note(title="a")
            await row.save(update_fields=["title"])
            assert (await Note.get(title="a")).created_at > OLD
            with pytest.raises(IntegrityError):
                await Note(id=99, title="b").save(force_update=True)
            with pytest.raises(OperationalError):
                await row.save(update_fields=["id"])

    asyncio.run(run())
