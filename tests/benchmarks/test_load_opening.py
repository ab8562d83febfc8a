"""What the load generator does before a socket counts as open, and with messages that are no answers."""

import asyncio
import socket as sockets
import subprocess
from collections.abc import Callable
from itertools import count

import pytest

from tests.support.load import BOUND, Handler, Load, Run, Socket, listening, numbered, websockets_listening
from tests.support.peer import BINARY, PING, PONG, TEXT, frame

REQUEST = b"request ########"
REPLY = b"reply ########"
EXCHANGE = ("--seconds", 0.2, "--request", REQUEST, "--reply", REPLY)


def text(payload: bytes) -> bytes:
    return frame(TEXT, payload, masked=False)


def run(load: Load, handler: Handler, *arguments: object, mode: str = "command") -> Run:
    async def main() -> Run:
        async with websockets_listening(handler) as port:
            return await load(mode, port, *arguments)

    return asyncio.run(main())


async def answer_for_ever(socket: Socket, before: bytes = b"") -> None:
    """Answer each request; what comes before each answer is sent with it."""
    for number in count():
        assert await socket.receive() == numbered(REQUEST, number)
        socket.send(before + text(numbered(REPLY, number)))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_steps_are_carried_out_in_order(load: Load, opcode: int) -> None:
    async def handler(socket: Socket) -> None:
        name = socket.path.removeprefix("/?user=").encode()
        assert await socket.receive() == b"hello " + name + b", " + name
        assert socket.opcode == opcode
        assert await socket.receive() == b"second"
        socket.send(text(b"welcome, whoever you are") + text(b"more"))
        assert await socket.receive() == b"join"
        socket.send(frame(BINARY, b"joined", masked=False))
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            socket.send(frame(opcode, numbered(REPLY, number), masked=False))

    steps = ("--say", b"hello {n}, {n}", "--say", b"second", "--await", b"welcome", "--await", b"more")
    more = ("--say", b"join", "--await", b"joined", "--opcode", opcode, "--path", "/?user={n}", "--sockets", 12)
    assert run(load, handler, *steps, *more, *EXCHANGE).result["answers"] > 0


def test_no_request_goes_out_before_every_socket_is_open(load: Load) -> None:
    async def main() -> None:
        async def handler(socket: Socket) -> None:
            if socket.path == "/2":
                await others_open.wait()
                await asyncio.sleep(0)
                assert not any(each.reader._buffer for each in early), "a request"  # type: ignore[attr-defined]
            else:
                early.append(socket)
                socket.send(text(b"welcome"))
                if len(early) == 2:
                    others_open.set()
                await answer_for_ever(socket)
            socket.send(text(b"welcome"))
            await answer_for_ever(socket)

        others_open = asyncio.Event()
        early: list[Socket] = []
        async with websockets_listening(handler) as port:
            ran = await load("command", port, "--path", "/{n}", "--sockets", 3, "--await", b"welcome", *EXCHANGE)
        assert ran.result["answers"] > 0

    asyncio.run(main())


def test_another_message_than_the_awaited_ends_the_run(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        socket.send(text(b"go away"))
        await socket.receive()

    ran = run(load, handler, "--await", b"welcome", *EXCHANGE)
    ran.failed("go away", "welcome", "connection 0 did not open")
    assert ran.lines == []


@pytest.mark.parametrize("mode", ["command", "connect", "hold"])
def test_a_server_that_says_nothing_ends_the_run(load: Load, mode: str) -> None:
    async def handler(socket: Socket) -> None:
        if socket.path != "/1":
            socket.send(text(b"welcome"))
        await socket.receive()

    exchange = EXCHANGE if mode == "command" else ()
    steps = ("--path", "/{n}", "--sockets", 3, "--await", b"welcome", "--timeout", 0.2)
    run(load, handler, *steps, *exchange, mode=mode).failed("2 of 3 connections are open", "within 0.2 s")


def test_messages_that_are_ignored(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        ignored = text(b"news: something") + frame(BINARY, b"stats", masked=False)
        socket.send(ignored + text(b"welcome") + ignored)
        await answer_for_ever(socket, ignored)

    skipping = ("--ignore-prefix", b"news:", "--ignore-prefix", b"stats", "--await", b"welcome")
    assert run(load, handler, *skipping, *EXCHANGE).result["answers"] > 0
    run(load, handler, *skipping[2:], *EXCHANGE).failed("news: something")


def test_a_text_that_is_answered(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        socket.send(text(b"2"))
        assert await socket.receive() == b"3"
        assert socket.opcode == TEXT
        socket.send(text(b"welcome"))
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            socket.send(text(b"2"))
            assert await socket.receive() == b"3"
            assert socket.opcode == TEXT
            socket.send(frame(BINARY, numbered(REPLY, number), masked=False))

    steps = ("--opcode", BINARY, "--await", b"welcome")
    assert run(load, handler, "--answer-text", b"2", b"3", *steps, *EXCHANGE).result["answers"] > 0
    run(load, handler, "--answer-text", b"22", b"3", *steps, *EXCHANGE).failed("did not open")


def test_pings_are_answered(load: Load) -> None:
    async def handler(socket: Socket) -> None:
        for number in count():
            assert await socket.receive() == numbered(REQUEST, number)
            payload = b"%d" % number * 15
            socket.send(frame(PONG, b"not asked for", masked=False) + frame(PING, payload, masked=False))
            assert await socket.receive() == payload
            assert socket.opcode == PONG
            socket.send(text(numbered(REPLY, number)))

    assert run(load, handler, *EXCHANGE).result["answers"] > 0


def test_source_addresses(load: Load) -> None:
    seen: dict[str, str] = {}

    async def handler(socket: Socket) -> None:
        seen[socket.path] = socket.writer.get_extra_info("peername")[0]
        await answer_for_ever(socket)

    assert run(load, handler, "--path", "/{n}", "--sockets", 5, "--sources", 3, *EXCHANGE).result["answers"] > 0
    assert seen == {f"/{number}": f"127.0.0.{number % 3 + 1}" for number in range(5)}


HANDSHAKES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "refused": (lambda right: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nwhy\r\n", "403 Forbidden why"),
    "not HTTP": (lambda right: b"SSH-2.0\r\n\r\n", "was not upgraded: SSH-2.0"),
    "other accept": (lambda right: right.replace(b"accept: s3", b"accept: S3"), "wrong Sec-WebSocket-Accept"),
    "no accept": (lambda right: right.replace(b"accept", b"except"), "wrong Sec-WebSocket-Accept"),
    "extension": (
        lambda right: right[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "extension that was not offered",
    ),
    "closed": (lambda right: right[:-1], "connection 0 was lost"),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_only_a_right_handshake_opens_a_socket(load: Load, name: str) -> None:
    changed, words = HANDSHAKES[name]

    async def handler(socket: Socket) -> None:
        await socket.read_head()
        socket.send(changed(socket.upgrade()))

    async def main() -> Run:
        async with listening(handler) as port:
            return await load("command", port, *EXCHANGE)

    asyncio.run(main()).failed(words)


def test_a_port_that_nobody_listens_on(load: Load) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asyncio.run(load("command", port, *EXCHANGE)).failed("connection 0 could not be opened: Connection refused")


USAGE = {
    "no mode": (("fly",), "usage: load MODE"),
    "no request": (("command", "--port", "1", "--reply", ""), "mode command needs --request"),
    "no push": (("fanout", "--port", "1", "--request", "", "--trigger-path", "/"), "mode fanout needs --push"),
    "no port": (("connect",), "--port is needed"),
    "port": (("connect", "--port", "70000"), "--port 70000: a whole number from 1 to 65535"),
    "half a byte": (("connect", "--port", "1", "--say", "616"), "--say 616: pairs of hexadecimal digits"),
    "no hex": (("connect", "--port", "1", "--await", "6g"), "--await 6g: pairs"),
    "negative": (("connect", "--port", "1", "--sockets", "-1"), "--sockets -1: a whole number from 1"),
    "opcode": (("connect", "--port", "1", "--opcode", "9"), "--opcode 9: a whole number from 1 to 2"),
    "seconds": (("connect", "--port", "1", "--seconds", "1s"), "--seconds 1s: a number of seconds"),
    "host": (("connect", "--port", "1", "--host", "localhost"), "--host localhost: an IPv4 address"),
    "one answer": (("connect", "--port", "1", "--answer-text", "32"), "--answer-text: two values are needed"),
    "unknown": (("connect", "--port", "1", "--speed", "9"), "unrecognized option"),
    "word": (("connect", "--port", "1", "more"), "more: not an option"),
}


@pytest.mark.parametrize("name", USAGE)
def test_arguments_that_make_no_sense(load: Load, name: str) -> None:
    arguments, words = USAGE[name]
    ended = subprocess.run([load.binary, *arguments], capture_output=True, text=True, timeout=BOUND)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
