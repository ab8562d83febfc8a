"""From the login to the first message, with a slow or failing store: which sessions stay, which hooks are called."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed

from msanic_core import OfflineReason, Server, SessionInfo
from msanic_core.errors import StoreUnavailableError
from msanic_core.testing import serving
from tests.support.admission import Gate, House, SlowEngine

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from tests.support.raw_clients import MakePlugin, Raw

JSON = "msanic.v1.json"
AWAY = StoreUnavailableError("no answer of the store")


Open = Callable[..., Any]


@pytest.fixture
def opened(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Open:
    @asynccontextmanager
    async def opened_(**ws: Any) -> AsyncIterator[House]:
        monkeypatch.setattr("msanic_core.node.node.MemoryEngine", SlowEngine)
        told: list[tuple[str, str]] = []

        async def ws_online(session: SessionInfo, server: Server) -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            told.append((session.id, "online"))
            await server.push(session.user, "test.greeting", durable=False)

        def ws_offline(session: SessionInfo, reason: OfflineReason) -> None:
            told.append((session.id, str(reason)))

        async with serving({"test": make_plugin(ws_online=ws_online, ws_offline=ws_offline)}, {"ws": ws}) as server:
            yield House(server, told)

    return opened_


async def closed(ws: ClientConnection) -> int | None:
    """The code with which the server closed this connection."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed):
            while True:
                await ws.recv()
    return ws.close_code


async def commands(ws: ClientConnection, count: int) -> list[str]:
    async with asyncio.timeout(10):
        return [json.loads(await ws.recv())["cmd"] for _ in range(count)]


# Replaced, refused, gone


@pytest.mark.parametrize("gate", ["asked", "registered"])
def test_of_many_at_once_exactly_one_stays(opened: Open, gate: str) -> None:
    count = 8

    async def main() -> None:
        async with opened() as house:
            slow: Gate = getattr(house.engine, gate)
            slow.close()
            clients = [await house.test_server.connect("ada") for _ in range(count)]
            await slow.reached(count)
            slow.open()
            await house.until_told(2 * count - 1)
            await house.settled()
            [stays] = house.node.registry.all()
            assert [session.id for session in await house.server.sessions("ada")] == [stays.info.id]
            assert not stays.closed
            ends = [house.told.index((session_id, "replaced")) for session_id, what in house.told if what == "replaced"]
            begins = [house.told.index((house.told[end][0], "online")) for end in ends]
            assert len(ends) == count - 1
            assert all(begin < end for begin, end in zip(begins, ends, strict=True))
            await house.server.push("ada", "test.said")
            alive = 0
            for client in clients:
                try:
                    await commands(client, 2)
                    alive += 1
                except ConnectionClosed:
                    assert client.close_code == 4503
            assert alive == 1

    asyncio.run(main())


def test_ws_online_comes_before_ws_offline_of_a_session_that_is_replaced_while_it_is_opened(opened: Open) -> None:
    async def main() -> None:
        async with opened() as house:
            answer = house.engine.registered
            answer.close()
            older = await house.test_server.connect("ada")
            await answer.reached(1)
            [first] = await house.server.sessions("ada")
            house.engine.registered = Gate()
            newer = await house.test_server.connect("ada")
            assert await closed(older) == 4503
            await house.until_told(1)
            [_, second] = await house.server.sessions("ada")
            assert house.told == [(second.id, "online")]
            assert house.engine.losing.calls == 0
            answer.open()
            await house.settled()
            assert house.told[1:] == [(first.id, "online"), (first.id, "replaced")]
            assert house.engine.read.calls == 1, "nobody waits for the inbox of a session that is closed"
            assert await house.server.sessions("ada") == [second]
            await newer.close()

    asyncio.run(main())


def test_a_session_that_is_refused_is_none_whatever_becomes_of_it_meanwhile(opened: Open) -> None:
    async def main() -> None:
        async with opened(sessions="multi", max_sessions_per_user=1) as house:
            first = await house.test_server.connect("ada")
            await house.until_told(1)
            house.engine.registered.close()
            second, third = await house.test_server.connect("ada"), await house.test_server.connect("ada")
            await house.engine.registered.reached(3)
            kicked = house.node.registry.all()[2]
            assert house.node.offline.lose(kicked, OfflineReason.KICKED)
            house.engine.registered.open()
            assert await closed(second) == 4505
            assert await closed(third) == 4504
            await house.settled()
            assert len(house.told) == 1
            assert house.engine.losing.calls == 0
            await first.close()

    asyncio.run(main())


def test_a_client_that_goes_while_it_is_registered_leaves_nothing_behind(opened: Open, raw: Raw) -> None:
    async def main() -> None:
        async with opened() as house, raw(house.test_server.port) as client:
            house.engine.registered.close()
            await client.send(client.handshake("/ws?user=ada"))
            assert (await client.head())[0] == 101
            await house.engine.registered.reached(1)
            assert not house.node.delivery.sessions()
            client.reset()
            await asyncio.sleep(0)
            house.engine.registered.open()
            await house.until_told(2)
            await house.settled()
            assert [what for _, what in house.told] == ["online", "lost"]
            assert not house.node.registry.all()
            assert not house.node.admission.connections
            assert not await house.server.sessions("ada")

    asyncio.run(main())


def test_a_stop_waits_for_who_is_being_opened(opened: Open) -> None:
    told: list[tuple[str, str]] = []

    async def open_when_closed(house: House) -> None:
        while house.node.registry.all():
            await asyncio.sleep(0.001)
        house.engine.registered.open()

    async def main() -> None:
        async with opened() as house:
            house.engine.registered.close()
            client = await house.test_server.connect("ada")
            await house.engine.registered.reached(1)
            opening = asyncio.create_task(open_when_closed(house))
        await opening
        told.extend(house.told)
        assert await closed(client) == 1012

    asyncio.run(main())
    assert [what for _, what in told] == ["online", "shutdown"]


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
def test_who_is_being_opened_counts_once(opened: Open, limit: str) -> None:
    async def main() -> None:
        async with opened(**{limit: 3}) as house:
            house.engine.registered.close()
            for user in ("ada", "bob", "eve"):
                await house.test_server.connect(user)
            await house.engine.registered.reached(3)
            assert await closed(await house.test_server.connect("mallory")) in (1013, 4505)
            house.engine.registered.open()
            await house.until_told(3)
            assert len(house.node.registry) == 3

    asyncio.run(main())


# The first messages


def test_the_welcome_comes_first(opened: Open) -> None:
    """A push before the session is open is not for it, unless it is durable: then it waits in the inbox."""

    async def main() -> None:
        async with opened() as house:
            house.engine.registered.close()
            house.engine.read.close()
            client = await house.test_server.connect("ada", subprotocol=JSON)
            await house.engine.registered.reached(1)
            await house.server.push("ada", "test.early")
            house.engine.registered.open()
            await house.engine.read.reached(1)
            assert house.told == []
            await house.server.broadcast(None, "test.broadcast")
            await house.server.push("ada", "test.passing", durable=False)
            await house.server.push("ada", "test.durable")
            house.engine.read.open()
            await house.until_told(1)
            await house.server.broadcast(None, "test.end")
            messages = await commands(client, 5)
            assert messages[0] == "sys.welcome"
            assert sorted(messages[1:]) == ["test.durable", "test.early", "test.end", "test.greeting"]
            assert messages.index("test.early") < messages.index("test.durable")
            await client.close()

    asyncio.run(main())


# A store that fails


@pytest.mark.parametrize("gate", ["asked", "registered"])
@pytest.mark.parametrize("failure", [AWAY, ConnectionError("a defect")])
def test_a_registration_of_which_nobody_knows_is_taken_back(
    opened: Open, caplog: pytest.LogCaptureFixture, gate: str, failure: Exception
) -> None:
    async def main() -> None:
        async with opened() as house:
            getattr(house.engine, gate).failure = failure
            house.engine.losing.close()
            client = await house.test_server.connect("ada")
            assert await closed(client) == 1013
            await house.engine.losing.reached(1)
            assert not house.node.registry.all()
            assert not house.node.delivery.sessions()
            house.engine.losing.open()
            await house.settled()
            assert not await house.server.sessions("ada")
            assert house.told == []
            assert house.engine.losing.calls == 1

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    [record] = caplog.records
    assert (record.levelname, bool(record.exc_info)) == (("WARNING", False) if failure is AWAY else ("ERROR", True))


def test_one_that_is_lost_and_then_not_registered_is_taken_back_once(opened: Open) -> None:
    async def main() -> None:
        async with opened() as house:
            house.engine.registered.close()
            house.engine.registered.failure = AWAY
            client = await house.test_server.connect("ada")
            await house.engine.registered.reached(1)
            [session] = house.node.registry.all()
            house.node.offline.lose(session, OfflineReason.KICKED)
            assert await closed(client) == 4504
            house.engine.registered.open()
            await house.engine.losing.reached(1)
            await house.settled()
            assert not await house.server.sessions("ada")
            assert (house.told, house.engine.losing.calls) == ([], 1)

    asyncio.run(main())


def test_clients_that_try_again_do_not_pile_up_behind_a_store_that_is_away(opened: Open) -> None:
    async def main() -> None:
        async with opened(max_connections=3) as house:
            house.engine.asked.failure = AWAY
            house.engine.losing.close()
            for _ in range(6):
                assert await closed(await house.test_server.connect("ada")) == 1013
            assert house.node.offline.leaving == house.engine.asked.calls == 3
            house.engine.losing.open()
            house.engine.asked.failure = None
            await house.settled()
            client = await house.test_server.connect("ada")
            assert await commands(client, 1) == ["test.greeting"]
            await client.close()

    asyncio.run(main())


def test_when_the_inbox_cannot_be_read_the_session_ends_and_was_one(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with opened() as house:
            house.engine.read.failure = AWAY
            assert await closed(await house.test_server.connect("ada")) == 1013
            await house.until_told(2)
            assert [what for _, what in house.told] == ["online", "shutdown"]
            assert not await house.server.sessions("ada")

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
