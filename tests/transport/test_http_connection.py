"""A limit for the whole request head, however slowly it comes. Handing the socket over: see the upgrade contract."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from sanic import Blueprint, HTTPResponse, Request

from msanic_core.testing import serving

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin, Raw, RawClient

HEAD = "GET /livez HTTP/1.1\r\nHost: server.example\r\nX-Drip: "


async def drip(client: RawClient) -> None:
    """Send one byte after the other until the server closes the connection."""
    ended = asyncio.ensure_future(client.at_end())
    try:
        while not ended.done():
            await client.send(b"x")
            await asyncio.wait({ended}, timeout=0.02)
    except ConnectionError:
        pass
    assert await ended


@pytest.mark.parametrize("before", ["", "GET /livez HTTP/1.1\r\n\r\n"], ids=["first request", "second request"])
@pytest.mark.parametrize("beginning", ["", HEAD], ids=["from the start", "in a header"])
def test_a_head_that_drips_is_cut_off(raw: Raw, caplog: pytest.LogCaptureFixture, before: str, beginning: str) -> None:
    async def main() -> None:
        async with serving({}, {"http": {"head_timeout": 0.2}}) as server, raw(server.port) as client:
            if before:
                await client.send(before)
                assert (await client.response())[0] == 200
            await client.send(beginning)
            await drip(client)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert not caplog.records


@pytest.mark.parametrize("together", [True, False], ids=["in one write", "while the first is worked on"])
def test_a_pipelined_head_that_drips_is_cut_off(raw: Raw, make_plugin: MakePlugin, together: bool) -> None:
    async def main() -> None:
        working, go_on = asyncio.Event(), asyncio.Event()
        blueprint = Blueprint("slow")

        @blueprint.get("/")
        async def slow(request: Request) -> HTTPResponse:
            working.set()
            await go_on.wait()
            return HTTPResponse("{}")

        plugins = {"slow": make_plugin(http_blueprint=lambda: blueprint)}
        async with serving(plugins, {"http": {"head_timeout": 0.2}}) as server, raw(server.port) as client:
            await client.send("GET /slow/ HTTP/1.1\r\n\r\n" + (HEAD if together else ""))
            await working.wait()
            await client.send("" if together else HEAD)
            async with raw(server.port) as other:
                await drip(other)
            go_on.set()
            assert (await client.response())[0] == 200
            await drip(client)

    asyncio.run(main())


def test_a_connection_that_never_asks_anything_is_cut_off(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}, {"http": {"head_timeout": 0.1}}) as server, raw(server.port) as client:
            assert await client.at_end()

    asyncio.run(main())


def test_a_head_in_pieces_is_read_in_time(raw: Raw) -> None:
    async def main() -> None:
        async with serving({}, {"http": {"head_timeout": 5.0}}) as server, raw(server.port) as client:
            for byte in HEAD + "\r\n\r\n":
                await client.send(byte)
                await asyncio.sleep(0)
            assert (await client.response())[0] == 200

    asyncio.run(main())


def test_a_connection_may_be_idle_between_requests_for_longer_than_a_head_may_take(raw: Raw) -> None:
    async def main() -> None:
        settings = {"http": {"head_timeout": 0.1}}
        async with serving({}, settings) as server, raw(server.port) as client, raw(server.port) as slow:
            assert (await client.request("GET", "/livez"))[0] == 200
            for _ in range(2):
                async with raw(server.port) as slow:
                    await drip(slow)
            assert (await client.request("GET", "/livez"))[0] == 200

    asyncio.run(main())
