"""Commands over real sockets: their order and their limits."""

import asyncio
import json

from msanic_core.testing import TestServer
from tests.support.dispatch import Bench, client, frame, on_server

# Order


def test_commands_of_a_session_run_one_at_a_time_and_in_order() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            # Some wait long, some for a turn of the loop, some not at all.
            waits = [0.02, 0.0, -1, 0.001, 0.0, 0.01, -1, -1, 0.0, 0.005] * 3
            ada.connection.transport.write(
                b"".join(
                    frame(json.dumps({"cmd": "test.turns", "data": [number, wait], "req": number}))
                    for number, wait in enumerate(waits)
                )
            )
            replies = [(await ada.next())["req"] for _ in waits]
            assert replies == bench.begun == bench.ended == list(range(len(waits)))
            assert bench.most_running == 1

    on_server(test)


def test_concurrent_commands_overlap() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            for number in range(20):
                await ada.send("test.together", number, number)
            while len(bench.begun) < 20:
                await asyncio.sleep(0)
            bench.gate.set()
            assert sorted([(await ada.next())["req"] for _ in range(20)]) == list(range(20))

    on_server(test)


def test_a_concurrent_command_overtakes_one_that_waits() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            await ada.send("test.gate", "first", 1)
            await ada.send("test.echo", "second", 2)
            await ada.send("test.overlap", [3, 0.0], 3)
            await ada.send("sys.ping", "fourth", 4)
            assert {(await ada.next())["req"] for _ in range(2)} == {3, 4}
            bench.gate.set()
            assert [(await ada.next())["req"] for _ in range(2)] == [1, 2]

    on_server(test)


def test_concurrent_commands_are_bounded_too() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            commands = [{"cmd": "test.overlap", "data": [number, 0.001], "req": number} for number in range(100)]
            ada.connection.transport.write(b"".join(frame(json.dumps(each)) for each in commands))
            assert sorted([(await ada.next())["req"] for _ in range(100)]) == list(range(100))
            assert bench.most_running == 4
            assert bench.begun == list(range(100))

    on_server(test, queue=4)


def test_sessions_do_not_wait_for_each_other() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada, client(server, "bob") as bob:
            await ada.send("test.gate", 1)
            for number in range(100):
                assert (await bob.ask("test.turns", [number, 0]))["data"] == number
            assert bench.ended == list(range(100))
            bench.gate.set()
            await ada.next()

    on_server(test)


# Bounds


def test_a_client_that_sends_too_fast_is_held_back_and_loses_nothing() -> None:
    count, size = 10_000, 500

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            padding = "x" * size
            ada.connection.transport.write(
                b"".join(
                    frame(json.dumps({"cmd": "test.slow", "data": number, "req": padding})) for number in range(count)
                )
            )
            for number in range(count):
                assert (await ada.next())["data"] == number
            # One read can bring more messages than the queue takes; the others stay in the kernel and at the client.
            assert bench.most_waiting <= 64 + 256 * 1024 / size

    on_server(test)


def test_answers_wait_for_a_client_that_reads_as_fast_as_it_can() -> None:
    """The requests come in one write, the replies exceed the outbox: none starts while the socket is full."""
    count = 600

    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada:
            for cmd in ("test.large", "test.large_concurrent"):
                ada.connection.transport.write(
                    b"".join(frame(json.dumps({"cmd": cmd, "req": number})) for number in range(count))
                )
                assert [(await ada.next())["req"] for _ in range(count)] == list(range(count))

    on_server(test, outbox_bytes=50_000)


def test_a_held_back_client_holds_back_no_other() -> None:
    async def test(server: TestServer, bench: Bench) -> None:
        async with client(server) as ada, client(server, "bob") as bob:
            flood = [{"cmd": "test.gate", "data": number, "req": "x" * 1000} for number in range(1000)]
            ada.connection.transport.write(b"".join(frame(json.dumps(each)) for each in flood))
            [session] = server.node.registry.of_user("ada")
            while not session.reading_paused:
                await asyncio.sleep(0)
            assert (await bob.ask("test.echo", 1))["data"] == 1
            bench.gate.set()
            assert [(await ada.next())["data"] for _ in range(1000)] == list(range(1000))
            assert not session.reading_paused
            assert not session.waiting

    on_server(test, queue=2)
