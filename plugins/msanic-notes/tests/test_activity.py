"""What users did is in a table for each month, on every database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from msanic_notes.models import Activity


def test_what_was_done_is_listed_over_months(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada = await connect(server, "ada")
            note = await ada.data("notes.add", title="Tea")
            await ada.data("notes.edit", id=note["id"], version=1, text="hot")
            with server.node.db.entered():
                for month in (1, 2, 3):
                    at = datetime(2026, month, 15, 12, tzinfo=UTC)
                    await Activity.create(at=at, user="ada", note_id=month, action="added")
                    await Activity.create(at=at, user="Ada", note_id=month, action="added")
                assert len(await Activity.parts()) == 4
            latest = await ada.data("notes.activity", size=3)
            assert [(each["note_id"], each["action"]) for each in latest["items"]] == [
                (note["id"], "edited"),
                (note["id"], "added"),
                (3, "added"),
            ]
            assert latest["total"] == 5
            second = await ada.data("notes.activity", size=2, page=2, end="2026-03-16T00:00:00+09:00")
            assert [each["note_id"] for each in second["items"]] == [1]
            async with httpx.AsyncClient(trust_env=False) as client:
                query = {"user": "ada", "start": "2026-02-01T00:00:00Z", "end": "2026-03-15T12:00:00Z"}
                answer = (await client.get(f"{server.url}/v1/notes/activity", params=query)).json()
            assert answer == {
                "code": 0,
                "data": [{"at": "2026-02-15T12:00:00Z", "note_id": 2, "action": "added"}],
                "hint": "",
                "total": 1,
            }

    asyncio.run(main())


def test_what_is_refused_was_not_done(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve({"plugins": {"notes": {"max_members": 1}}}) as server:
            ada = await connect(server, "ada")
            note = await ada.data("notes.add", title="Tea")
            assert (await ada.ask("notes.share", id=note["id"], user="bob"))["code"] == 15
            assert (await ada.ask("notes.edit", id=note["id"], version=7))["code"] == 101
            assert (await ada.data("notes.activity"))["total"] == 1

    asyncio.run(main())


def test_the_first_notes_of_many_users_at_once(serve: Any, connect: Any) -> None:
    """More transactions than the pool has connections, and all need the table of a new month."""

    async def main() -> None:
        async with serve() as server:
            users = [await connect(server, f"user {number}") for number in range(20)]
            async with asyncio.timeout(20):
                await asyncio.gather(*(user.data("notes.add", title="Tea") for user in users))
            with server.node.db.entered():
                (part,) = await Activity.parts()
                assert await Activity.everywhere().count() == 20
                now = datetime.now(UTC)
                assert await Activity.drop_before(now) == []
                assert await Activity.drop_before(now + timedelta(days=40)) == [part]

    asyncio.run(main())
