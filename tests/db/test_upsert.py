import asyncio
import re
from contextlib import suppress
from typing import Any

import pytest
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.expressions import F
from tortoise.transactions import in_transaction

from tests.support.clients import in_loop
from tests.support.orm import KINDS, tables
from tests.support.orm_models import Account, Author, Kinds, Note, Setting, Token

TASKS = 20


@in_loop
async def test_the_first_inserts_and_the_next_updates(database_url: str) -> None:
    async with tables(database_url):
        row, created = await Account.upsert({"email": "a@b.c", "city": "Rome"}, name="ann")
        assert created
        assert (row.name, row.email, row.city, row.visits) == ("ann", "a@b.c", "Rome", 0)
        again, created = await Account.upsert({"city": "Oslo"}, create={"email": "x@y.z"}, name="ann")
        assert not created
        assert (again.id, again.email, again.city) == (row.id, "a@b.c", "Oslo")
        assert again.created_at == row.created_at
        assert again.updated_at > row.updated_at
        assert (await Account.get(name="ann")).to_dict() == again.to_dict()
        same, created = await Account.upsert({"city": "Oslo"}, create={"email": "x@y.z"}, name="ann")
        assert (same.id, created) == (row.id, False)


@in_loop
async def test_keys_of_several_fields_and_the_primary_key(database_url: str) -> None:
    async with tables(database_url):
        ann, bob = [await Author.create(name=name) for name in ("ann", "bob")]
        for user in (ann, bob):
            for value, expected in (("dark", True), ("light", False)):
                row, created = await Setting.upsert({"value": value}, name="theme", user_id=user.id)
                assert (row.user_id, row.value, created) == (user.id, value, expected)
        assert await Setting.all().count() == 2
        for title, expected in (("a", True), ("b", False)):
            note, created = await Note.upsert({"title": title}, id=77)
            assert (note.id, note.title, created) == (77, title, expected)
        assert (await Note.get(id=77)).title == "b"
        token = Token(text="x")
        for text, expected in (("a", True), ("b", False)):
            found, created = await Token.upsert({"text": text}, id=token.id)
            assert (found.pk, found.text, created) == (token.pk, text, expected)


@in_loop
async def test_values_of_every_kind(database_url: str) -> None:
    async with tables(database_url):
        for expected in (True, False):
            row, created = await Kinds.upsert(KINDS, id=5)
            assert created is expected
            assert row.to_dict(KINDS) == KINDS


@in_loop
async def test_many_upsert_the_same_key(database_url: str) -> None:
    async with tables(database_url):
        results = await asyncio.gather(
            *(
                Account.upsert({"visits": F("visits") + 1}, create={"visits": 1, "email": "a@b.c"}, name="ann")
                for _ in range(TASKS)
            )
        )
        assert sum(created for _, created in results) == 1
        assert len({row.id for row, _ in results}) == 1
        assert sorted(row.visits for row, _ in results) == list(range(1, TASKS + 1))
        assert (await Account.get()).visits == TASKS


@in_loop
async def test_many_upsert_several_keys(database_url: str) -> None:
    async with tables(database_url):
        names = [f"name {number % 7}" for number in range(TASKS * 3)]

        async def visit(name: str) -> bool:
            create = {"visits": 1, "email": f"{name}@b.c"}
            return (await Account.upsert({"visits": F("visits") + 1}, create=create, name=name))[1]

        assert sum(await asyncio.gather(*map(visit, names))) == len(set(names))
        assert {row.name: row.visits for row in await Account.all()} == {name: names.count(name) for name in names}


@in_loop
async def test_many_upsert_while_others_delete(database_url: str) -> None:
    async with tables(database_url):
        user = await Author.create(name="ann")

        async def visit() -> bool:
            row, created = await Setting.upsert({"value": "dark"}, user_id=user.id, name="theme")
            assert row.value == "dark"
            # MariaDB finds the deletions of many in each other's way.
            with suppress(OperationalError):
                await Setting.filter(id=row.id).delete()
            return created

        assert any(await asyncio.gather(*(visit() for _ in range(TASKS))))


@in_loop
async def test_a_second_unique_value_of_the_same_row_is_no_error(database_url: str) -> None:
    async with tables(database_url):

        async def visit() -> None:
            for _ in range(TASKS):
                row, _ = await Account.upsert({"email": "a@b.c"}, name="ann")
                await Account.filter(id=row.id).delete()

        # Databases find those who insert and those who delete in each other's way, and end one of them.
        results = await asyncio.gather(*(visit() for _ in range(TASKS)), return_exceptions=True)
        assert not [error for error in results if isinstance(error, IntegrityError)]


@in_loop
async def test_another_unique_value_that_is_taken_is_an_error_and_changes_nothing(database_url: str) -> None:
    async with tables(database_url):
        await Account.create(name="ann", email="a@b.c", city="Rome")
        await Account.create(name="bob", email="b@b.c", city="Oslo")
        before = await Account.all().order_by("id").values()
        for name in ("eve", "bob"):
            with pytest.raises(IntegrityError):
                await Account.upsert({"email": "a@b.c", "city": "Bern"}, name=name)
        for email in ("new@b.c", "b@b.c"):
            with pytest.raises(IntegrityError):
                await Account.upsert({"name": "ann", "city": "Bern"}, email=email)
        assert await Account.all().order_by("id").values() == before
        row, created = await Account.upsert({"email": "b@b.c", "city": "Bern"}, name="bob")
        assert (row.city, created) == ("Bern", False)


@in_loop
async def test_in_a_transaction_that_is_rolled_back(database_url: str) -> None:
    async with tables(database_url):
        await Account.create(name="ann", email="a@b.c", city="Rome")
        with pytest.raises(KeyError):
            async with in_transaction() as connection:
                for name in ("ann", "bob"):
                    await Account.upsert({"city": "Bern"}, create={"email": "b@b.c"}, using_db=connection, name=name)
                assert await Account.filter(city="Bern").using_db(connection).count() == 2
                raise KeyError
        assert await Account.all().values_list("name", "city") == [("ann", "Rome")]


@in_loop
async def test_an_error_leaves_the_transaction_around_it_usable(database_url: str) -> None:
    async with tables(database_url):
        await Account.create(name="ann", email="a@b.c")
        async with in_transaction() as connection:
            with pytest.raises(IntegrityError):
                await Account.upsert({"email": "a@b.c"}, using_db=connection, name="bob")
            await Account.upsert({"email": "b@b.c"}, using_db=connection, name="bob")
        assert (await Account.get(name="bob")).email == "b@b.c"


@in_loop
async def test_a_value_that_does_not_fit_is_an_error(database_url: str) -> None:
    async with tables(database_url):
        with pytest.raises(Exception, match=r"Length of 'x+' 51 > 50"):
            await Account.upsert({"email": "a@b.c", "city": "x" * 51}, name="ann")
        with pytest.raises(IntegrityError):
            await Setting.upsert({"value": "a"}, user_id=404, name="theme")
        if not database_url.startswith("sqlite"):  # which has no bounds
            with pytest.raises(Exception, match=r"[Oo]ut of .*range"):
                await Account.upsert({"email": "a@b.c", "visits": 2**40}, name="ann")
        assert await Account.all().count() == await Setting.all().count() == 0


UNIQUE = "Setting; it has id or user_id and name"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ({}, f"nothing is no unique key of {UNIQUE}"),
        ({"name": "a"}, f"name is no unique key of {UNIQUE}"),
        ({"name": "a", "user_id": 1, "count": 2}, f"name, user_id, count is no unique key of {UNIQUE}"),
        ({"count": 1}, f"count is no unique key of {UNIQUE}"),
        ({"name": "a", "user_id": None}, "user_id of the key is None, which is equal to nothing, not even to itself"),
    ],
)
@in_loop
async def test_what_is_no_key(key: dict[str, Any], text: str) -> None:
    async with tables("sqlite://:memory:"):
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            await Setting.upsert({"value": "a"}, **key)
