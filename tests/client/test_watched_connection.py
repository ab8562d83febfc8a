"""One WebSocket: failures to open it, when it counts as dead, and its end."""

import asyncio
import http
import logging
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from msanic_core.client.credentials import Credentials
from msanic_core.client.message import form
from msanic_core.client.watched_connection import (
    AttemptError,
    WatchedConnection,
    Welcome,
    leave,
    open_connection,
    watch,
)
from msanic_core.codes import CLOSE_CODES
from msanic_core.errors import RefusedError
from tests.support.clients import Peer, ScriptedServer, in_loop, scripted

CREDENTIALS = Credentials("ada", "phone", {"token": "s3cret"}, {"Authorization": "Bearer s3cret"})


async def opened(server: ScriptedServer) -> tuple[WatchedConnection, Welcome]:
    return await open_connection(server.url, CREDENTIALS, form("json"))


async def kind(peer: Peer) -> None:
    await peer.welcome()


@in_loop
async def test_the_login_is_sent_and_the_welcome_read() -> None:
    async with scripted(kind) as server:
        connection, welcome = await opened(server)
        assert (welcome.epoch, welcome.max_message, welcome.ping_interval) == ("e1", 1000, 20.0)
        (peer,) = server.peers
        assert peer.path == "/ws?user=ada&client=phone&token=s3cret"
        assert peer.headers["Authorization"] == "Bearer s3cret"
        await leave(connection)


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_a_login_that_is_closed(code: int) -> None:
    @in_loop
    async def test() -> None:
        async def refuse(peer: Peer) -> None:
            await peer.send("1002", None, code=11, req=None)
            await peer.connection.close(code, "because")

        async with scripted(refuse) as server:
            try:
                await opened(server)
            except (AttemptError, RefusedError) as error:
                failure = error
            assert isinstance(failure, AttemptError) is CLOSE_CODES[code].reconnect
            assert failure.code == code
            assert "because" in str(failure)

    test()


@pytest.mark.parametrize(
    ("status", "refused"), [(403, True), (401, True), (404, True), (429, False), (500, False), (503, False)]
)
def test_an_answer_without_upgrade(status: int, refused: bool) -> None:
    @in_loop
    async def test() -> None:
        def answer(connection: ServerConnection, request: Request) -> Response:
            return connection.respond(http.HTTPStatus(status), "no")

        async with scripted(process_request=answer) as server:
            with pytest.raises(RefusedError if refused else AttemptError, match=f"HTTP {status}"):
                await opened(server)

    test()


@in_loop
async def test_nobody_there() -> None:
    async with scripted() as server:
        pass
    with pytest.raises(AttemptError, match="Errno"):
        await opened(server)


@in_loop
async def test_a_server_of_another_kind() -> None:
    async with scripted(kind, subprotocols=None) as server:
        with pytest.raises(AttemptError, match=r"does not speak msanic\.v1\.json"):
            await opened(server)


@pytest.mark.parametrize("first", ["tea", b"\xff", '{"cmd":"sys.welcome","data":{}}'])
def test_a_first_message_that_is_none(first: Any) -> None:
    @in_loop
    async def test() -> None:
        async def confuse(peer: Peer) -> None:
            await peer.connection.send(first)

        async with scripted(confuse) as server:
            with pytest.raises(AttemptError, match="cannot be read"):
                await opened(server)

    test()


@in_loop
async def test_a_server_that_goes_without_a_word() -> None:
    async def vanish(peer: Peer) -> None:
        peer.connection.transport.abort()

    async with scripted(vanish) as server:
        with pytest.raises(AttemptError, match="broke off") as raised:
            await opened(server)
        assert raised.value.code is None


@in_loop
async def test_a_function_for_the_headers_that_raises() -> None:
    def ask() -> dict[str, str]:
        raise OSError("s3cret")

    async with scripted() as server:
        with pytest.raises(AttemptError, match="headers raised OSError"):
            await open_connection(server.url, Credentials(None, "", {}, ask), form("json"))


@in_loop
async def test_secrets_never_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(kind) as server:
        connection, _ = await opened(server)
        await leave(connection)
    assert "s3cret" not in caplog.text


# Silence


def welcome(interval: float, timeout: float) -> Welcome:
    return Welcome("e1", 1000, interval, timeout)


async def deaf(peer: Peer) -> None:
    """After the welcome the server sends nothing, not even pongs, while the TCP connection stays."""
    await peer.welcome()
    peer.connection.transport.pause_reading()


@in_loop
async def test_a_connection_from_which_nothing_comes_is_ended() -> None:
    async with scripted(deaf) as server:
        connection, _ = await opened(server)
        await watch(connection, welcome(0.04, 0.04), lambda: False)
        await connection.wait_closed()
        assert connection.close_code == 1006
        server.peers[0].connection.transport.abort()


@in_loop
async def test_a_server_that_has_nothing_to_say_but_is_there() -> None:
    async with scripted(kind) as server:
        connection, _ = await opened(server)
        watching = asyncio.ensure_future(watch(connection, welcome(0.02, 0.02), lambda: False))
        for _ in range(5):
            await server.peers[0].connection.pings.get()
        assert not watching.done()
        watching.cancel()
        await asyncio.wait([watching])
        await leave(connection)


@in_loop
async def test_silence_while_nothing_is_read_says_nothing() -> None:
    async with scripted(deaf) as server:
        connection, _ = await opened(server)
        looks = 0

        def held() -> bool:
            nonlocal looks
            looks += 1
            return looks < 40

        await watch(connection, welcome(0.02, 0.02), held)
        assert looks >= 40 + 8, "dead after both limits, counted from when reading went on"
        server.peers[0].connection.transport.abort()


# Leaving


@in_loop
async def test_leaving_finds_the_close_frame_behind_what_nobody_read() -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        await peer.durable(*range(1, 500))

    async with scripted(talk) as server:
        connection, _ = await opened(server)
        await leave(connection)
        assert connection.close_code == 1000


@in_loop
async def test_leaving_may_be_cut_short() -> None:
    async with scripted(deaf) as server:
        connection, _ = await opened(server)
        leaving = asyncio.ensure_future(leave(connection))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        await connection.wait_closed()
        server.peers[0].connection.transport.abort()
