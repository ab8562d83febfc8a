"""The load generator of benchmarks/load, and servers for it that behave as badly as a test wants."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

BOUND = 30.0
"""Seconds that a run may take, all in all."""

NUMBER = b"########"

Handler = Callable[["Socket"], Awaitable[None]]
Answer = Callable[[bytes], bytes]


def numbered(template: bytes, number: int) -> bytes:
    return template.replace(NUMBER, b"%08d" % number)


class Run:
    """What a run of the load generator left: its exit code, its lines and its complaints."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        self.code = code
        self.lines = stdout.decode().splitlines()
        self.stderr = stderr.decode()

    @property
    def result(self) -> dict[str, Any]:
        """The result in the last line, of a run that has gone well and has printed its other lines in order."""
        assert (self.code, self.stderr) == (0, "")
        *marks, last = self.lines
        assert marks == ["ready", "begin", "end"]
        result: dict[str, Any] = json.loads(last)
        return result

    def failed(self, *words: str) -> None:
        """Assert that the run has failed, and has said so in these words."""
        assert self.code == 1, self.lines
        assert self.stderr.startswith("load: ")
        for each in words:
            assert each in self.stderr

    def counted_wrong(self, count: int, *words: str) -> None:
        """Assert that the run has failed at its end, for this many wrong answers."""
        self.failed("wrong answer", *words)
        assert json.loads(self.lines[-1])["wrong"] == count


class Load:
    """Runs the load generator. Bytes among the arguments are given in hexadecimal."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary

    async def __call__(self, mode: str, port: int, *arguments: object, at_end: Callable[[], None] | None = None) -> Run:
        """One run from start to end; `at_end` is called when it has said that the measurement is over."""
        async with self.running(mode, port, *arguments) as process:
            assert process.stdout is not None
            read = b""
            while at_end and not read.endswith(b"end\n"):
                read += await process.stdout.readline()
                assert not process.stdout.at_eof(), read
            if at_end:
                at_end()
            return await self.end(process, read=read)

    @asynccontextmanager
    async def running(self, mode: str, port: int, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
        words = [each.hex() if isinstance(each, bytes) else str(each) for each in arguments]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            str(self.binary), mode, "--port", str(port), *words, stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(BOUND):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def end(self, process: asyncio.subprocess.Process, said: bytes | None = None, read: bytes = b"") -> Run:
        """Say this to it, or close its standard input, and wait for its end."""
        assert process.stdin is not None
        if said is None:
            process.stdin.close()
        else:
            process.stdin.write(said)
        stdout, stderr = await process.communicate()
        assert process.returncode is not None
        return Run(process.returncode, read + stdout, stderr)


class Socket:
    """The server's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head: list[str] = []
        self.opcode = 0

    @property
    def path(self) -> str:
        return self.head[0].split(" ")[1]

    async def read_head(self) -> None:
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]

    async def receive(self) -> bytes:
        """The payload of the next frame, which must be whole and masked."""
        first, size = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80
        self.opcode = first & 0x0F
        assert size & 0x80
        size &= 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        key = await self.reader.readexactly(4)
        assert any(key)
        masked = await self.reader.readexactly(size)
        pad = (key * (size // 4 + 1))[:size]
        return (int.from_bytes(masked, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def dribble(self, data: bytes, size: int) -> None:
        """Send in pieces; each has left before the next is written."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            await self.writer.drain()
            await asyncio.sleep(0)

    def upgrade(self) -> bytes:
        """The answer that accepts the WebSocket."""
        key = next(line.split(": ")[1] for line in self.head if line.startswith("Sec-WebSocket-Key: "))
        accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"sec-websocket-accept: " + base64.b64encode(accept) + b"\r\n\r\n"
        )


class Batch:
    """Answers held back until so many are due: a run goes on only if it has so many requests in flight, or more."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: list[Callable[[], None]] = []
        self._ending = False
        self.most = 0
        """As many as ever were due at once."""

    def add(self, answer: Callable[[], None]) -> None:
        self._held.append(answer)
        self.most = max(self.most, len(self._held))
        if self._ending:
            self._release()
        elif len(self._held) == self._size:
            # A request too many is there by now, or comes in these turns of the loop.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._release)

    def end(self) -> None:
        """Hold back nothing any more: at its end a run takes answers and sends no requests."""
        self._ending = True
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for answer in held:
            answer()


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """A TCP server, its port. What a handler raises is raised at the end, but for connections that the client ends."""
    tasks: list[asyncio.Task[None]] = []
    errors: list[Exception] = []

    async def attend(socket: Socket) -> None:
        try:
            await handler(socket)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            errors.append(error)
        finally:
            socket.writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(attend(Socket(reader, writer))))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
        if errors:
            raise errors[0]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def websockets_listening(handler: Handler) -> AsyncIterator[int]:
    """A server whose handler begins when the WebSocket is open."""

    async def upgraded(socket: Socket) -> None:
        await socket.read_head()
        socket.send(socket.upgrade())
        await handler(socket)

    async with listening(upgraded) as port:
        yield port
