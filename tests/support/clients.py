"""For tests of the client: a loop for each test, and a server that may break the protocol."""

import asyncio
import functools
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from msanic_core.client import Backoff, Client, ReceivedPush

BOUND = 20.0
"""The limit in seconds for everything that a test waits for."""

QUICK = Backoff(base=0.01, cap=0.05, spread=0.02)

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test in a loop of its own; nothing may be left running in it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            async with asyncio.timeout(BOUND):
                await test(*args, **kwargs)
            # The heartbeat of a server that has just stopped is cancelled, and not over yet.
            assert {task for task in asyncio.all_tasks() if not task.cancelling()} == {asyncio.current_task()}

        asyncio.run(main())

    return run


class PeerConnection(ServerConnection):
    """`pings`: one entry for each ping of the client."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pings: asyncio.Queue[None] = asyncio.Queue()

    def process_event(self, event: Any) -> None:
        super().process_event(event)
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings.put_nowait(None)


class Peer:
    """One connection of a client, as the scripted server sees it."""

    def __init__(self, connection: PeerConnection) -> None:
        self.connection = connection
        request = connection.request
        assert request is not None
        self.path = request.path
        self.headers = request.headers
        self.sent = 0
        """For scripts that count."""

    async def welcome(self, epoch: str = "e1", **changes: Any) -> None:
        data = {"session": "s", "user": "ada", "node": "n", "epoch": epoch, "max_message": 1000, "ping_interval": 20.0,
                "ping_timeout": 10.0, **changes}  # fmt: skip
        await self.send("sys.welcome", data)

    async def send(self, cmd: str, data: Any = None, **fields: Any) -> None:
        await self.connection.send(json.dumps({"cmd": cmd, "data": data, "code": 0, "hint": "", **fields}))

    async def durable(self, *ids: int, **fields: Any) -> None:
        for message_id in ids:
            await self.send("n.n", message_id, id=message_id, **fields)

    async def request(self) -> dict[str, Any]:
        request: dict[str, Any] = json.loads(await self.connection.recv())
        return request

    async def reply(self, request: dict[str, Any], data: Any = None, code: int = 0, **fields: Any) -> None:
        await self.send(request["cmd"], data, **{"req": request["req"], "code": code, **fields})

    async def acknowledged(self) -> int:
        """The id in the next request, which must be a receipt."""
        request = await self.request()
        assert (request["cmd"], request["req"]) == ("sys.ack", None)
        message_id: int = request["data"]["id"]
        return message_id


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """`peers`: the connections so far. `failures`: what scripts raised."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = deque(scripts)
        self.peers: list[Peer] = []
        self.failures: list[BaseException] = []
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, PeerConnection)
        peer = Peer(connection)
        self.peers.append(peer)
        script = self._scripts.popleft() if self._scripts else stay
        try:
            await script(peer)
        except BaseException as error:
            self.failures.append(error)
            raise
        await connection.wait_closed()


@asynccontextmanager
async def scripted(*scripts: Script, **options: Any) -> AsyncIterator[ScriptedServer]:
    """A server that runs a script for each connection, and answers normally after the last script.

    A connection stays open when its script has ended. What a script raises fails the test.
    """
    server = ScriptedServer(*scripts)
    # The test reports errors of scripts.
    logger = logging.getLogger("tests.scripted")
    logger.setLevel(logging.CRITICAL + 1)
    options = {"subprotocols": [Subprotocol("msanic.v1.json")], "ping_interval": None, "logger": logger, **options}
    async with serve(server.handle, "127.0.0.1", 0, create_connection=PeerConnection, **options) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/ws"
        yield server
    assert not server.failures


async def stay(peer: Peer) -> None:
    """Welcome the client and answer every request with its own data."""
    await peer.welcome()
    # A client that closes does not wait for the answer to its last receipt.
    with suppress(ConnectionClosed):
        async for payload in peer.connection:
            request = json.loads(payload)
            await peer.reply(request, request["data"])


def closing(code: int, reason: str = "") -> Script:
    """Welcome the client, and close with a code when it has asked for something."""

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.request()
        await peer.connection.close(code, reason)

    return script


async def take(client: Client, count: int) -> list[ReceivedPush]:
    """Return this number of pushes; the last one is not processed yet."""
    pushes = client.pushes()
    return [await anext(pushes) for _ in range(count)]
