"""Mode `http` of the load generator."""

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from tests.support.load import Load, Run, Socket, listening, numbered

BODY = b'{"hello": "ada ########"}'
GET = b"GET /bench?number=######## HTTP/1.1\r\nHost: here\r\n\r\n"


def response(body: bytes, status: bytes = b"200 OK", length: bytes | None = None) -> bytes:
    size = b"%d" % len(body) if length is None else length
    return b"HTTP/1.1 " + status + b"\r\nServer: test\r\ncontent-length:  " + size + b" \r\nX: y\r\n\r\n" + body


def http(load: Load, changed: Callable[[bytes], bytes], *, piece: int | None = None) -> Run:
    """Run against a server that answers request 5 in another way."""

    async def handler(socket: Socket) -> None:
        for number in count():
            await socket.read_head()
            assert socket.head == numbered(GET, number).decode().split("\r\n")[:-2]
            body = numbered(BODY, number)
            data = changed(body) if number == 5 else response(body)
            await socket.dribble(data, piece or len(data) or 1)
            if not data:
                return

    async def main() -> Run:
        async with listening(handler) as port:
            options = ("--sockets", 3, "--seconds", 0.2, "--timeout", 0.2)
            return await load("http", port, *options, "--request", GET, "--reply", BODY)

    return asyncio.run(main())


@pytest.mark.parametrize("piece", [None, 1, 5])
def test_http_responses_are_counted(load: Load, piece: int | None) -> None:
    result = http(load, response, piece=piece).result
    assert set(result) == {"mode", "answers", "seconds", "rate", "p50_us", "p99_us", "max_us", "wrong"}
    assert (result["mode"], result["wrong"]) == ("http", 0)
    assert result["answers"] > 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda body: response(body.replace(b"ada", b"bob")), "first difference at byte 11"),
        (lambda body: response(body.replace(b"5", b"6")), "ada 00000006"),
        (lambda body: response(body + b"\n"), "body of 26 bytes"),
        (lambda body: response(b""), "body of 0 bytes"),
        (lambda body: response(body, b"500 Oh"), "status 500, body came instead of status 200, body"),
    ],
)
def test_http_with_a_wrong_response(load: Load, changed: Callable[[bytes], bytes], words: str) -> None:
    http(load, changed).counted_wrong(3, words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda body: response(body, length=b""), "without a usable Content-Length"),
        (lambda body: response(body, length=b"-1"), "Content-Length is no number"),
        (lambda body: response(body) * 2, "more than the response"),
        (lambda body: response(body)[:-1], "answers are missing"),
        (lambda body: b"", "was lost: the server closed it"),
    ],
)
def test_http_that_cannot_go_on(load: Load, changed: Callable[[bytes], bytes], words: str) -> None:
    http(load, changed).failed(words)
