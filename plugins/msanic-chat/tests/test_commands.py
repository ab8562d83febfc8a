import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msanic_chat import plugin

from msanic_core.testing import TestServer, serving

MULTI = {"ws": {"sessions": "multi"}}


def serve(main: Callable[[TestServer], Awaitable[None]], settings: dict[str, Any] | None = None) -> None:
    """Run `main` with a server that has this plugin; the settings are those of `serving`."""

    async def run() -> None:
        async with serving({"chat": plugin}, settings) as server:
            await main(server)

    asyncio.run(run())


def test_join_tells_who_is_there_and_what_was_said(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        assert await ada.data("chat.join", room="lobby") == {"room": "lobby", "users": ["ada"], "messages": []}
        assert await ada.push() == ("chat.joined", {"room": "lobby", "user": "ada"})
        before = time.time()
        sent = await ada.data("chat.say", room="lobby", text="hello\nthere")
        said = {**sent, "room": "lobby", "user": "ada", "text": "hello\nthere"}
        assert before <= sent["at"] <= time.time()
        assert await ada.push() == ("chat.said", said)
        joined = await bob.data("chat.join", room="lobby")
        assert joined == {"room": "lobby", "users": ["ada", "bob"], "messages": [said]}
        assert await ada.push() == ("chat.joined", {"room": "lobby", "user": "bob"})

    serve(main)


def test_only_the_room_hears_what_is_said(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        await ada.data("chat.join", room="one")
        await bob.data("chat.join", room="two")
        await ada.data("chat.say", room="one", text="hello")
        await bob.data("chat.say", room="two", text="hi")
        assert [(await ada.push())[0], (await ada.push())[1]["text"]] == ["chat.joined", "hello"]
        assert [(await bob.push())[0], (await bob.push())[1]["text"]] == ["chat.joined", "hi"]

    serve(main)


def test_only_members_say_something(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        await ada.data("chat.join", room="lobby")
        reply = await bob.ask("chat.say", room="lobby", text="hello")
        assert (reply["code"], reply["hint"]) == (15, "you are not in the room 'lobby': enter it with chat.join first")
        await bob.data("chat.join", room="lobby")
        await bob.data("chat.leave", room="lobby")
        assert (await bob.ask("chat.say", room="lobby", text="hello"))["code"] == 15
        assert await ada.data("chat.join", room="lobby") == {"room": "lobby", "users": ["ada"], "messages": []}

    serve(main)


def test_leaving_is_announced_to_those_who_stay(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        await ada.data("chat.join", room="lobby")
        await bob.data("chat.join", room="lobby")
        assert await bob.data("chat.leave", room="lobby") is None
        pushes = [await ada.push() for _ in range(3)]
        assert pushes[2] == ("chat.left", {"room": "lobby", "user": "bob"})
        assert await bob.data("chat.who", room="lobby") == {"room": "lobby", "users": ["ada"]}

    serve(main)


def test_what_changes_nothing_is_not_announced(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        await ada.data("chat.join", room="lobby")
        await ada.data("chat.join", room="lobby")
        await bob.data("chat.leave", room="lobby")
        await bob.data("chat.leave", room="no such room")
        await ada.data("chat.say", room="lobby", text="hello")
        assert [(await ada.push())[0] for _ in range(2)] == ["chat.joined", "chat.said"]

    serve(main)


def test_a_user_with_two_sessions_joins_and_leaves_once(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        watcher = await connect(server, "watcher")
        one, two = await connect(server, "ada"), await connect(server, "ada")
        for user in (watcher, one, two):
            await user.data("chat.join", room="lobby")
        await one.data("chat.leave", room="lobby")
        assert (await watcher.data("chat.who", room="lobby"))["users"] == ["ada", "watcher"]
        await two.data("chat.say", room="lobby", text="still here")
        await two.data("chat.leave", room="lobby")
        pushes = [await watcher.push() for _ in range(4)]
        assert [(cmd, data["user"]) for cmd, data in pushes] == [
            ("chat.joined", "watcher"),
            ("chat.joined", "ada"),
            ("chat.said", "ada"),
            ("chat.left", "ada"),
        ]

    serve(main, MULTI)


def test_tell_reaches_the_user_at_once(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada, bob = await connect(server, "ada"), await connect(server, "bob")
        told = await ada.data("chat.tell", user="bob", text="psst")
        assert told.pop("online") is True
        assert await bob.push() == ("chat.told", {**told, "user": "ada", "text": "psst"})

    serve(main)


def test_tell_waits_for_who_is_away(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada = await connect(server, "ada")
        ids = []
        for text in ("one", "two"):
            told = await ada.data("chat.tell", user="bob", text=text)
            assert told["online"] is False
            ids.append(told["id"])
        bob = await connect(server, "bob")
        pushes = [await bob.push() for _ in range(2)]
        assert [(cmd, data["id"], data["user"], data["text"]) for cmd, data in pushes] == [
            ("chat.told", ids[0], "ada", "one"),
            ("chat.told", ids[1], "ada", "two"),
        ]

    serve(main)


@pytest.mark.parametrize(
    ("cmd", "data", "hint"),
    [
        ("chat.join", {"room": ""}, "data.room: a name has 1 to 20 characters, not 0"),
        ("chat.join", {"room": "x" * 21}, "data.room: a name has 1 to 20 characters, not 21"),
        (
            "chat.join",
            {"room": " lobby"},
            "data.room: a room's name has no spaces at its ends and no invisible characters",
        ),
        (
            "chat.join",
            {"room": "lob\u200bby"},
            "data.room: a room's name has no spaces at its ends and no invisible characters",
        ),
        (
            "chat.who",
            {"room": "a\nb"},
            "data.room: a room's name has no spaces at its ends and no invisible characters",
        ),
        ("chat.say", {"room": "lobby", "text": " \n"}, "data.text: there is nothing but spaces in it"),
        ("chat.say", {"room": "lobby", "text": "x" * 31}, "data.text: a message has at most 30 characters, not 31"),
        (
            "chat.tell",
            {"user": "bob", "text": "\x1b[31m"},
            "data.text: of control characters only line feed and tab are allowed",
        ),
        ("chat.tell", {"user": "", "text": "hello"}, "data.user: user must not be empty"),
        ("chat.say", {"room": "lobby"}, "data: missing required field text"),
    ],
)
def test_what_is_wrong_is_refused_with_a_hint(connect: Any, cmd: str, data: dict[str, str], hint: str) -> None:
    async def main(server: TestServer) -> None:
        ada = await connect(server, "ada")
        await ada.data("chat.join", room="lobby")
        reply = await ada.ask(cmd, **data)
        assert (reply["code"], reply["hint"]) == (12, hint)

    serve(main, {"plugins": {"chat": {"max_room": 20, "max_text": 30}}})


def test_the_longest_that_is_allowed(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada = await connect(server, "ada")
        room, text = "\U0001f600" * 60, "\U0001f600" * 2000
        await ada.data("chat.join", room=room)
        for _ in range(50):
            await ada.data("chat.say", room=room, text=text)
        joined = await ada.data("chat.join", room=room)
        assert [each["text"] for each in joined["messages"]] == [text] * 50

    serve(main)


def test_a_session_can_be_in_so_many_rooms(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada = await connect(server, "ada")
        await ada.data("chat.join", room="one")
        await ada.data("chat.join", room="two")
        await ada.data("chat.join", room="two")
        reply = await ada.ask("chat.join", room="three")
        assert (reply["code"], reply["hint"]) == (
            15,
            "you are in 2 rooms, which is all one may be in: leave one first",
        )
        assert (await ada.data("chat.who", room="three"))["users"] == []
        await ada.data("chat.leave", room="one")
        await ada.data("chat.join", room="three")

    serve(main, {"plugins": {"chat": {"max_rooms": 2}}})


def test_commands_by_number(connect: Any) -> None:
    async def main(server: TestServer) -> None:
        ada = await connect(server, "ada")
        await ada.data(3001, room="lobby")
        await ada.data(3003, room="lobby", text="hello")
        assert (await ada.data(3004, room="lobby"))["users"] == ["ada"]
        await ada.data(3002, room="lobby")
        assert (await ada.data(3005, user="bob", text="hello"))["online"] is False

    serve(main)
