"""The client against real servers."""

import asyncio
import logging
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import pytest

from msanic_core import Context, command, hookimpl
from msanic_core.client import Backoff, Client, Position, RefusedError, ReplyError, conversation
from msanic_core.client.connection import CLOSE_TIMEOUT
from msanic_core.codes import OfflineReason
from msanic_core.errors import CommandError, MsanicError
from msanic_core.testing import TestServer, serving
from tests.support.clients import QUICK, Peer, in_loop, scripted, take

FORMS: tuple[Literal["json", "msgpack"], ...] = ("json", "msgpack")
BIG_INBOX = {"inbox": {"max_messages": 5000}}
MULTI = {"ws": {"sessions": "multi"}}


class Said(msgspec.Struct):
    text: str


class Plugin:
    """`t.say` answers what it is told, `t.fail` with another code, `t.wait` when the test lets it."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.waits = asyncio.Event()
        self.calls: list[Any] = []

    @hookimpl
    def ws_command(self) -> list[Any]:
        @command("t.say", id=2001)
        def say(ctx: Context, data: Said) -> Said:
            self.calls.append(data.text)
            return data

        @command("t.fail")
        def fail(ctx: Context) -> None:
            raise CommandError(123, "not today", {"when": "tomorrow"})

        @command("t.wait")
        async def wait(ctx: Context, data: Any) -> Any:
            self.calls.append(data)
            self.waits.set()
            await self.go_on.wait()
            return data

        return [say, fail, wait]


async def push(server: TestServer, *numbers: int, user: str = "ada") -> None:
    for number in numbers:
        await server.server.push(user, "n.n", number, durable=True)


def drop(server: TestServer) -> None:
    """Cut every connection, as a network that fails."""
    for connection in list(server.node.handshake.connections):
        connection.cut()


async def lost(client: Client) -> None:
    while client.connected:
        await asyncio.sleep(0)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


# Calls


@pytest.mark.parametrize("form", FORMS)
def test_calls(form: Literal["json", "msgpack"]) -> None:
    @in_loop
    async def test() -> None:
        async with serving({"t": Plugin()}) as server:
            async with Client(server.websocket_url(), user="ada", subprotocol=form) as client:
                assert client.connected
                assert await client.call("t.say", {"text": "tea"}) == {"text": "tea"}
                assert await client.call(2001, Said("tea"), type=Said) == Said("tea")
                with pytest.raises(ReplyError, match="code 123: not today") as raised:
                    await client.call("t.fail")
                assert (raised.value.code, raised.value.hint) == (123, "not today")
                assert raised.value.data == {"when": "tomorrow"}
                with pytest.raises(ReplyError, match=r"code 12: data\.text: expected str, got int"):
                    await client.call("t.say", {"text": 1})
                with pytest.raises(ValueError, match="Expected `int`"):
                    await client.call("t.say", {"text": "tea"}, type=int)
            assert not client.connected

    test()


@in_loop
async def test_many_calls_at_once() -> None:
    async with serving({"t": Plugin()}) as server, Client(server.websocket_url(), user="ada") as client:
        replies = await asyncio.gather(*(client.call("t.say", {"text": str(number)}) for number in range(200)))
        assert replies == [{"text": str(number)} for number in range(200)]


@in_loop
async def test_what_cannot_be_sent() -> None:
    plugin = Plugin()
    async with serving({"t": plugin}) as server, Client(server.websocket_url(), user="ada") as client:
        with pytest.raises(ValueError, match=r"^t\.say: \d+ bytes, the server takes 65536$"):
            await client.call("t.say", {"text": "x" * 70_000})
        with pytest.raises(TypeError):
            await client.call("t.say", object())
        assert await client.call("t.say", {"text": "tea"}) == {"text": "tea"}
        assert plugin.calls == ["tea"]


@in_loop
async def test_no_reply_in_time() -> None:
    plugin = Plugin()
    async with serving({"t": plugin}) as server, Client(server.websocket_url(), user="ada") as client:
        with pytest.raises(TimeoutError, match=r"^t\.wait: no reply, its outcome is unknown \(0\.05 s\)$"):
            await client.call("t.wait", timeout=0.05)
        plugin.go_on.set()
        assert await client.call("t.say", {"text": "tea"}) == {"text": "tea"}, "the late reply is nobody's"


@pytest.mark.parametrize("form", FORMS)
def test_a_call_whose_connection_is_lost_gets_its_reply(form: Literal["json", "msgpack"]) -> None:
    @in_loop
    async def test() -> None:
        plugin = Plugin()
        async with (
            serving({"t": plugin}) as server,
            Client(server.websocket_url(), user="ada", subprotocol=form, backoff=QUICK) as client,
        ):
            call = asyncio.ensure_future(client.call("t.wait", "tea"))
            await plugin.waits.wait()
            drop(server)
            await lost(client)
            plugin.go_on.set()
            assert await call == "tea"
            assert plugin.calls == ["tea"], "it was sent once"
            page = await server.node.engine.inbox("ada", "", None, 10)
            assert not client.position or client.position.id == page.last_id

    test()


@in_loop
async def test_the_late_reply_of_an_earlier_process_is_nobodys() -> None:
    plugin = Plugin()
    async with serving({"t": plugin}) as server:
        async with Client(server.websocket_url(), user="ada") as client:
            call = asyncio.ensure_future(client.call("t.wait", "old"))
            await plugin.waits.wait()
        with pytest.raises(MsanicError, match="the client is closed"):
            await call
        plugin.go_on.set()
        while not (await server.node.engine.inbox("ada", "", None, 10)).messages:
            await asyncio.sleep(0)
        async with Client(server.websocket_url(), user="ada") as client:
            await push(server, 1)
            assert [each.data for each in await take(client, 1)] == [1]
            assert await client.call("t.wait", "new") == "new"


@in_loop
async def test_a_call_without_a_connection_waits_for_one(free_port: int) -> None:
    async with serving({"t": Plugin()}, port=free_port) as server:
        client = Client(server.websocket_url(), user="ada", backoff=QUICK)
        await client.__aenter__()
    await lost(client)
    with pytest.raises(TimeoutError, match=r"^t\.say: not sent, there was no connection \(0\.05 s\)$"):
        await client.call("t.say", {"text": "tea"}, timeout=0.05)
    call = asyncio.ensure_future(client.call("t.say", {"text": "tea"}))
    async with serving({"t": Plugin()}, port=free_port):
        assert await call == {"text": "tea"}
        await client.close()


@in_loop
async def test_a_restart_while_calls_wait_and_pushes_come(free_port: int) -> None:
    plugin = Plugin()
    url = f"ws://127.0.0.1:{free_port}/ws"
    async with serving({"t": plugin}, {"server": {"drain_timeout": 0.2}}, port=free_port) as server:
        client = Client(url, user="ada", backoff=QUICK)
        await client.__aenter__()
        unanswered = asyncio.ensure_future(client.call("t.wait", timeout=0.6))
        await plugin.waits.wait()
        await push(server, 1, 2)
        first = [each.data for each in await take(client, 2)]
    call = asyncio.ensure_future(client.call("t.say", {"text": "tea"}))
    async with serving({"t": Plugin()}, port=free_port) as server:
        await push(server, 3, 4)
        assert await call == {"text": "tea"}
        second = await take(client, 2)
        assert [*first, *(each.data for each in second)] == [1, 2, 3, 4]
        assert [each.id for each in second] == [1, 2], "the memory engine has forgotten everything"
        with pytest.raises(TimeoutError, match="outcome is unknown"):
            await unanswered
        await client.close()


# Durable pushes


@in_loop
async def test_each_of_a_thousand_once_and_in_order_whatever_happens_to_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dice = random.Random(7)
    caplog.set_level(logging.INFO, "msanic_core.client")

    async def send(server: TestServer) -> None:
        for number in range(1000):
            await push(server, number)
            if dice.random() < 0.05:
                drop(server)
            while dice.random() < 0.5 or not server.node.handshake.connections:
                await asyncio.sleep(0)

    async with serving({}, BIG_INBOX) as server:
        options: Any = {"user": "ada", "backoff": Backoff(base=0.001, cap=0.002), "max_waiting": 20}
        async with Client(server.websocket_url(), **options) as client:
            sending = asyncio.ensure_future(send(server))
            found = []
            async for each in client.pushes():
                found.append((each.data, each.lost))
                if dice.random() < 0.01:
                    drop(server)
                    await asyncio.sleep(0.005)
                if each.data == 999:
                    break
            await sending
        assert found == [(number, 0) for number in range(1000)]
        assert caplog.text.count("connected to") > 20
        async with Client(server.websocket_url(), **options) as client:
            await push(server, 1000)
            assert [each.data for each in await take(client, 1)] == [1000], "all of them were acknowledged"


@in_loop
async def test_what_was_not_dealt_with_comes_again_to_the_next_process() -> None:
    async with serving({}) as server:
        await push(server, 1, 2, 3)
        with pytest.raises(ZeroDivisionError):
            async with Client(server.websocket_url(), user="ada", client_id="phone") as client:
                await take(client, 2)
                raise ZeroDivisionError
        async with Client(server.websocket_url(), user="ada", client_id="phone") as client:
            assert [each.data for each in await take(client, 2)] == [2, 3]


@in_loop
async def test_a_position_that_was_kept() -> None:
    """The program has lost what it made of the last messages, acknowledged as they are. Another device needs them."""
    async with serving({}, MULTI) as server:
        async with Client(server.websocket_url(), user="ada", client_id="other"):
            await push(server, 1, 2, 3, 4, 5)
        async with Client(server.websocket_url(), user="ada", client_id="phone") as client:
            kept = (await take(client, 5))[1].position
            assert kept == Position(epoch=kept.epoch if kept else "", id=2)
        async with Client(server.websocket_url(), user="ada", client_id="phone", resume=kept, backoff=QUICK) as client:
            assert client.position == kept
            assert [each.data for each in await take(client, 3)] == [3, 4, 5]
            drop(server)
            await push(server, 6)
            assert [each.data for each in await take(client, 1)] == [6]


@in_loop
async def test_losses_are_told() -> None:
    async with serving({}, {"inbox": {"max_messages": 2}}) as server:
        async with Client(server.websocket_url(), user="ada", client_id="phone"):
            pass
        await push(server, 1, 2, 3, 4, 5)
        async with Client(server.websocket_url(), user="ada", client_id="phone") as client:
            assert [(each.data, each.lost) for each in await take(client, 2)] == [(4, 3), (5, 0)]


# Life


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda server: server.server.kick("ada"), 4504),
        (lambda server: server.connect("ada"), 4503),
    ],
)
def test_the_server_ends_it_for_good(end: Callable[[TestServer], Any], code: int) -> None:
    @in_loop
    async def test() -> None:
        plugin = Plugin()
        async with serving({"t": plugin}) as server, Client(server.websocket_url(), user="ada") as client:
            call = asyncio.ensure_future(client.call("t.wait"))
            await plugin.waits.wait()
            other = await end(server)
            with pytest.raises(RefusedError, match=str(code)):
                async for _ in client.pushes():
                    pass
            with pytest.raises(RefusedError, match=str(code)):
                await call
            plugin.go_on.set()
            if hasattr(other, "close"):
                await other.close()

    test()


@in_loop
async def test_a_login_that_is_refused() -> None:
    async with serving({}, {"auth": {"mode": "plugin"}}) as server:
        with pytest.raises(RefusedError, match=r"^4501 not authenticated$"):
            async with Client(server.websocket_url()):
                pass


@in_loop
async def test_closing_ends_the_iteration_of_another_task() -> None:
    async def collect(client: Client) -> list[Any]:
        return [each.data async for each in client.pushes()]

    async with serving({}) as server:
        async with Client(server.websocket_url(), user="ada") as client:
            collecting = asyncio.ensure_future(collect(client))
            await push(server, 1, 2)
            while client.position is None or client.position.id < 2:
                await asyncio.sleep(0)
        assert await collecting == [1, 2]
        assert [each async for each in client.pushes()] == []
        with pytest.raises(MsanicError, match="the client is closed"):
            await client.call("sys.ping")
        await client.close()
        with pytest.raises(RuntimeError, match="entered once"):
            await client.__aenter__()


@in_loop
async def test_the_server_sees_an_orderly_close() -> None:
    reasons: asyncio.Queue[OfflineReason] = asyncio.Queue()

    @hookimpl
    def ws_offline(reason: OfflineReason) -> None:
        reasons.put_nowait(reason)

    async with serving({"t": SimpleNamespace(ws_offline=ws_offline)}) as server:
        async with Client(server.websocket_url(), user="ada"):
            pass
        assert await reasons.get() == OfflineReason.CLOSED


@in_loop
async def test_a_task_that_is_cancelled_while_it_closes_leaves_nothing_behind() -> None:
    async def welcome(peer: Peer) -> None:
        await peer.welcome()

    async with scripted(welcome) as server:
        client = Client(server.url)
        await client.__aenter__()
        server.peers[0].connection.transport.pause_reading()
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing], timeout=CLOSE_TIMEOUT / 2)
        assert closing.cancelled()
        server.peers[0].connection.transport.abort()


def test_closing_does_not_wait_for_a_socket_that_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "CLOSE_TIMEOUT", 0.1)

    @in_loop
    async def test() -> None:
        async def deaf(peer: Peer) -> None:
            await peer.welcome(max_message=1 << 26)
            peer.connection.transport.pause_reading()

        async with scripted(deaf) as server, Client(server.url) as client:
            with pytest.raises(TimeoutError):
                await client.call("a.b", "x" * (1 << 25), timeout=0.1)
            await asyncio.wait_for(client.close(), CLOSE_TIMEOUT / 2)
            server.peers[0].connection.transport.abort()

    test()


@in_loop
async def test_a_task_that_is_cancelled_while_it_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = Client(f"ws://127.0.0.1:{mute.getsockname()[1]}/ws")
        entering = asyncio.ensure_future(client.__aenter__())
        await asyncio.sleep(0.01)
        entering.cancel()
        await asyncio.wait([entering])
        assert entering.cancelled()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (([],), "urls is empty"),
        (("http://host/?token=s3cret",), "'http://host/' is no address"),
    ],
)
def test_arguments_that_cannot_be(arguments: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Client(*arguments)
    with pytest.raises(ValueError, match="max_waiting must be at least 1, not 0"):
        Client("ws://host/ws", max_waiting=0)


@in_loop
async def test_a_client_that_was_not_entered() -> None:
    client = Client("ws://127.0.0.1:1/ws")
    with pytest.raises(RuntimeError, match="async with"):
        await client.call("a.b")
    with pytest.raises(RuntimeError, match="async with"):
        client.pushes()
    await client.close()


def test_it_brings_nothing_of_the_server() -> None:
    code = "import sys, msanic_core.client; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sanic", "tortoise", "redis", "pluggy", "uvloop"} & set(result.stdout.split())
