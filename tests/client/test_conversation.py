"""The messages on one connection: acknowledgements, late replies, resuming, and pauses of reading."""

import asyncio
import logging
from typing import Any

import pytest

from msanic_core.client import Client, Position, RefusedError
from tests.support.clients import QUICK, Peer, Script, closing, in_loop, scripted, stay, take

# Acknowledgements


@in_loop
async def test_receipts_are_gathered() -> None:
    receipts: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(*range(1, 201))
        while not receipts or receipts[-1] < 200:
            receipts.append(await peer.acknowledged())

    async with scripted(script) as server, Client(server.url) as client:
        await take(client, 200)
    assert receipts == sorted(receipts)
    assert receipts[-1] == 200, "the last one when the block ended"
    assert len(receipts) <= 5


@in_loop
async def test_a_receipt_does_not_wait_for_the_next_message() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1)
        assert await peer.acknowledged() == 1
        arrived.set()

    async with scripted(script) as server, Client(server.url) as client:
        await take(client, 1)
        waiting = asyncio.ensure_future(anext(client.pushes()))
        await arrived.wait()
        waiting.cancel()
        await asyncio.wait([waiting])


@in_loop
async def test_what_the_program_failed_over_is_not_acknowledged() -> None:
    requests: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1, 2)
        requests.extend([payload async for payload in peer.connection])

    async with scripted(script) as server:
        with pytest.raises(ZeroDivisionError):
            async with Client(server.url) as client:
                async for push in client.pushes():
                    assert push.id == 1
                    raise ZeroDivisionError
    assert not requests


@in_loop
async def test_a_program_that_only_calls_acknowledges_nothing() -> None:
    seen: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(*range(1, 50))
        for _ in range(2):
            seen.append(await peer.request())
            await peer.reply(seen[-1], 7)

    async with scripted(script) as server, Client(server.url, ignore_pushes=True, max_waiting=1) as client:
        assert [await client.call("a.b"), await client.call("a.b")] == [7, 7]
        with pytest.raises(RuntimeError, match="ignore_pushes"):
            client.pushes()
    assert [request["cmd"] for request in seen] == ["a.b", "a.b"]


# Replies through the inbox


@in_loop
async def test_a_late_reply_resolves_its_call_and_is_acknowledged_in_its_turn() -> None:
    asked: list[dict[str, Any]] = []

    async def vanish(peer: Peer) -> None:
        await peer.welcome()
        asked.append(await peer.request())
        peer.connection.transport.abort()

    async def bring(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1)
        await peer.reply({"cmd": "a.b", "req": "somebody else's"}, 1, id=2)
        await peer.reply(asked[0], "late", id=3)
        assert await peer.acknowledged() == 3

    async with scripted(vanish, bring) as server, Client(server.url, backoff=QUICK) as client:
        assert await client.call("a.b") == "late"
        assert [push.id for push in await take(client, 1)] == [1]


@in_loop
async def test_an_answer_to_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.send("1002", None, code=12, req=None, hint="message: not a request")
        await peer.durable(1)

    async with scripted(script) as server, Client(server.url) as client:
        await take(client, 1)
    assert "code 12 message: not a request" in caplog.text


@in_loop
async def test_a_message_that_cannot_be_read_ends_the_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.connection.send("tea")

    async def push(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1)

    async with scripted(script, push) as server, Client(server.url, backoff=QUICK) as client:
        assert [push.id for push in await take(client, 1)] == [1]
    assert "cannot be read" in caplog.text


# Resuming


@in_loop
async def test_resuming_waits_for_the_replay_that_is_under_way() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(8, 9)
        first = await peer.request()
        assert first["cmd"] == "sys.resume"
        assert first["data"] == {"after": 5, "epoch": "e1"}
        await peer.send("n.live", "live")
        await peer.reply(first, code=18)
        await peer.durable(10)
        second = await peer.request()
        await peer.reply(second, {"epoch": "e1", "lost": 0})
        await peer.durable(*range(6, 12))

    async with scripted(script) as server, Client(server.url, resume=Position("e1", 5)) as client:
        assert client.position == Position("e1", 5)
        assert [push.id for push in await take(client, 7)] == [None, 6, 7, 8, 9, 10, 11]


@in_loop
async def test_a_position_of_another_epoch() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(epoch="e2")
        await peer.reply(await peer.request(), {"epoch": "e2", "lost": 0})
        await peer.durable(1, 2)

    async with scripted(script) as server, Client(server.url, resume=Position("e1", 5)) as client:
        assert [push.id for push in await take(client, 2)] == [1, 2]


@in_loop
async def test_resuming_is_tried_again_where_it_failed() -> None:
    asked: list[str] = []

    async def unable(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.request()
        asked.append(request["cmd"])
        await peer.reply(request, code=10, hint="no store")

    async def vanish(peer: Peer) -> None:
        await peer.welcome()
        asked.append((await peer.request())["cmd"])
        peer.connection.transport.abort()

    async def mumble(peer: Peer) -> None:
        await peer.welcome()
        asked.append((await peer.request())["cmd"])
        await peer.connection.send("tea")

    position = Position("e1", 5)
    async with (
        scripted(unable, vanish, mumble, stay) as server,
        Client(server.url, resume=position, backoff=QUICK) as client,
    ):
        assert asked == ["sys.resume"] * 3
        assert await client.call("a.b", 5) == 5
        for peer in server.peers[:3]:
            await peer.connection.wait_closed()


@in_loop
async def test_each_connection_resumes_behind_what_has_come() -> None:
    """An earlier process may have acknowledged more than that. By itself the server would begin after it."""
    asked: list[Any] = []

    def resumed(epoch: str, *ids: int) -> Script:
        async def script(peer: Peer) -> None:
            await peer.welcome(epoch=epoch)
            request = await peer.request()
            asked.append(request["data"])
            await peer.reply(request)
            await peer.durable(*ids)
            peer.connection.transport.close()

        return script

    async with (
        scripted(resumed("e1"), resumed("e1", 6, 7), resumed("e2"), resumed("e2", 1), resumed("e2", 2)) as server,
        Client(server.url, resume=Position("e1", 5), backoff=QUICK) as client,
    ):
        assert [push.id for push in await take(client, 4)] == [6, 7, 1, 2]
    assert asked[:3] == [{"after": 5, "epoch": "e1"}] * 2 + [{"after": 7, "epoch": "e1"}]
    # No message of the second epoch has come yet, so the answer has all of them.
    assert asked[3]["epoch"] == "e1"
    assert asked[4] == {"after": 1, "epoch": "e2"}


@in_loop
async def test_a_server_that_says_no_while_it_is_asked_to_resume() -> None:
    async with scripted(closing(4503, "because")) as server:
        with pytest.raises(RefusedError, match="4503 because"):
            async with Client(server.url, resume=Position("e1", 5), backoff=QUICK):
                pass


# Back-pressure


async def flood(peer: Peer) -> None:
    """Push without end, and reply to each request in order."""

    async def answer() -> None:
        while True:
            await peer.reply(await peer.request(), "answer")

    await peer.welcome(max_message=100_000)
    answering = asyncio.ensure_future(answer())
    try:
        for number in range(1_000_000):
            await peer.send("n.n", "x" * 10_000, number=number)
            peer.sent = number
    except Exception:
        answering.cancel()
        await asyncio.wait([answering])


async def stalled(peer: Peer) -> int:
    """Wait until the peer can send no more. Returns how much it has sent."""
    before = -1
    while peer.sent != before:
        before = peer.sent
        await asyncio.sleep(0.1)
    return before


@in_loop
async def test_a_slow_program_holds_up_the_server() -> None:
    async with scripted(flood) as server, Client(server.url, max_waiting=10) as client:
        await take(client, 1)
        first = await stalled(server.peers[0])
        assert len(client._queue._waiting) <= 10
        await take(client, first)
        assert await stalled(server.peers[0]) > first


@in_loop
async def test_a_reply_is_found_behind_the_pushes_that_wait() -> None:
    """The program calls within the iteration. The reply comes after more pushes than fit into the queue."""

    async def script(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(3):
            await peer.durable(*range(1, 60))
            await peer.reply(await peer.request(), "answer")

    async with scripted(script) as server, Client(server.url, max_waiting=10) as client:
        async for push in client.pushes():
            assert await client.call("a.b", push.id) == "answer"
            if push.id == 3:
                break


@in_loop
async def test_even_for_a_reply_memory_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(flood) as server, Client(server.url, max_waiting=10) as client:
        await stalled(server.peers[0])
        with pytest.raises(TimeoutError, match="outcome is unknown"):
            await client.call("a.b", timeout=0.2)
        assert len(client._queue._waiting) == 100
    assert "nobody has iterated over pushes() yet" in caplog.text


@in_loop
async def test_while_reading_pauses_the_server_is_not_taken_for_dead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def script(peer: Peer) -> None:
        await peer.welcome(ping_interval=0.02, ping_timeout=0.02)
        await peer.durable(*range(1, 60))

    async with scripted(script) as server, Client(server.url, max_waiting=10) as client:
        await take(client, 1)
        await asyncio.sleep(0.3)
        await take(client, 58)
        assert len(server.peers) == 1
        await server.peers[0].connection.pings.get()
