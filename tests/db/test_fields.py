"""Fields that mean the same on every database."""

import pytest
from tortoise.exceptions import IntegrityError, ValidationError

from tests.support.clients import in_loop
from tests.support.orm import tables
from tests.support.orm_models import Member

NAMES = ["ada", "Ada", "ad\u00e1", "ada ", "a\u0301da", "\U0001f33f" * 63]


@in_loop
async def test_names_are_the_same_only_if_their_bytes_are(database_url: str) -> None:
    async with tables(database_url):
        for name in NAMES:
            await Member.create(user=name, group="crowd")
        for name in NAMES:
            (found,) = await Member.filter(user=name)
            assert found.user == name
        assert [each.user for each in await Member.filter(user__in=NAMES[:2]).order_by("id")] == NAMES[:2]
        row, created = await Member.upsert({"group": "Crowd"}, user="Ada")
        assert (created, row.user, row.group) == (False, "Ada", "Crowd")
        assert await Member.filter(group="crowd").order_by("id").values("user") == [
            {"user": name} for name in NAMES if name != "Ada"
        ]
        with pytest.raises(IntegrityError):
            await Member.create(user="ada", group="crowd")
        with pytest.raises(ValidationError):
            await Member.create(user="a" * 256, group="crowd")
