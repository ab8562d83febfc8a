"""The modes of the load generator beside `command`: fan-out, push and connections."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from tests.support.load import Batch, Handler, Load, Run, Socket, numbered, websockets_listening
from tests.support.peer import CLOSE, PING, PONG, TEXT, close_payload, frame

REQUEST = b"request ########"
PUSH = b"push ########, ########"
SENDING = (
    "--seconds",
    0.2,
    "--path",
    "/receiver/{n}",
    "--trigger-path",
    "/trigger",
    "--request",
    REQUEST,
    "--push",
    PUSH,
)
JOINING = ("--say", b"join", "--await", b"joined")


def text(payload: bytes) -> bytes:
    return frame(TEXT, payload, masked=False)


def run(load: Load, mode: str, handler: Handler, *arguments: object) -> Run:
    async def main() -> Run:
        async with websockets_listening(handler) as port:
            return await load(mode, port, *arguments)

    return asyncio.run(main())


def fanning(pushes: Callable[[int, int], bytes]) -> Handler:
    """A server that sends what `pushes` gives for a request's number and a receiver's number."""
    receivers: dict[int, Socket] = {}

    async def handler(socket: Socket) -> None:
        if socket.path.startswith("/receiver/"):
            assert await socket.receive() == b"join"
            receivers[int(socket.path.removeprefix("/receiver/"))] = socket
            socket.send(text(b"joined"))
            await socket.receive()
            raise AssertionError("a receiver has sent something")
        assert socket.path == "/trigger"
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            socket.send(text(b"whatever the trigger gets is ignored"))
            for receiver, each in receivers.items():
                each.send(pushes(number, receiver))

    return handler


def right(number: int, receiver: int) -> bytes:
    return text(numbered(PUSH, number)) * 3


def fanout(load: Load, pushes: Callable[[int, int], bytes]) -> Run:
    options = ("--sockets", 4, "--burst", 3, "--timeout", 0.2, *JOINING)
    return run(load, "fanout", fanning(pushes), *options, *SENDING)


def test_fanout_counts_what_every_receiver_gets(load: Load) -> None:
    result = fanout(load, right).result
    assert set(result) == {"mode", "deliveries", "seconds", "rate", "rounds", "p50_us", "p99_us", "wrong"}
    assert (result["mode"], result["wrong"]) == ("fanout", 0)
    assert result["rounds"] > 1
    # The first and the last round may have been counted in part.
    assert abs(result["deliveries"] - result["rounds"] * 4 * 3) < 4 * 3
    assert result["rate"] == pytest.approx(result["deliveries"] / result["seconds"], rel=1e-3)
    assert 0 < result["p50_us"] <= result["p99_us"]


def changed_once(pushes: bytes) -> Callable[[int, int], bytes]:
    """Right, but for one receiver of one request."""
    return lambda number, receiver: pushes if (number, receiver) == (5, 2) else right(number, receiver)


@pytest.mark.parametrize(
    ("pushes", "words"),
    [
        (text(numbered(PUSH, 5)) * 2, "1 answers are missing"),
        (b"", "3 answers are missing"),
        (text(numbered(PUSH, 5)) * 4, "wrong answer on socket 2"),
        (text(numbered(PUSH, 4)) + text(numbered(PUSH, 5)) * 2, "push 00000004, 00000004"),
        (text(numbered(PUSH, 5)) * 2 + text(numbered(PUSH, 6)), "push 00000006, 00000006"),
        (text(numbered(PUSH, 5)) * 2 + text(b"push 00000005, 00000O05"), "push 00000005, 00000O05"),
        (frame(CLOSE, close_payload(1011), masked=False), "connection 2 was closed by the server: code 1011"),
    ],
)
def test_fanout_with_something_wrong(load: Load, pushes: bytes, words: str) -> None:
    fanout(load, changed_once(pushes)).failed(words)


def test_fanout_is_caused_on_a_port_of_its_own(load: Load) -> None:
    async def main() -> Run:
        handler = fanning(right)
        ports: set[tuple[str, str]] = set()

        async def noting(socket: Socket) -> None:
            ports.add((socket.path, socket.head[1]))
            await handler(socket)

        async with websockets_listening(noting) as port, websockets_listening(noting) as second:
            options = ("--trigger-port", second, "--burst", 3, *JOINING)
            ran = await load("fanout", port, *options, *SENDING)
        assert ports == {("/receiver/0", f"Host: 127.0.0.1:{port}"), ("/trigger", f"Host: 127.0.0.1:{second}")}
        return ran

    assert asyncio.run(main()).result["deliveries"] > 0


def pushing(push: Callable[[Socket, int], None]) -> Handler:
    """A server that lets `push` answer each request, by sending to the one receiver."""
    receivers: list[Socket] = []

    async def handler(socket: Socket) -> None:
        if socket.path == "/receiver/0":
            assert await socket.receive() == b"join"
            receivers.append(socket)
            socket.send(text(b"joined"))
            await socket.receive()
        assert socket.path == "/trigger"
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            socket.send(text(b"whatever the sender gets is ignored"))
            push(receivers[0], number)

    return handler


def test_push_keeps_as_many_in_flight_as_it_is_told(load: Load) -> None:
    def push(receiver: Socket, number: int) -> None:
        batch.add(partial(receiver.send, text(numbered(PUSH, number))))

    async def main() -> Run:
        async with websockets_listening(pushing(push)) as port:
            return await load("push", port, "--depth", 5, *JOINING, *SENDING, at_end=batch.end)

    batch = Batch(5)
    result = asyncio.run(main()).result
    assert set(result) == {"mode", "answers", "seconds", "rate", "p50_us", "p99_us", "max_us", "wrong"}
    assert (result["mode"], result["wrong"]) == ("push", 0)
    assert result["answers"] > 0
    assert batch.most == 5


def test_push_out_of_order_is_wrong(load: Load) -> None:
    def push(receiver: Socket, number: int) -> None:
        if number % 2:
            receiver.send(text(numbered(PUSH, number)) + text(numbered(PUSH, number - 1)))

    ran = run(load, "push", pushing(push), "--depth", 2, "--timeout", 0.2, *JOINING, *SENDING)
    ran.failed("push 00000001", "push 00000000")


def test_push_that_is_lost(load: Load) -> None:
    def push(receiver: Socket, number: int) -> None:
        if number < 9:
            receiver.send(text(numbered(PUSH, number)))

    ran = run(load, "push", pushing(push), "--depth", 3, "--timeout", 0.2, *JOINING, *SENDING)
    ran.failed("3 answers are missing")


def test_push_is_sent_on_a_port_of_its_own(load: Load) -> None:
    async def main() -> Run:
        handler = pushing(lambda receiver, number: receiver.send(text(numbered(PUSH, number))))
        ports: set[tuple[str, str]] = set()

        async def noting(socket: Socket) -> None:
            ports.add((socket.path, socket.head[1]))
            await handler(socket)

        async with websockets_listening(noting) as port, websockets_listening(noting) as second:
            ran = await load("push", port, "--trigger-port", second, *JOINING, *SENDING)
        assert ports == {("/receiver/0", f"Host: 127.0.0.1:{port}"), ("/trigger", f"Host: 127.0.0.1:{second}")}
        return ran

    assert asyncio.run(main()).result["answers"] > 0


ID = b"@@@@@@@@@@@@@@@@"
DURABLE = ("--push", PUSH + b" " + ID, "--acknowledge", b"have " + ID)


def durable(load: Load, id_of: Callable[[int], int], acknowledged: list[bytes]) -> Run:
    """Pushes with the ids that `id_of` gives for their numbers, to a receiver that acknowledges them."""
    receivers: list[Socket] = []

    async def handler(socket: Socket) -> None:
        if socket.path == "/trigger":
            for number in count():
                assert await socket.receive() == numbered(REQUEST, number)
                receivers[0].send(text(numbered(PUSH, number) + b" %d" % id_of(number)))
        assert await socket.receive() == b"join"
        receivers.append(socket)
        socket.send(text(b"joined"))
        while True:
            acknowledged.append(await socket.receive())

    return run(load, "push", handler, "--depth", 3, "--timeout", 0.2, *JOINING, *SENDING, *DURABLE)


def test_push_acknowledges_the_last_id_of_each_read(load: Load) -> None:
    acknowledged: list[bytes] = []
    first = 1_234_567_890_123_456
    assert durable(load, lambda number: first + 7 * number, acknowledged).result["answers"] > 3
    ids = [int(each.removeprefix(b"have ")) for each in acknowledged]
    assert ids == sorted(set(ids))
    assert {(each - first) % 7 for each in ids} == {0}
    assert len(ids) > 3


@pytest.mark.parametrize("wrong", [1_000_000_000_000_004, 1_000_000_000_000_003, 999, 10_000_000_000_000_000])
def test_push_whose_id_does_not_rise_is_wrong(load: Load, wrong: int) -> None:
    ran = durable(load, lambda number: wrong if number == 5 else 1_000_000_000_000_000 + number, [])
    ran.failed("wrong answer on socket 0", f"push 00000005, 00000005 {wrong}")


def test_what_is_acknowledged_needs_an_id(load: Load) -> None:
    for options in (("--acknowledge", b"have it"), ("--acknowledge", ID)):
        ran = run(load, "push", pushing(lambda *_: None), *SENDING, *options)
        assert (ran.code, ran.stderr) == (2, f"load: --acknowledge needs {ID.decode()}, and so does --push with it\n")


def test_connect_opens_a_window_at_once_and_holds_all_to_the_end(load: Load) -> None:
    async def main() -> None:
        async def handler(socket: Socket) -> None:
            # Nobody is let in before the window is full.
            batch.add(partial(socket.send, text(b"welcome")))
            try:
                await socket.receive()
            except ConnectionResetError:
                resets.append(len(resets) + 1)

        batch = Batch(7)
        resets: list[int] = []
        async with websockets_listening(handler) as port:
            ran = await load("connect", port, "--sockets", 28, "--window", 7, "--await", b"welcome")
        assert batch.most == 7
        result = ran.result
        assert set(result) == {"mode", "connections", "seconds", "rate", "p50_us", "p99_us", "wrong"}
        assert (result["mode"], result["connections"], result["wrong"]) == ("connect", 28, 0)
        assert result["rate"] == pytest.approx(28 / result["seconds"], rel=1e-2)
        assert 0 < result["p50_us"] <= result["p99_us"]
        await asyncio.wait_for(until(lambda: len(resets) == 28), 10)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


@pytest.mark.parametrize("mode", ["connect", "hold"])
def test_a_connection_that_does_not_stay_ends_the_run(load: Load, mode: str) -> None:
    async def handler(socket: Socket) -> None:
        if socket.path != "/1":
            await socket.receive()

    # The third never opens: the run could not have ended before the second was lost.
    ran = run(load, mode, handler, "--sockets", 3, "--path", "/{n}", "--await", b"welcome")
    ran.failed("connection 1 was lost: the server closed it")


@pytest.mark.parametrize("said", [b"that is enough\n", None])
def test_hold_answers_pings_until_it_is_told_to_end(load: Load, said: bytes | None) -> None:
    async def main() -> None:
        async def handler(socket: Socket) -> None:
            opened.append(socket)
            await held.wait()
            socket.send(text(b"nobody minds") + frame(PING, b"still there?", masked=False) + text(b"2"))
            assert (await socket.receive(), socket.opcode) == (b"still there?", PONG)
            assert (await socket.receive(), socket.opcode) == (b"3", TEXT)
            ponged.append(socket)
            await socket.receive()

        opened: list[Socket] = []
        ponged: list[Socket] = []
        held = asyncio.Event()
        async with (
            websockets_listening(handler) as port,
            load.running("hold", port, "--sockets", 20, "--answer-text", b"2", b"3") as process,
        ):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            assert len(opened) == 20
            held.set()
            await until(lambda: len(ponged) == 20)
            ran = await load.end(process, said)
        assert (ran.code, ran.stderr) == (0, "")
        assert [json.loads(line) for line in ran.lines] == [{"mode": "hold", "connections": 20}]

    asyncio.run(main())


def test_hold_notices_a_connection_that_is_lost(load: Load) -> None:
    async def main() -> None:
        async def handler(socket: Socket) -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(lost.wait() if socket.path == "/1" else socket.receive(), 20)

        lost = asyncio.Event()
        async with (
            websockets_listening(handler) as port,
            load.running("hold", port, "--sockets", 3, "--path", "/{n}") as process,
        ):
            assert process.stdout is not None
            assert process.stderr is not None
            assert await process.stdout.readline() == b"ready\n"
            lost.set()
            assert await process.stderr.readline() == b"load: connection 1 was lost: the server closed it\n"
            assert await process.wait() == 1

    asyncio.run(main())
