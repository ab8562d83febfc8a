"""The core's own commands, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection

from msanic_core import Context, ReplyCode, command, hookimpl
from msanic_core.session.state import InboxState
from msanic_core.testing import TestServer, serving

BOUND = 20.0
"""The limit in seconds for everything that a test waits for."""

JSON = "msanic.v1.json"


def plugin() -> SimpleNamespace:
    @command("test.hang")
    async def hang(ctx: Context) -> None:
        await asyncio.get_running_loop().create_future()

    return SimpleNamespace(ws_command=hookimpl(lambda: [hang]))


def on_server(test: Callable[[TestServer], Awaitable[None]], **sections: Any) -> None:
    async def run() -> None:
        settings = {"server": {"drain_timeout": 0.1}, **sections}
        async with serving({"test": plugin()}, settings) as server, asyncio.timeout(BOUND):
            await test(server)

    asyncio.run(run())


class Client:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}

    async def send(self, cmd: str | int, data: Any = None) -> None:
        await self.connection.send(json.dumps({"cmd": cmd, "data": data}))

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def ask(self, cmd: str | int, data: Any = None) -> dict[str, Any]:
        await self.send(cmd, data)
        return await self.next()

    async def take(self, count: int) -> list[Any]:
        """The data of that many durable messages; their ids rise."""
        messages = [await self.next() for _ in range(count)]
        ids = [message["id"] for message in messages]
        assert ids == sorted(set(ids))
        return [message["data"] for message in messages]

    async def nothing_more(self) -> None:
        assert (await self.ask("sys.ping", "end"))["data"] == "end"


@asynccontextmanager
async def client(
    server: TestServer, user: str = "ada", subprotocol: str | None = JSON, **options: Any
) -> AsyncIterator[Client]:
    connection = await server.connect(user, subprotocol=subprotocol, **options)
    client = Client(connection)
    if subprotocol is not None:
        client.welcome = (await client.next())["data"]
    try:
        yield client
    finally:
        await connection.close()


async def push(server: TestServer, *numbers: int, user: str = "ada") -> list[int]:
    ids = [await server.server.push(user, "n.n", number) for number in numbers]
    return [message_id for message_id in ids if message_id is not None]


# sys.ping


@pytest.mark.parametrize("data", [None, 0, "text", {"a": [1, {"b": None}]}, 2**60])
def test_ping_answers_with_what_it_was_sent(data: Any) -> None:
    async def test(server: TestServer) -> None:
        async with client(server, subprotocol=None) as ada:
            for cmd in ("sys.ping", 1001):
                reply = await ada.ask(cmd, data)
                assert reply == {"cmd": cmd, "data": data, "code": 0, "req": None, "hint": ""}
            await ada.connection.send(msgpack.packb({"cmd": 1001, "data": data}))
            assert msgpack.unpackb(await ada.connection.recv(decode=False))["data"] == data

    on_server(test)


def test_the_cores_commands_do_not_wait_behind_a_plugins_handler() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            await ada.send("test.hang")
            assert (await ada.ask("sys.ping", 1))["data"] == 1
            assert (await ada.ask("sys.ack", {"id": 0}))["code"] == 0
            assert (await ada.ask("sys.resume", {"after": 0}))["code"] == 0

    on_server(test)


# sys.welcome


def test_only_a_client_that_negotiated_is_welcomed() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            [session] = await server.server.sessions("ada")
            expected = {"session": session.id, "user": "ada", "node": server.server.node, "max_message": 65_536}
            assert expected.items() <= ada.welcome.items()
            assert ada.welcome["epoch"]
            await ada.nothing_more()
        async with client(server, subprotocol=None) as plain:
            await plain.nothing_more()

    on_server(test)


# sys.ack


def test_a_client_that_negotiated_gets_again_what_it_did_not_acknowledge() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            ids = await push(server, 0, 1, 2)
            assert await ada.take(3) == [0, 1, 2]
            assert await ada.ask("sys.ack", {"id": ids[1]}) == {
                "cmd": "sys.ack", "data": None, "code": 0, "req": None, "hint": ""
            }  # fmt: skip
        await push(server, 3)
        for _ in range(2):
            async with client(server) as ada:
                assert await ada.take(2) == [2, 3]
        async with client(server) as ada:
            assert await ada.take(2) == [2, 3]
            await ada.ask("sys.ack", {"id": 2**62})
        async with client(server) as ada:
            await ada.nothing_more()

    on_server(test)


def test_a_plain_client_that_closes_in_order_has_everything() -> None:
    async def test(server: TestServer) -> None:
        await push(server, 0, 1)
        async with client(server, subprotocol=None) as ada:
            assert await ada.take(2) == [0, 1]
            await push(server, 2)
            assert await ada.take(1) == [2]
        async with client(server, subprotocol=None) as ada:
            await ada.nothing_more()

    on_server(test)


def test_each_device_has_its_own_place() -> None:
    async def test(server: TestServer) -> None:
        async with client(server, client="phone") as phone, client(server, client="laptop") as laptop:
            ids = await push(server, 0, 1, 2)
            await phone.take(3)
            await laptop.take(3)
            await phone.ask("sys.ack", {"id": ids[2]})
            await laptop.ask("sys.ack", {"id": ids[0]})
        await push(server, 3)
        async with client(server, client="phone") as phone, client(server, client="laptop") as laptop:
            assert await phone.take(1) == [3]
            assert await laptop.take(3) == [1, 2, 3]
            await phone.nothing_more()
            await laptop.nothing_more()

    on_server(test, ws={"sessions": "multi"})


@pytest.mark.parametrize("data", [None, {}, {"id": -1}, {"id": "1"}, {"id": None}, 5])
def test_an_acknowledgement_that_makes_no_sense_changes_nothing(data: Any) -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            await push(server, 0)
            await ada.take(1)
            assert (await ada.ask("sys.ack", data))["code"] == ReplyCode.INVALID
        async with client(server) as ada:
            assert await ada.take(1) == [0]

    on_server(test)


# sys.resume


def test_resume_sends_again_what_came_after_an_id() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            ids = await push(server, *range(5))
            await ada.take(5)
            for epoch in (None, ada.welcome["epoch"]):
                reply = await ada.ask("sys.resume", {"after": ids[2], "epoch": epoch})
                assert reply["data"] == {"epoch": ada.welcome["epoch"], "lost": 0}
                assert await ada.take(2) == [3, 4]
            await ada.nothing_more()
            await push(server, 5)
            assert await ada.take(1) == [5]

    on_server(test)


def test_ids_of_another_epoch_say_nothing() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            ids = await push(server, *range(3))
            await ada.take(3)
            reply = await ada.ask("sys.resume", {"after": ids[2], "epoch": "another"})
            assert reply["data"]["epoch"] == ada.welcome["epoch"]
            assert await ada.take(3) == [0, 1, 2]
            await ada.nothing_more()

    on_server(test)


@pytest.mark.parametrize("after", [3, 10**9, 2**63, 2**64, 10**30])
def test_resume_after_the_end_gives_what_is_new(after: int) -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            await push(server, *range(3))
            await ada.take(3)
            reply = await ada.ask("sys.resume", {"after": after})
            assert (reply["code"], reply["data"]["lost"]) == (0, 0)
            await push(server, 3)
            assert await ada.take(1) == [3]
            await ada.nothing_more()

    on_server(test)


@pytest.mark.parametrize("data", [None, {}, {"after": -1}, {"after": "1"}, {"after": 1, "epoch": 5}])
def test_a_resume_that_makes_no_sense_changes_nothing(data: Any) -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            assert (await ada.ask("sys.resume", data))["code"] == ReplyCode.INVALID
            await push(server, 0)
            assert await ada.take(1) == [0]

    on_server(test)


def test_resume_says_what_was_trimmed() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            await push(server, *range(10))
            await ada.take(10)
            reply = await ada.ask("sys.resume", {"after": 2})
            assert reply["data"]["lost"] == 4
            first = await ada.next()
            assert (first["data"], first["lost"]) == (6, 4)
            assert await ada.take(3) == [7, 8, 9]

    on_server(test, inbox={"max_messages": 4})


def test_one_replay_at_a_time() -> None:
    async def test(server: TestServer) -> None:
        async with client(server) as ada:
            [session] = server.node.registry.all()
            session.inbox = InboxState.REPLAYING
            reply = await ada.ask("sys.resume", {"after": 0})
            assert reply["code"] == ReplyCode.REPEATED
            assert "under way" in reply["hint"]

    on_server(test)


def test_an_inbox_larger_than_the_outbox_arrives_whole() -> None:
    size, count = 20_000, 60

    async def test(server: TestServer) -> None:
        for number in range(count):
            await server.server.push("ada", "n.n", [number, "x" * size])
        # The client is slow, and the server waits for it with more than one page left.
        async with client(server, max_size=None, max_queue=1) as ada:
            for number in range(count):
                await asyncio.sleep(0)
                assert (await ada.next())["data"][0] == number
            await push(server, 1)
            assert await ada.take(1) == [1]

    on_server(test, ws={"outbox_bytes": 30_000}, inbox={"max_bytes": 10_000_000})


def test_a_message_larger_than_the_outbox_does_not_keep_its_user_out() -> None:
    async def test(server: TestServer) -> None:
        await server.server.push("ada", "n.n", "x" * 500_000)
        async with client(server, max_size=None) as ada:
            assert await ada.take(1) == ["x" * 500_000]
            await ada.nothing_more()

    on_server(test, ws={"outbox_bytes": 10_000})
