import asyncio
import gc
import weakref
from importlib.metadata import entry_points
from typing import Any

from msanic_chat import plugin

from msanic_core.testing import serving

MULTI = {"ws": {"sessions": "multi"}}


def test_the_entry_point_is_the_plugin() -> None:
    [entry_point] = entry_points(group="msanic_core", name="chat")
    assert entry_point.load() is plugin


def test_a_lost_session_leaves_its_rooms(connect: Any) -> None:
    async def main() -> None:
        async with serving({"chat": plugin}) as server:
            ada, bob = await connect(server, "ada"), await connect(server, "bob")
            for room in ("one", "two"):
                await ada.data("chat.join", room=room)
                await bob.data("chat.join", room=room)
            await bob.connection.close()
            moves = [await ada.push() for _ in range(6)]
            assert [("chat.left", {"room": room, "user": "bob"}) for room in ("one", "two")] == moves[4:]
            assert (await ada.data("chat.who", room="one"))["users"] == ["ada"]

    asyncio.run(main())


def test_a_user_leaves_when_the_last_session_is_lost(connect: Any) -> None:
    async def main() -> None:
        async with serving({"chat": plugin}, MULTI) as server:
            watcher = await connect(server, "watcher")
            await watcher.data("chat.join", room="lobby")
            one, two = await connect(server, "ada"), await connect(server, "ada")
            await one.data("chat.join", room="lobby")
            await two.data("chat.join", room="lobby")
            await one.connection.close()
            await server.node.offline.drain(asyncio.get_running_loop().time() + 5)
            await two.data("chat.say", room="lobby", text="still here")
            await two.connection.close()
            pushes = [await watcher.push() for _ in range(4)]
            assert [cmd for cmd, _ in pushes] == ["chat.joined", "chat.joined", "chat.said", "chat.left"]
            assert pushes[3] == ("chat.left", {"room": "lobby", "user": "ada"})

    asyncio.run(main())


def test_who_is_alone_in_a_room_finds_its_history_on_return(connect: Any) -> None:
    async def main() -> None:
        async with serving({"chat": plugin}, {"plugins": {"chat": {"empty_rooms": 1}}}) as server:
            ada = await connect(server, "ada")
            await ada.data("chat.join", room="lobby")
            await ada.data("chat.say", room="lobby", text="hello")
            await ada.connection.close()
            await server.node.offline.drain(asyncio.get_running_loop().time() + 5)
            ada = await connect(server, "ada")
            assert [each["text"] for each in (await ada.data("chat.join", room="lobby"))["messages"]] == ["hello"]
            await ada.data("chat.leave", room="lobby")
            await ada.data("chat.join", room="other")
            await ada.data("chat.say", room="other", text="hello")
            await ada.data("chat.leave", room="other")
            assert (await ada.data("chat.join", room="lobby"))["messages"] == []

    asyncio.run(main())


def test_each_server_has_rooms_of_its_own(connect: Any) -> None:
    async def main() -> None:
        async with serving({"chat": plugin}) as first, serving({"chat": plugin}) as second:
            ada, bob = await connect(first, "ada"), await connect(second, "bob")
            await ada.data("chat.join", room="lobby")
            await ada.data("chat.say", room="lobby", text="hello")
            assert await bob.data("chat.join", room="lobby") == {"room": "lobby", "users": ["bob"], "messages": []}
        async with serving({"chat": plugin}) as third:
            ada = await connect(third, "ada")
            assert (await ada.data("chat.join", room="lobby"))["messages"] == []

    asyncio.run(main())


def test_the_plugin_does_not_keep_a_stopped_server_alive() -> None:

    async def main() -> "weakref.ref[Any]":
        async with serving({"chat": plugin}) as server:
            return weakref.ref(server.server)

    server = asyncio.run(main())
    gc.collect()
    assert server() is None
