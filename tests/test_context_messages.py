"""Pushes and broadcasts of handlers, and of code that has no session."""

import json
from typing import Any

import pytest

from msanic_core.wire import WireEncodeError
from tests.support.contexts import BAD_NAMES, Home, at_home, refused


def test_push_reaches_every_session_of_the_user_and_nobody_else() -> None:
    async def test(home: Home) -> None:
        ada, again, bob = await home.client("ada"), await home.client("ada"), await home.client("bob")
        assert await bob.ctx.push("ada", "test.said", {"n": 1}, durable=False) is None
        assert await bob.ctx.push("ada", 2001, {"n": 2}) == 1
        assert await home.server.push("ada", "test.said", {"n": 3}) == 2
        for client in (ada, again):
            assert await client.next() == ("test.said", {"n": 1})
            assert await client.next() == (2001, {"n": 2})
            assert await client.next() == ("test.said", {"n": 3})
        await bob.nothing_more()

    at_home(test, ws={"sessions": "multi"})


def test_a_durable_push_waits_and_another_does_not() -> None:
    async def test(home: Home) -> None:
        assert await home.server.push("ada", "test.said", "durable") == 1
        assert await home.server.push("ada", "test.said", "passing", durable=False) is None
        connection = await home._test_server.connect("ada")
        assert json.loads(await connection.recv())["data"] == "durable"
        await connection.send('{"cmd":"sys.ping","data":"end"}')
        assert json.loads(await connection.recv())["data"] == "end"
        await connection.close()

    at_home(test)


def test_a_push_with_a_key_can_be_tried_again() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        assert [await ada.ctx.push("ada", "test.said", n, key="order 7") for n in (1, 2)] == [1, 1]
        assert await home.server.push("ada", "test.said", 3, key="x" * 255) == 2
        assert await ada.next() == ("test.said", 1)
        assert await ada.next() == ("test.said", 3)
        bad_keys: list[Any] = [name for name in BAD_NAMES if name is not None]
        for key in bad_keys:
            with refused("key"):
                await home.server.push("ada", "test.said", key=key)
        with refused("key= needs durable=True"):
            await ada.ctx.push("ada", "test.said", durable=False, key="order 8")
        await ada.nothing_more()

    at_home(test)


def test_broadcast_reaches_the_group_or_everybody() -> None:
    async def test(home: Home) -> None:
        ada, bob, eve = await home.client("ada"), await home.client("bob"), await home.client("eve")
        await ada.ctx.join("red")
        await bob.ctx.join("red")
        await eve.ctx.broadcast("red", "test.said", "to red")
        await eve.ctx.broadcast("blue", "test.said", "to nobody")
        await home.server.broadcast(None, "test.said", "to all")
        for client in (ada, bob):
            assert await client.next() == ("test.said", "to red")
        for client in (ada, bob, eve):
            assert await client.next() == ("test.said", "to all")

    at_home(test)


def test_what_cannot_be_encoded_is_the_senders_error() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        for data in (object(), {"x": {1j}}, {None: 1}):
            for durable in (True, False):
                with pytest.raises(WireEncodeError):
                    await ada.ctx.push("ada", "test.said", data, durable=durable)
            with pytest.raises(WireEncodeError):
                await ada.ctx.broadcast(None, "test.said", data)
        await ada.nothing_more()

    at_home(test)
