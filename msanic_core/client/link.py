"""Keeps a client connected to one of its servers, until a server refuses it for good."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from msanic_core.client.backoff import Backoff, may_reconnect
from msanic_core.client.conversation import Conversation
from msanic_core.client.credentials import Credentials, shown
from msanic_core.client.message import Form
from msanic_core.client.watched_connection import AttemptError, WatchedConnection, Welcome, open_connection
from msanic_core.errors import RefusedError

log = logging.getLogger("msanic_core.client")


class Link:
    """Connects to the first address that accepts it, and to the next one when the connection is lost.

    `timeout`: seconds for one round of attempts at all addresses. `begin` makes the conversation on a new connection;
    it may raise `AttemptError` and `RefusedError`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        credentials: Credentials,
        form: Form,
        backoff: Backoff,
        timeout: float,
        begin: Callable[[WatchedConnection, Welcome], Awaitable[Conversation]],
    ) -> None:
        self._urls = deque(urls)
        self._credentials = credentials
        self._form = form
        self._backoff = backoff
        self._timeout = timeout / len(urls)
        self._begin = begin
        self._conversation: Conversation | None = None
        self._changed = asyncio.Event()
        self._end: Exception | None = None
        self.last_failure: AttemptError | None = None
        """The failure of the last attempt that failed; None if none has."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection. One that has just broken may still count."""
        return self._conversation is not None and self._conversation.is_open

    async def ready(self) -> Conversation:
        """Wait for an open connection. Raises the failure given to `end`."""
        while True:
            if self._end is not None:
                raise self._end
            conversation = self._conversation
            if conversation is not None and conversation.is_open:
                return conversation
            self._changed.clear()
            await self._changed.wait()

    def end(self, failure: Exception) -> None:
        """Make `ready` raise this failure, for waiting and for later callers."""
        self._end = failure
        self._changed.set()

    def cut(self) -> None:
        """Drop the connection at once, if there is one."""
        if self._conversation is not None:
            self._conversation.cut()

    async def run(self) -> NoReturn:
        """Connect, again and again, until cancelled. Raises `RefusedError`."""
        failures = 0
        while True:
            held, code = await self._try_all()
            failures = self._backoff.failures(failures, held, code)
            delay = self._backoff.delay(failures, code)
            log.info("connecting again in %.1f s", delay)
            await asyncio.sleep(delay)

    async def _try_all(self) -> tuple[float, int | None]:
        """Try each address once, until one accepts, and run that connection to its end.

        Returns how many seconds it lasted, and the close code.
        """
        code = None
        for _ in range(len(self._urls)):
            url = self._urls[0]
            self._urls.rotate(-1)
            try:
                conversation = await self._open(url)
            except AttemptError as error:
                log.info("cannot connect to %s: %s", shown(url), error)
                self.last_failure, code = error, error.code
            else:
                return await self._stay(conversation, url)
        return 0.0, code

    async def _open(self, url: str) -> Conversation:
        try:
            async with asyncio.timeout(self._timeout):
                connection, welcome = await open_connection(url, self._credentials, self._form)
                try:
                    return await self._begin(connection, welcome)
                except BaseException:
                    connection.transport.abort()
                    raise
        except TimeoutError as error:
            raise AttemptError(f"no answer within {self._timeout:g} s") from error

    async def _stay(self, conversation: Conversation, url: str) -> tuple[float, int | None]:
        log.info("connected to %s", shown(url))
        clock = asyncio.get_running_loop().time
        began = clock()
        self._conversation = conversation
        self._changed.set()
        try:
            code, reason = await conversation.run()
        finally:
            self._conversation = None
        log.info("%s: %s", shown(url), reason if code is None else f"closed with {code} {reason}")
        if code is not None and not may_reconnect(code):
            raise RefusedError(code, reason)
        return clock() - began, code
