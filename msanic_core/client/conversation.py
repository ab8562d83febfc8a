"""The messages on one open connection: requests, replies, pushes, and acknowledgements of pushes."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from msanic_core.client.calls import Calls
from msanic_core.client.message import Form, Message
from msanic_core.client.push_queue import Position, PushQueue
from msanic_core.client.watched_connection import (
    CLOSE_TIMEOUT,
    WELCOME,
    AttemptError,
    WatchedConnection,
    Welcome,
    close_of,
    failure_of,
    leave,
    watch,
)
from msanic_core.codes import ReplyCode

log = logging.getLogger("msanic_core.client")

_RECEIPT_DELAY = 0.05
_REPLAY_PAUSE = 0.05


class Conversation:
    """Reads one connection to its end.

    Reading pauses while the queue is full: a slow program slows the server down, and its memory does not grow. But the
    program may be waiting for a reply that comes after those pushes. So reading continues while a call is waiting,
    until the queue holds ten times as much. Then it pauses as well, and the call may time out.

    `queue`: if None, pushes are ignored. `wake`: set when reading may continue.
    """

    def __init__(
        self,
        connection: WatchedConnection,
        welcome: Welcome,
        form: Form,
        calls: Calls,
        queue: PushQueue | None,
        wake: asyncio.Event,
    ) -> None:
        self._connection = connection
        self._welcome = welcome
        self._form = form
        self._calls = calls
        self._queue = queue
        self._wake = wake
        self._held = False

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._connection.is_open

    @property
    def max_message(self) -> int:
        """The largest request, in bytes."""
        return self._welcome.max_message

    def cut(self) -> None:
        """End the connection at once."""
        self._connection.transport.abort()

    async def send(self, payload: bytes) -> None:
        """Send a request. Only a reply tells that it has arrived."""
        with suppress(ConnectionClosed):
            await self._connection.send(payload, text=self._form.is_text)

    async def resume(self, position: Position) -> None:
        """Make the server send everything after a position, in order, whatever was acknowledged before.

        By itself the server continues after the last acknowledged message. That may be too late for a program with a
        position: an earlier process may have acknowledged messages that it did not store. The client cannot know how
        many, so every connection resumes, not only the first. Durable messages that come before the answer are dropped,
        because the server sends them again in their place.

        Raises `AttemptError`, `RefusedError`.
        """
        try:
            while (reply := await self._ask("sys.resume", {"after": position.id, "epoch": position.epoch})).code:
                if reply.code != ReplyCode.REPEATED:
                    raise AttemptError(f"sys.resume: code {reply.code} {reply.hint}")
                # The server is still sending the messages it holds for new. It can resume when it has finished.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_REPLAY_PAUSE):
                        await self._read_until(None)
        except ConnectionClosed as error:
            raise failure_of(error) from error
        except ValueError as error:
            raise AttemptError("a message cannot be read") from error

    async def run(self) -> tuple[int | None, str]:
        """Run until the connection is lost. Returns code and reason; the code is None if there was no close frame.

        When cancelled, it acknowledges what is due and closes with a handshake.
        """
        if self._queue is not None:
            self._queue.connected(self._welcome.epoch)
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._watch()), group.create_task(self._acknowledge())]
                try:
                    return await self._read()
                finally:
                    for helper in helpers:
                        helper.cancel()
        except asyncio.CancelledError:
            # The library waits without a limit for a socket that accepts no more bytes.
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._acknowledge_now()
                    await leave(self._connection)
            raise
        finally:
            self._connection.transport.abort()

    async def _read(self) -> tuple[int | None, str]:
        try:
            while True:
                self._take(self._form.message(await self._connection.recv(decode=False)))
                if self._must_wait():
                    await self._wait()
        except ConnectionClosed as error:
            return close_of(error)
        except ValueError as error:
            log.warning("a message of the server cannot be read: %s", error)
            return None, "unreadable message"

    def _take(self, message: Message) -> None:
        if message.is_reply:
            if not self._calls.answer(message) and message.id is None and message.req is None and message.code:
                log.warning("the server answered %s with code %d %s", message.cmd, message.code, message.hint)
            if message.id is not None and self._queue is not None:
                self._queue.pass_over(message.id, message.lost)
        elif message.cmd == WELCOME:
            # The server's store was emptied: the user's inbox starts again, while the connection stays.
            self._welcome = self._form.data(message.data, Welcome)
            if self._queue is not None:
                self._queue.connected(self._welcome.epoch)
        elif self._queue is not None:
            self._queue.add(message, self._form.data(message.data))

    def _must_wait(self) -> bool:
        queue = self._queue
        return queue is not None and queue.full and (queue.overflows or not len(self._calls))

    async def _wait(self) -> None:
        assert self._queue is not None, "without a queue there is nothing to wait for"
        if not self._queue.awaited:
            log.warning(
                "reading pauses: nobody has iterated over pushes() yet; ignore_pushes=True would pass them over"
            )
        self._held = True
        while self._must_wait():
            self._wake.clear()
            await self._wake.wait()
        self._held = False
        self._connection.quiet = 0

    async def _watch(self) -> None:
        await watch(self._connection, self._welcome, lambda: self._held)

    async def _acknowledge(self) -> None:
        if self._queue is None:
            return
        while True:
            await self._queue.due.wait()
            await asyncio.sleep(_RECEIPT_DELAY)
            await self._acknowledge_now()

    async def _acknowledge_now(self) -> None:
        if self._queue is not None and self._connection.is_open and (message_id := self._queue.take_due()):
            await self.send(self._form.request("sys.ack", {"id": message_id}))

    async def _ask(self, cmd: str, data: Any) -> Message:
        with self._calls.begin() as (req, _):
            await self.send(self._form.request(cmd, data, req))
            return await self._read_until(req)

    async def _read_until(self, req: str | None) -> Message:
        """Read up to the reply with this `req`, and ignore durable pushes; None: read until cancelled."""
        while True:
            message = self._form.message(await self._connection.recv(decode=False))
            if req is not None and message.req == req:
                return message
            if message.id is None:
                self._take(message)
            elif message.is_reply:
                self._calls.answer(message)
