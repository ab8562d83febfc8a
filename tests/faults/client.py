"""A client of the fault tests: it acknowledges what it gets, and writes down what it does and sees."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.faults.history import History

_numbers = itertools.count(1)


class FaultClient:
    """One connection. `url` is the server's WebSocket, without user and client.

    A device that connects again is a new object with the same `client`.
    """

    def __init__(self, history: History, url: str, user: str, client: str) -> None:
        self.name = f"{user}/{client}/{next(_numbers)}"
        self.session = ""
        self.received: list[int] = []
        """The numbers of the messages that came."""
        self.called: list[int] = []
        """Those of the calls to groups and to everybody."""
        self.epochs: list[str] = []
        """Of each welcome, the first one and any that followed."""
        self.code: int | None = None
        """The close code, once it is closed and if there was one."""
        self._history = history
        self._url = f"{url}?user={user}&client={client}"
        self.user = user
        self._client = client
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()

    async def open(self) -> None:
        """Connect. Raises what `websockets.connect` does, and `ConnectionClosed` when it is closed before a welcome."""
        self._history.record("opening", connection=self.name, user=self.user, client=self._client)
        try:
            self._connection = await connect(
                self._url, subprotocols=[Subprotocol("msanic.v1.json")], proxy=None, ping_interval=None
            )
            welcome = msgspec.json.decode(await self._connection.recv())
        except BaseException as error:
            self._history.record("close", connection=self.name, code=_code_of(error))
            raise
        self.session = welcome["data"]["session"]
        self.epochs.append(welcome["data"]["epoch"])
        self._history.record("open", connection=self.name, session=self.session)
        self._reader = asyncio.create_task(self._read(self._connection))

    async def ask(self, command: str, data: Any = None) -> dict[str, Any]:
        """Send a command and wait for its reply. Raises `ConnectionClosed` when there will be none."""
        assert self._connection is not None
        request = next(_numbers)
        reply = self._replies[request] = asyncio.get_running_loop().create_future()
        await self._connection.send(msgspec.json.encode({"cmd": command, "data": data, "req": request}).decode())
        answer: dict[str, Any] = await reply
        return answer

    async def until_received(self, number: int) -> None:
        """Wait until the message with this number came. Raises `RuntimeError` when the connection ends before."""
        await self._until(lambda: number in self.received, f"message {number} came")

    async def until_called(self, number: int) -> None:
        """Wait until this call to a group came. Raises as `until_received` does."""
        await self._until(lambda: number in self.called, f"call {number} came")

    async def until_welcomed(self, times: int) -> None:
        """Wait until it was welcomed that often. Raises as `until_received` does."""
        await self._until(lambda: len(self.epochs) >= times, f"welcome {times} came")

    async def until_closed(self) -> int | None:
        """Wait until the server has closed the connection; returns the close code, None if there was none."""
        assert self._reader is not None
        await asyncio.shield(self._reader)
        return self.code

    async def close(self) -> None:
        """Close, if it is not closed."""
        if self._connection is not None:
            await self._connection.close()
        if self._reader is not None:
            await self._reader

    async def cut(self) -> None:
        """End the connection without a word, if it has not ended."""
        if self._connection is not None:
            self._connection.transport.abort()
        if self._reader is not None:
            await self._reader

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        async with self._news:
            await self._news.wait_for(lambda: holds() or self._ended)
        if not holds():
            raise RuntimeError(f"connection {self.name} has ended before {what}")

    @property
    def _ended(self) -> bool:
        return self._reader is not None and self._connection is not None and self._connection.close_code is not None

    async def _read(self, connection: ClientConnection) -> None:
        try:
            while True:
                message = msgspec.json.decode(await connection.recv())
                if message.get("req") is not None:
                    self._replies.pop(message["req"]).set_result(message)
                elif message.get("id") is not None:
                    await self._take(connection, message)
                elif message["cmd"] == "fault.called":
                    self.called.append(message["data"]["number"])
                elif message["cmd"] == "sys.welcome":
                    self.epochs.append(message["data"]["epoch"])
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed as closed:
            self.code = _code_of(closed)
            self._history.record("close", connection=self.name, code=self.code)
            for reply in self._replies.values():
                reply.set_exception(closed)
        async with self._news:
            self._news.notify_all()

    async def _take(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        number = message["data"]["number"]
        self._history.record(
            "received", connection=self.name, number=number, id=message["id"], lost=message.get("lost", 0)
        )
        self.received.append(number)
        await connection.send(msgspec.json.encode({"cmd": "sys.ack", "data": {"id": message["id"]}}).decode())


def _code_of(error: BaseException) -> int | None:
    """The code of the server's close frame, if that is what ended it."""
    return error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd is not None else None
