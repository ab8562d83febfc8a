"""The class that client programs use."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from msanic_core.client.backoff import Backoff
from msanic_core.client.calls import Calls
from msanic_core.client.conversation import Conversation
from msanic_core.client.credentials import Credentials, Provider, check_url
from msanic_core.client.link import Link
from msanic_core.client.message import form
from msanic_core.client.push_queue import Position, PushQueue, ReceivedPush
from msanic_core.client.watched_connection import WatchedConnection, Welcome
from msanic_core.errors import MsanicError, RefusedError, ReplyError

log = logging.getLogger("msanic_core.client")

_BACKOFF = Backoff()

T = TypeVar("T")


class Client:
    """A client of a msanic-core server. It connects again whenever the connection is lost.

        async with Client("ws://127.0.0.1:8800/ws", user="ada") as client:
            reply = await client.call("chat.say", {"room": "tea", "text": "hello"})
            async for push in client.pushes():
                print(push.cmd, push.data)

    `urls`: one address, or the addresses of several nodes of one cluster. If one fails, the client tries the next.
    `user`: the user name, for servers with anonymous login.
    `client_id`: names this client among the clients of the same user. Each has its own position in the inbox.
    `query`, `headers`: further values for the login, such as a token. May be a function, plain or async; the client
    calls it before each attempt, so that a token can be fresh each time.
    `subprotocol`: the encoding of messages.
    `resume`: the position up to which an earlier process has handled durable messages, see `position`.
    `connect_timeout`: seconds for entering the block, and later for each round of attempts at all `urls`.
    `max_waiting`: how many pushes may wait for the program. Beyond that the client reads the socket only for replies.
    `ignore_pushes`: for programs that only make calls. Durable messages are then not acknowledged.
    `backoff`: how long to wait between attempts.

    Raises `ValueError` for invalid arguments. Entering the block raises `RefusedError`, and `TimeoutError` if there is
    no connection in time.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        user: str | None = None,
        client_id: str = "",
        query: Provider | None = None,
        headers: Provider | None = None,
        subprotocol: Literal["json", "msgpack"] = "json",
        resume: Position | None = None,
        connect_timeout: float = 10.0,
        max_waiting: int = 1000,
        ignore_pushes: bool = False,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        addresses = [check_url(url) for url in ([urls] if isinstance(urls, str) else urls)]
        if not addresses:
            raise ValueError("urls is empty")
        if max_waiting < 1:
            raise ValueError(f"max_waiting must be at least 1, not {max_waiting}")
        self._connect_timeout = connect_timeout
        self._ignore_pushes = ignore_pushes
        self._resumes = resume is not None and not ignore_pushes
        self._form = form(subprotocol)
        self._wake = asyncio.Event()
        self._calls = Calls(self._wake)
        self._queue = PushQueue(max_waiting, resume, self._wake)
        credentials = Credentials(user, client_id, query or {}, headers or {})
        self._link = Link(addresses, credentials, self._form, backoff, connect_timeout, self._begin)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a Client can be entered once; make a new one")
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._link.ready()
        except TimeoutError:
            await self.close()
            failure = self._link.last_failure
            text = f"no connection within {self._connect_timeout:g} s" + (f": {failure}" if failure else "")
            raise TimeoutError(text) from failure
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self._queue.leave()
        await self.close()

    async def close(self) -> None:
        """Acknowledge what the program has handled, and close. Iterations end, waiting calls raise `MsanicError`.

        The end of the block does the same. If the server does not answer, closing takes a few seconds.
        """
        if self._task is None:
            return
        self._task.cancel()
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            # The caller is cancelled: drop the connection without a closing handshake, but leave no task behind.
            self._link.cut()
            await asyncio.wait([self._task])
            raise

    @property
    def connected(self) -> bool:
        """Whether the client is connected. A connection that has just broken may still count."""
        return self._link.is_open

    @property
    def position(self) -> Position | None:
        """The position of the last durable message that the program has handled, that is, asked for the next one.

        Before the first message it is `resume`, or None. A program may store it, or store the `position` of each push
        together with its result. Another process then continues from there with `Client(..., resume=...)`.
        """
        return self._queue.position

    @overload
    async def call(self, cmd: str | int, data: Any = None, *, timeout: float = 10.0, type: type[T]) -> T: ...

    @overload
    async def call(self, cmd: str | int, data: Any = None, *, timeout: float = 10.0, type: Any = None) -> Any: ...

    async def call(self, cmd: str | int, data: Any = None, *, timeout: float = 10.0, type: Any = None) -> Any:  # noqa: A002
        """Send a command and return the `data` of its reply, decoded as `type` if one is given.

        `data`: anything that msgspec can encode. `timeout`: seconds, including the wait for a connection. If the
        connection is lost in between, the reply comes through the user's inbox. The command is never sent twice.

        Raises `ReplyError` for a code other than 0. `TimeoutError`: its text says whether the command was sent; if it
        was, the outcome is unknown. `ValueError`: `data` is larger than the server accepts, or the reply's `data` does
        not fit `type`. `TypeError`: `data` cannot be encoded. `RefusedError`, `MsanicError`: the client has ended.
        """
        self._check_entered()
        with self._calls.begin() as (req, reply):
            payload = self._form.request(cmd, data, req)
            sent = False
            try:
                async with asyncio.timeout(timeout):
                    conversation = await self._link.ready()
                    if len(payload) > conversation.max_message:
                        raise ValueError(f"{cmd}: {len(payload)} bytes, the server takes {conversation.max_message}")
                    sent = True
                    await conversation.send(payload)
                    message = await reply
            except TimeoutError:
                what = "no reply, its outcome is unknown" if sent else "not sent, there was no connection"
                raise TimeoutError(f"{cmd}: {what} ({timeout:g} s)") from None
        if message.code:
            raise ReplyError(message.code, message.hint, self._form.data(message.data))
        return self._form.data(message.data, Any if type is None else type)

    def pushes(self) -> AsyncIterator[ReceivedPush]:
        """Iterate over the pushes of the server, in one task. The iteration ends when the client is closed.

        Each durable message comes once, in order. The client acknowledges it when the program asks for the next one.
        It also does so when the task that took the message leaves the client's block without an exception. Until then
        the server would send the message again to another connection or process.

        Raises `RefusedError` when the server ends the client for good.
        """
        self._check_entered()
        if self._ignore_pushes:
            raise RuntimeError("the client was made with ignore_pushes=True")
        return self._queue

    async def _begin(self, connection: WatchedConnection, welcome: Welcome) -> Conversation:
        queue = None if self._ignore_pushes else self._queue
        conversation = Conversation(connection, welcome, self._form, self._calls, queue, self._wake)
        if self._resumes and (place := self._queue.place) is not None:
            await conversation.resume(place)
        return conversation

    async def _run(self) -> None:
        failure: Exception | None = None
        try:
            await self._link.run()
        except RefusedError as error:
            log.warning("ended by the server: %s", error)
            failure = error
        except Exception as error:
            log.exception("the client has failed")
            failure = error
        finally:
            self._queue.end(failure)
            ended = failure or MsanicError("the client is closed")
            self._calls.end(ended)
            self._link.end(ended)

    def _check_entered(self) -> None:
        if self._task is None:
            raise RuntimeError("a Client is used within `async with`")
