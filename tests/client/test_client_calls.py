"""Calls to real servers, with connections that break."""

import asyncio
import socket
from typing import Literal

import pytest

from msanic_core.client import Client, ReplyError
from msanic_core.errors import MsanicError
from msanic_core.testing import serving
from tests.support.client_servers import Plugin, Said, drop, lost, push
from tests.support.clients import QUICK, in_loop, take

FORMS: tuple[Literal["json", "msgpack"], ...] = ("json", "msgpack")


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


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
