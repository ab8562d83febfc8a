"""Mode `command` of the load generator: the right answers are counted, and no wrong one passes."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.load import BOUND, Batch, Load, Run, Socket, listening, numbered, websockets_listening
from tests.support.peer import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_payload, frame

REQUEST = b'{"text":"hello ########","req":"########"}'
REPLY = b'{"text":"hello ########","code":0,"req":"########"}'
EXCHANGE = ("--request", REQUEST, "--reply", REPLY)
SHORT = ("--seconds", 0.2)


def text(payload: bytes) -> bytes:
    return frame(TEXT, payload, masked=False)


def run(load: Load, handler: Callable[[Socket], Awaitable[None]], *arguments: object) -> Run:
    """Run mode `command` against a server of this kind."""

    async def main() -> Run:
        async with websockets_listening(handler) as port:
            return await load("command", port, *SHORT, *arguments)

    return asyncio.run(main())


def answering(number: int, changed: Callable[[bytes], bytes]) -> Callable[[Socket], Awaitable[None]]:
    """A server that answers rightly, but for one answer."""

    async def handler(socket: Socket) -> None:
        for each in count():
            assert await socket.receive() == numbered(REQUEST, each)
            right = numbered(REPLY, each)
            socket.send(changed(right) if each == number else text(right))

    return handler


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_answers_of_a_real_server_are_counted(load: Load, opcode: int) -> None:
    received: dict[str, list[bytes]] = {}

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.headers["X-Test"] == "some value"
        assert connection.request.headers["Origin"] == "http://here"
        mine = received[connection.request.path] = []
        async for message in connection:
            assert isinstance(message, str) == (opcode == TEXT)
            mine.append(message.encode() if isinstance(message, str) else message)
            await connection.send(message)

    async def main() -> Run:
        async with serve(echo, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            headers = ("--header", "X-Test: some value", "--header", "Origin: http://here")
            options = ("--path", "/ws?user=u{n}&n={n}", "--opcode", opcode, "--sockets", 3, "--depth", 4)
            exchange = ("--request", REQUEST, "--reply", REQUEST)
            return await load("command", port, *SHORT, "--warmup", 0.05, *headers, *options, *exchange)

    result = asyncio.run(main()).result
    assert set(received) == {f"/ws?user=u{number}&n={number}" for number in range(3)}
    for messages in received.values():
        assert messages == [numbered(REQUEST, number) for number in range(len(messages))]
    assert set(result) == {"mode", "answers", "seconds", "rate", "p50_us", "p99_us", "max_us", "wrong"}
    assert (result["mode"], result["wrong"]) == ("command", 0)
    assert 0 < result["answers"] < sum(map(len, received.values()))
    assert result["seconds"] >= 0.2
    assert result["rate"] == pytest.approx(result["answers"] / result["seconds"], rel=1e-3)
    assert 0 < result["p50_us"] <= result["p99_us"] <= result["max_us"] * 1.01


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_000])
def test_messages_of_every_size(load: Load, size: int) -> None:
    async def echo(socket: Socket) -> None:
        while True:
            payload = await socket.receive()
            assert socket.opcode == BINARY
            socket.send(frame(BINARY, payload, masked=False))
            await socket.writer.drain()

    message = (b"########" + bytes(range(256)) * 300)[:size]
    # More than fits the buffers of the kernel, in both directions: neither side can write all at once.
    depth = max(1, 20_000_000 // size) if size > 1000 else 5
    ran = run(load, echo, "--opcode", BINARY, "--depth", depth, "--request", message, "--reply", message)
    assert ran.result["answers"] > 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 61])
def test_answers_and_handshakes_in_pieces(load: Load, size: int) -> None:
    async def handler(socket: Socket) -> None:
        await socket.read_head()
        await socket.dribble(socket.upgrade() + text(b"welcome") + text(b"x" * 300), size)
        while True:
            number = int(numbered_in(await socket.receive()))
            await socket.dribble(frame(PING, b"now", masked=False) + text(numbered(long, number)), size)
            assert await socket.receive() == b"now"

    def numbered_in(payload: bytes) -> bytes:
        return payload.removeprefix(b"long ")

    async def main() -> Run:
        async with listening(handler) as port:
            steps = ("--await", b"welcome", "--await", b"x" * 300)
            return await load("command", port, *SHORT, *steps, "--request", b"long ########", "--reply", long)

    long = b"########" + b"long " * 40 + b"########"
    assert asyncio.run(main()).result["answers"] > 0


def test_frames_that_come_with_the_handshake(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        await socket.read_head()
        socket.send(socket.upgrade() + text(b"welcome") + text(b"go on"))
        while True:
            socket.send(text(await socket.receive()))

    async def main() -> Run:
        async with listening(handler) as port:
            steps = ("--await", b"wel", "--await", b"go on")
            return await load("command", port, *SHORT, *steps, "--request", REQUEST, "--reply", REQUEST)

    assert asyncio.run(main()).result["answers"] > 0


@pytest.mark.parametrize("depth", [1, 5])
def test_each_socket_keeps_as_many_requests_in_flight_as_it_is_told(load: Load, depth: int) -> None:
    batches = [Batch(depth), Batch(depth)]

    async def handler(socket: Socket) -> None:
        batch = batches[int(socket.path[1:])]
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            batch.add(partial(socket.send, text(numbered(REPLY, number))))

    async def main() -> Run:
        async with websockets_listening(handler) as port:
            options = ("--path", "/{n}", "--sockets", 2, "--depth", depth)
            return await load("command", port, *SHORT, *options, *EXCHANGE, at_end=end)

    def end() -> None:
        for batch in batches:
            batch.end()

    assert asyncio.run(main()).result["answers"] > 0
    assert [batch.most for batch in batches] == [depth, depth]


@pytest.mark.parametrize("in_flight", [1, 3, 12, 40])
def test_requests_walk_over_the_sockets_in_turn(load: Load, in_flight: int) -> None:
    counts = dict.fromkeys(range(5), 0)

    async def handler(socket: Socket) -> None:
        name = int(socket.path[1:])
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            counts[name] += 1
            batch.add(partial(socket.send, text(numbered(REPLY, number))))

    async def main() -> Run:
        async with websockets_listening(handler) as port:
            options = ("--sockets", 5, "--path", "/{n}", "--requests-in-flight", in_flight)
            return await load("command", port, *SHORT, *options, *EXCHANGE, at_end=batch.end)

    batch = Batch(in_flight)
    result = asyncio.run(main()).result
    assert result["answers"] > 0
    assert result["max_us"] < BOUND * 1e6
    assert batch.most == in_flight
    assert max(counts.values()) - min(counts.values()) <= 1
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_the_latency_is_the_time_the_server_takes(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        while True:
            payload = await socket.receive()
            await asyncio.sleep(0.03)
            socket.send(text(payload))

    result = run(load, handler, "--warmup", 0.3, "--request", REQUEST, "--reply", REQUEST).result
    assert 30_000 * 0.99 <= result["p50_us"] <= result["p99_us"]
    assert 0 < result["answers"] <= 8, "the warm-up is counted"


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "one byte": (lambda right: text(right.replace(b"code", b"cord")), "first difference at byte 28"),
    "last byte": (lambda right: text(right[:-1] + b")"), "first difference at byte 50"),
    "number": (lambda right: text(right.replace(b"00000004", b"00000005")), "00000005"),
    "one number of two": (lambda right: text(right.replace(b"00000004", b"00000005", 1)), "00000005"),
    "opcode": (lambda right: frame(BINARY, right, masked=False), "binary came instead of text"),
    "too long": (lambda right: text(right + b" "), "text of 52 bytes"),
    "too short": (lambda right: text(right[:-1]), "text of 50 bytes"),
    "empty": (lambda right: text(b""), "text of 0 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_counted_and_shown(load: Load, name: str) -> None:
    changed, words = WRONG[name]
    ran = run(load, answering(4, changed), *EXCHANGE)
    ran.counted_wrong(1, words, 'expected: text of 51 bytes: {"text":"hello 00000004","code":0,"req":"00000004"}')


def test_only_the_first_wrong_answer_is_shown(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        while True:
            await socket.receive()
            socket.send(text(b"never \\ \x01right"))

    ran = run(load, handler, *EXCHANGE)
    ran.failed("never \\x5c \\x01right")
    assert ran.stderr.count("wrong answer") == 1


def test_an_answer_too_many_is_wrong(load: Load) -> None:
    ran = run(load, answering(4, lambda right: text(right) + text(right)), *EXCHANGE)
    ran.failed("wrong answer")


def test_an_answer_to_no_request_is_wrong(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        await socket.read_head()
        socket.send(socket.upgrade() + text(numbered(REPLY, 0)))
        assert await socket.receive() == numbered(REQUEST, 0)
        socket.send(text(numbered(REPLY, 0)))
        while True:
            await socket.receive()

    async def main() -> Run:
        async with listening(handler) as port:
            return await load("command", port, *SHORT, *EXCHANGE, "--timeout", 0.2)

    asyncio.run(main()).failed("wrong answer", "expected: nothing", "1 answers are missing")


def test_an_answer_missing_among_others_is_wrong(load: Load) -> None:
    run(load, answering(4, lambda right: b""), "--depth", 3, *EXCHANGE, "--timeout", 0.2).failed("00000005")


def test_the_last_answers_must_come_too(load: Load) -> None:
    run(load, answering(4, lambda right: b""), *EXCHANGE, "--timeout", 0.2).failed("1 answers are missing 0.2 s after")


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "fragmented": (lambda right: frame(TEXT, right[:9], fin=False, masked=False), "no frame of 11 bytes: \\x01\\x09"),
    "masked": (lambda right: frame(TEXT, right), "no frame of 57 bytes: \\x81\\xb3"),
    "masked and long": (lambda right: frame(TEXT, right * 9), "no frame of 467 bytes: \\x81\\xfe"),
    "reserved bit": (lambda right: frame(TEXT, right, rsv=4, masked=False), "no frame of 53 bytes: \\xc13"),
    "long length": (lambda right: frame(TEXT, right, length=2, masked=False), "no frame of 55 bytes: \\x81~"),
    "longest length": (lambda right: frame(TEXT, right, length=8, masked=False), "no frame of 61 bytes: \\x81\\x7f"),
    "continuation": (lambda right: frame(CONTINUATION, right, masked=False), "connection 0 got a frame of opcode 0"),
    "reserved opcode": (lambda right: frame(3, right, masked=False), "connection 0 got a frame of opcode 3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_frames_end_the_run(load: Load, name: str) -> None:
    changed, words = BROKEN[name]
    ran = run(load, answering(4, changed), *EXCHANGE)
    ran.failed(words)
    assert ran.lines == ["ready", "begin"]


def test_a_lost_connection_ends_the_run(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        await socket.receive()

    run(load, handler, "--sockets", 2, *EXCHANGE).failed("was lost: the server closed it")


def test_a_close_frame_ends_the_run(load: Load) -> None:
    def closed(right: bytes) -> bytes:
        return text(right) + frame(CLOSE, close_payload(4001, b"slow consumer"), masked=False)

    run(load, answering(4, closed), *EXCHANGE).failed("connection 0 was closed by the server: code 4001 slow consumer")


def test_a_close_frame_is_read_though_more_is_to_be_written(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        await socket.receive()
        socket.send(frame(CLOSE, close_payload(4003, b"too many"), masked=False))
        # Closed with requests unread, and so with a reset.

    many = ("--depth", 100, "--request", REQUEST * 1000, "--reply", REPLY)
    run(load, handler, *many).failed("connection 0 was closed by the server: code 4003 too many")
