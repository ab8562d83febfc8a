"""Commands over real sockets: their answers, also those to lost sessions."""

import asyncio
from typing import Any

from msanic_core import OfflineReason
from msanic_core.testing import TestServer
from tests.support.dispatch import Bench, Client, client, each_encoding, on_server

# Answers


@each_encoding
def test_an_answer_has_the_form_of_its_question(encoding: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            cases: list[tuple[str | int, Any, Any]] = [
                ("test.echo", {"a": [1, None]}, {"a": [1, None]}),
                (2001, "ä", "ä"),
                ("test.plain", {"ignored": True}, "ada"),
                (2002, None, "ada"),
                ("test.point", {"x": 1, "y": 2}, {"x": 2, "y": 1}),
                (2003, {"x": 1}, {"x": 0, "y": 1}),
                ("test.turns", [7, 0], 7),
            ]
            for cmd, data, answer in cases:
                for req in (None, 1, "one", {"deep": [1]}):
                    reply = await ada.ask(cmd, data, req)
                    assert reply == {"cmd": cmd, "data": answer, "code": 0, "req": req, "hint": ""}

    on_server(test)


def test_every_encoding_on_one_connection() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        connection = await server.connect("ada")
        for encoding in ("json", "msgpack", "binary-json", "msgpack", "json", "binary-json", "json"):
            assert (await Client(connection, encoding).ask("test.echo", encoding))["data"] == encoding
        await connection.close()

    on_server(test)


# Lost sessions


@each_encoding
def test_the_reply_to_a_lost_session_waits_in_the_inbox(encoding: str) -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server, encoding=encoding) as ada:
            await ada.send("test.gate", {"n": 1}, {"r": 2})
            await ada.send("test.gate", {"n": 2})
            while not bench.begun:
                await asyncio.sleep(0)
        while not bench.lost:
            await asyncio.sleep(0)
        bench.gate.set()
        async with client(server) as again:
            late = await again.next()
            assert late.pop("id")
            assert late == {"cmd": "test.gate", "data": {"n": 1}, "code": 0, "hint": "", "req": {"r": 2}}
            assert (await again.ask("test.echo", 1))["data"] == 1
        assert bench.begun == [{"n": 1}], "what had not begun does not begin"
        assert bench.ended == [{"n": 1}]

    on_server(test)


def test_the_reply_finds_the_connection_that_took_the_place() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        old = Client(await server.connect("ada"), "json")
        await old.send("test.gate", 1, "from the old one")
        while not bench.begun:
            await asyncio.sleep(0)
        async with client(server) as new:
            bench.gate.set()
            assert (await new.next())["req"] == "from the old one"
        await old.connection.close()
        assert bench.lost[0] == OfflineReason.REPLACED

    on_server(test)


def test_an_error_for_a_lost_session_waits_as_well() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            await ada.send("test.refusal", "no", 1)
            while not bench.begun:
                await asyncio.sleep(0)
        bench.gate.set()
        async with client(server) as again:
            late = await again.next()
            assert (late["code"], late["hint"], late["req"]) == (100, "no", 1)

    on_server(test)
