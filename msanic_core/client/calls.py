"""Calls that wait for their replies. `req` says which reply belongs to which call."""

import asyncio
import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from msanic_core.client.message import Message


class Calls:
    """The calls that are waiting, over all connections of a client.

    If the connection is lost, the reply comes from the user's inbox. That inbox may also hold replies to other clients
    of the same user, and to earlier processes. So every `req` begins with a random prefix of this client.

    `wake` is set when a call begins: reading may have paused, and the reply has to be read.
    """

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def begin(self) -> Iterator[tuple[str, asyncio.Future[Message]]]:
        """Give a new `req` and the future of its reply, valid within the block. Raises the failure given to `end`."""
        if self._failure is not None:
            raise self._failure
        req = f"{self._prefix}-{next(self._numbers)}"
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[req] = reply
        self._wake.set()
        try:
            yield req, reply
        finally:
            del self._waiting[req]
            if reply.done() and not reply.cancelled():
                reply.exception()  # asyncio warns about an exception that nobody has retrieved

    def answer(self, message: Message) -> bool:
        """Hand a reply to its call. Returns False if no call is waiting for it."""
        reply = self._waiting.get(message.req) if isinstance(message.req, str) else None
        if reply is None:
            return False
        if not reply.done():
            reply.set_result(message)
        return True

    def end(self, failure: Exception) -> None:
        """Make all calls raise this failure, later ones too."""
        self._failure = failure
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(failure)
