"""Staying connected: with several addresses, after every kind of close, until a server refuses."""

import asyncio
import http
import logging
import socket
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from msanic_core.client import Backoff, Client, RefusedError
from msanic_core.codes import CLOSE_CODES, CloseCode
from tests.support.clients import QUICK, Peer, closing, in_loop, scripted, stay, take


@pytest.fixture
def dead_url() -> str:
    """An address without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"ws://127.0.0.1:{free.getsockname()[1]}/ws?token=s3cret"


@pytest.mark.parametrize("code", [*CLOSE_CODES, 1011, 3000, 4007, 4499, 4500, 4999])
def test_every_close_code(code: int) -> None:
    """A waiting call and a waiting iteration continue, or raise the server's refusal."""
    row = CLOSE_CODES.get(code)
    again = code < 4500 if row is None else row.reconnect

    @in_loop
    async def test() -> None:
        asked: dict[str, Any] = {}

        async def close(peer: Peer) -> None:
            await peer.welcome()
            asked.update(await peer.request())
            await peer.connection.close(code, "because")

        async def answer(peer: Peer) -> None:
            await peer.welcome()
            await peer.durable(1)
            await peer.reply(asked, "late", id=2)

        async with scripted(close, answer) as server, Client(server.url, backoff=QUICK) as client:
            waiting = asyncio.ensure_future(anext(client.pushes()))
            call = asyncio.ensure_future(client.call("a.b"))
            outcomes: Any = await asyncio.gather(waiting, call, return_exceptions=True)
            if again:
                assert (outcomes[0].id, outcomes[1]) == (1, "late")
                assert len(server.peers) == 2
            else:
                for error in outcomes:
                    assert isinstance(error, RefusedError)
                    assert (error.code, error.reason) == (code, "because")
                with pytest.raises(RefusedError, match=f"{code} because"):
                    await client.call("a.b")
                with pytest.raises(RefusedError, match=f"{code} because"):
                    await anext(client.pushes())
                assert not client.connected
                assert len(server.peers) == 1

    test()


@pytest.mark.parametrize("code", [code for code, row in CLOSE_CODES.items() if not row.reconnect])
def test_a_refusal_is_raised_on_entry(code: int) -> None:
    @in_loop
    async def test() -> None:
        async def refuse(peer: Peer) -> None:
            await peer.connection.close(code, "because")

        async with scripted(refuse) as server:
            with pytest.raises(RefusedError, match=f"^{code} because$"):
                async with Client(server.url, backoff=QUICK):
                    pass
            assert len(server.peers) == 1

    test()


@in_loop
async def test_a_status_that_refuses_is_raised_on_entry() -> None:
    def answer(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no")

    async with scripted(process_request=answer) as server:
        with pytest.raises(RefusedError, match=r"^HTTP 403 Forbidden$"):
            async with Client(server.url, backoff=QUICK):
                pass


@in_loop
async def test_a_server_that_cannot_yet_is_asked_again() -> None:
    async def full(peer: Peer) -> None:
        await peer.connection.close(CloseCode.TRY_LATER, "full")

    answers = [http.HTTPStatus.SERVICE_UNAVAILABLE, None, None]

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        status = answers.pop(0)
        return None if status is None else connection.respond(status, "stopping")

    async with scripted(full, stay, process_request=answer) as server, Client(server.url, backoff=QUICK) as client:
        assert await client.call("a.b", 5) == 5


@in_loop
async def test_the_next_address_is_tried_without_a_wait(dead_url: str) -> None:
    slow = Backoff(base=3600.0, cap=3600.0)
    async with scripted() as server, Client([dead_url, server.url], backoff=slow) as client:
        assert await client.call("a.b", 5) == 5


@in_loop
async def test_another_node_takes_over() -> None:
    async with (
        scripted(closing(CloseCode.RESTART)) as first,
        scripted() as second,
        Client([first.url, second.url], backoff=QUICK) as client,
    ):
        with pytest.raises(TimeoutError):
            await client.call("a.b", timeout=0.1)
        assert await client.call("a.b", 5) == 5
        assert [len(first.peers), len(second.peers)] == [1, 1]


@in_loop
async def test_an_address_that_does_not_answer_leaves_time_for_the_next() -> None:
    async with scripted() as server:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            urls = [f"ws://127.0.0.1:{mute.getsockname()[1]}/ws", server.url]
            async with Client(urls, connect_timeout=0.6, backoff=QUICK) as client:
                assert client.connected


@in_loop
async def test_no_server_in_time(dead_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TimeoutError, match=r"^no connection within 0\.1 s: .*Errno") as raised:
        async with Client(dead_url, connect_timeout=0.1, backoff=QUICK):
            pass
    assert caplog.text.count("cannot connect to ws://127.0.0.1:") > 1
    assert "s3cret" not in caplog.text + str(raised.value)


@in_loop
async def test_the_login_is_asked_for_again_with_each_connection() -> None:
    tokens = iter("abc")
    async with (
        scripted(closing(CloseCode.LOGIN_EXPIRED)) as server,
        Client(server.url, query=lambda: {"token": next(tokens)}, backoff=QUICK) as client,
    ):
        with pytest.raises(TimeoutError):
            await client.call("a.b", timeout=0.1)
        await client.call("a.b")
        assert [peer.path for peer in server.peers] == ["/ws?token=a", "/ws?token=b"]


@in_loop
async def test_a_half_open_connection_is_given_up() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.welcome(ping_interval=0.03, ping_timeout=0.03)
        peer.connection.transport.pause_reading()

    async with scripted(deaf) as server, Client(server.url, backoff=QUICK) as client:
        while len(server.peers) < 2 or not client.connected:
            await asyncio.sleep(0.01)
        assert await client.call("a.b", 5) == 5
        server.peers[0].connection.transport.abort()


@in_loop
async def test_repeats_and_another_epoch() -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1, 2, 2, 1, 3)
        peer.connection.transport.close()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(1, 2, 3, 4)
        peer.connection.transport.close()

    async def third(peer: Peer) -> None:
        await peer.welcome(epoch="e2")
        await peer.durable(1, 2)

    async with scripted(first, second, third) as server, Client(server.url, backoff=QUICK) as client:
        assert [push.id for push in await take(client, 6)] == [1, 2, 3, 4, 1, 2]
