"""Notes by command, and what is pushed to those who share them, on every database."""

import asyncio
from typing import Any

import pytest
from msanic_notes.messages import Changes
from msanic_notes.models import Note
from msanic_notes.notebook import ORDERS, Notebook
from msanic_notes.settings import NotesSettings
from tortoise.transactions import in_transaction

from msanic_core.db.outbox.models import OutboxMessage


def test_a_note_is_added_listed_edited_and_removed(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada = await connect(server, "ada")
            note = await ada.data("notes.add", title="Tea", text="grün \U0001f33f\n", colour="#00aa00")
            assert (note["owner"], note["title"], note["version"]) == ("ada", "Tea", 1)
            assert await ada.push() == ("notes.added", note)
            listed = {name: note[name] for name in note if name != "text"}
            assert await ada.data("notes.list") == {"items": [listed], "total": 1, "page": 1, "size": 20}
            edited = await ada.data("notes.edit", id=note["id"], version=1, title="Coffee")
            assert edited == {**note, "title": "Coffee", "version": 2, "updated_at": edited["updated_at"]}
            assert edited["updated_at"] > note["updated_at"]
            assert await ada.push() == ("notes.edited", edited)
            whole = await ada.data("notes.get", id=note["id"])
            assert whole == {"note": edited, "members": [{"user": "ada", "seen_at": None, "seen_reason": None}]}
            assert await ada.data("notes.remove", id=note["id"]) is None
            assert await ada.push() == ("notes.removed", {"id": note["id"]})
            assert (await ada.data("notes.list"))["total"] == 0
            with server.node.db.entered():
                assert (await Note.with_deleted().get(id=note["id"])).deleted_at is not None

    asyncio.run(main())


def test_who_shares_a_note_is_told_of_every_change(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada, bob = await connect(server, "ada"), await connect(server, "bob")
            note = await ada.data("notes.add", title="Tea")
            assert await bob.ask("notes.get", id=note["id"]) == {
                "cmd": "notes.get", "data": None, "code": 11, "req": 1, "hint": f"you have no note {note['id']}",
            }  # fmt: skip
            for _ in range(2):
                await ada.data("notes.share", id=note["id"], user="bob")
            edited = await bob.data("notes.edit", id=note["id"], version=1, text="with milk")
            await ada.data("notes.remove", id=note["id"])
            for user in (ada, bob):
                pushes = [await user.push() for _ in range(4 if user is ada else 3)]
                assert pushes[-3:] == [
                    ("notes.shared", {"note": note, "user": "bob"}),
                    ("notes.edited", edited),
                    ("notes.removed", {"id": note["id"]}),
                ]

    asyncio.run(main())


def test_who_is_away_is_told_on_return(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada = await connect(server, "ada")
            bob = await connect(server, "bob", client="phone")
            await bob.connection.close()
            note = await ada.data("notes.add", title="Tea")
            await ada.data("notes.share", id=note["id"], user="bob")
            bob = await connect(server, "bob", client="phone")
            assert await bob.push() == ("notes.shared", {"note": note, "user": "bob"})

    asyncio.run(main())


def test_only_the_owner_removes_and_shares(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada, bob = await connect(server, "ada"), await connect(server, "bob")
            note = await ada.data("notes.add", title="Tea")
            for data in ({"id": note["id"]}, {"id": 2**63 - 1}):
                for cmd, more in (("remove", {}), ("share", {"user": "eve"}), ("edit", {"version": 1}), ("get", {})):
                    assert (await bob.ask(f"notes.{cmd}", **data, **more))["hint"] == f"you have no note {data['id']}"
            await ada.data("notes.share", id=note["id"], user="bob")
            for cmd, more in (("remove", {}), ("share", {"user": "eve"})):
                reply = await bob.ask(f"notes.{cmd}", id=note["id"], **more)
                assert (reply["code"], reply["hint"]) == (15, "the note is of ada, who alone may do this")

    asyncio.run(main())


def test_users_whose_names_look_alike_have_their_own_notes(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada = await connect(server, "ada")
            note = await ada.data("notes.add", title="Tea")
            for name in ("Ada", "ad\u00e1", "ada "):
                other = await connect(server, name)
                assert (await other.data("notes.list"))["total"] == 0
                assert (await other.ask("notes.get", id=note["id"]))["code"] == 11

    asyncio.run(main())


def test_of_two_who_edit_at_once_one_is_told_of_the_other(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve() as server:
            ada, bob = await connect(server, "ada"), await connect(server, "bob")
            note = await ada.data("notes.add", title="Tea")
            await ada.data("notes.share", id=note["id"], user="bob")
            for version in range(1, 11):
                replies = await asyncio.gather(
                    ada.ask("notes.edit", id=note["id"], version=version, text=f"ada {version}"),
                    bob.ask("notes.edit", id=note["id"], version=version, title=f"bob {version}"),
                )
                won, lost = sorted(replies, key=lambda reply: reply["code"])
                assert (won["code"], lost["code"]) == (0, 101)
                assert lost["data"] == won["data"]
                assert won["data"]["version"] == version + 1
            pushed = [await bob.push() for _ in range(11)][1:]
            assert [(cmd, data["version"]) for cmd, data in pushed] == [
                ("notes.edited", version) for version in range(2, 12)
            ]

    asyncio.run(main())


def test_nobody_has_more_notes_than_allowed_however_many_come_at_once(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve({"plugins": {"notes": {"max_notes": 5}}, "ws": {"sessions": "multi"}}) as server:
            devices = [await connect(server, "ada") for _ in range(4)]
            replies = [
                reply
                for number in range(3)
                for reply in await asyncio.gather(*(each.ask("notes.add", title=f"{number}") for each in devices))
            ]
            assert sorted(reply["code"] for reply in replies) == [0] * 5 + [15] * 7
            assert (await devices[0].data("notes.list"))["total"] == 5
            kept = (await devices[0].data("notes.list"))["items"][0]["id"]
            await devices[0].data("notes.remove", id=kept)
            await devices[0].data("notes.add", title="again")

    asyncio.run(main())


def test_no_more_users_have_a_note_than_allowed(serve: Any, connect: Any) -> None:
    async def main() -> None:
        async with serve({"plugins": {"notes": {"max_members": 2}}}) as server:
            ada, eve = await connect(server, "ada"), await connect(server, "eve")
            note = await ada.data("notes.add", title="Tea")
            replies = [await ada.ask("notes.share", id=note["id"], user=user) for user in ("bob", "eve", "bob")]
            assert [reply["code"] for reply in replies] == [0, 15, 0]
            assert replies[1]["hint"] == "2 users have the note, which is all that may have it"
            assert (await eve.data("notes.list"))["total"] == 0

    asyncio.run(main())


def test_what_is_rolled_back_is_neither_stored_nor_pushed(serve: Any, connect: Any) -> None:
    """All has been done, the pushes are written: and the transaction around it does not commit."""

    async def main() -> None:
        async with serve() as server:
            ada = await connect(server, "ada")
            note = await ada.data("notes.add", title="Tea")
            with server.node.db.entered():
                while await OutboxMessage.all().exists():
                    await asyncio.sleep(0.01)
                notebook = Notebook(server.server, "ada", NotesSettings())
                with pytest.raises(ZeroDivisionError):
                    async with in_transaction():
                        await notebook.edit(note["id"], Changes(version=1, title="Coffee"))
                        await notebook.share(note["id"], "bob")
                        assert await OutboxMessage.all().count() == 3
                        raise ZeroDivisionError
                assert await OutboxMessage.all().count() == 0
            assert (await ada.data("notes.get", id=note["id"])) == {
                "note": note,
                "members": [{"user": "ada", "seen_at": None, "seen_reason": None}],
            }
            edited = await ada.data("notes.edit", id=note["id"], version=1, title="Milk")
            assert [await ada.push() for _ in range(2)] == [("notes.added", note), ("notes.edited", edited)]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("cmd", "data", "hint"),
    [
        ("notes.add", {"title": ""}, "data.title: expected str of length >= 1"),
        ("notes.add", {"title": "x" * 201}, "data.title: expected str of length <= 200"),
        ("notes.add", {"title": "a\0b"}, "data.title: expected a text without NUL characters"),
        ("notes.add", {"title": "x", "colour": "green"}, "data.colour: expected a colour such as #1e90ff"),
        ("notes.get", {"id": 2**63}, "data.id: expected int <= 9223372036854775807"),
        ("notes.share", {"id": 1, "user": ""}, "data.user: the name must not be empty"),
        ("notes.list", {"size": 101}, "data.size: expected int <= 100"),
        ("notes.list", {"order": ["text"]}, f"order: 'text' is not allowed; allowed: {', '.join(ORDERS)}"),
        ("notes.list", {"start": "2026-01-01"}, "data.start: invalid RFC3339 encoded datetime"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_does_not_fit(serve: Any, connect: Any, cmd: str, data: dict[str, Any], hint: str) -> None:
    async def main() -> None:
        async with serve() as server:
            reply = await (await connect(server, "ada")).ask(cmd, **data)
            assert (reply["code"], reply["hint"]) == (12, hint)

    asyncio.run(main())
