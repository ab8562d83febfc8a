"""Durable pushes of real servers, with connections that break: each comes once and in order."""

import asyncio
import logging
import random
from typing import Any

import pytest

from msanic_core.client import Backoff, Client, Position
from msanic_core.testing import TestServer, serving
from tests.support.client_servers import drop, push
from tests.support.clients import QUICK, in_loop, take

BIG_INBOX = {"inbox": {"max_messages": 5000}}
MULTI = {"ws": {"sessions": "multi"}}


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
            while dice.random() < 0.5 or not server.node.admission.connections:
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
            # The last drop may come after the last message: without a connection nothing is acknowledged at the end.
            await asyncio.sleep(0.05)
            while not client.connected:
                await asyncio.sleep(0.001)
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
    """The program has lost its results of the last, acknowledged messages. Another device still needs them."""
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
