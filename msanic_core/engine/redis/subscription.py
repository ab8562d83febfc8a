"""The subscription to this node's channels: checked all the time, and made anew when it is dead.

Redis does not tell a subscriber that its connection is dead, and redis-py does not tell when it subscribes again. So
the node publishes numbers to itself. A number that does not come back in time, or a gap, shows a possible loss.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable

from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import NodeMessage, Watch, read_payload, watch_payload
from msanic_core.engine.redis.topology import ERRORS, Store
from msanic_core.errors import StoreUnavailableError

log = logging.getLogger("msanic_core.redis")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Subscription:
    """The channel of one node, and that of everybody.

    `interval`: seconds between two numbers. `on_message` gets each message. `on_gap` is called whenever messages may
    have been missed.
    """

    def __init__(
        self,
        store: Store,
        names: Names,
        node: str,
        pipeline: Pipeline,
        interval: float,
        on_message: Callable[[NodeMessage], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._store = store
        self._channels = (names.node_channel + node, names.everybody)
        self._pipeline = pipeline
        self._interval = interval
        self._on_message = on_message
        self._on_gap = on_gap
        self._sent = 0
        self._heard = 0
        self._reader: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether the node is subscribed."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Subscribe. Raises `StoreUnavailableError` when that fails."""
        try:
            await self._subscribe()
        except ERRORS as error:
            raise StoreUnavailableError(f"Redis gives no subscription: {error}") from error
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_reading()), loop.create_task(self._keep_watching())]

    async def stop(self) -> None:
        """End the subscription."""
        for task in [*self._tasks, self._reader]:
            if task is not None:
                task.cancel()
        await asyncio.gather(*self._tasks, *([self._reader] if self._reader else []), return_exceptions=True)

    async def _subscribe(self) -> None:
        connection = await self._store.subscribe(*self._channels)
        self._heard = self._sent
        self._ready.set()

        async def read() -> None:
            try:
                while True:
                    message = await connection.read_response(timeout=math.inf)
                    self._receive(message[2])
            finally:
                self._ready.clear()
                await self._store.unsubscribe(connection)

        self._reader = asyncio.get_running_loop().create_task(read())

    async def _keep_reading(self) -> None:
        failures = 0
        while True:
            if self._reader is not None:
                await asyncio.wait({self._reader})
                error = None if self._reader.cancelled() else self._reader.exception()
                log.warning("the subscription to Redis has ended: %s", error or "it was silent")
                self._reader = None
            try:
                await self._subscribe()
            except ERRORS as error:
                failures += 1
                log.debug("no subscription: %s", error)
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 10))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            else:
                failures = 0
                log.warning("subscribed to Redis again")
                self._on_gap()

    async def _keep_watching(self) -> None:
        while True:
            number = self._sent = self._sent + 1
            try:
                await self._pipeline.command("PUBLISH", self._channels[0], watch_payload(number), repeat=False)
            except StoreUnavailableError:
                await asyncio.sleep(self._interval)
                continue
            await asyncio.sleep(self._interval)
            if self._heard < number and self._reader is not None:
                log.warning("number %d to this node itself did not come back within %g s", number, self._interval)
                self._reader.cancel()

    def _receive(self, payload: bytes) -> None:
        try:
            message = read_payload(payload)
            if isinstance(message, Watch):
                if message.number > self._heard + 1:
                    self._on_gap()
                self._heard = message.number
            else:
                self._on_message(message)
        except Exception:
            # One message that cannot be read or handled must not end the subscription.
            log.exception("a message of another node cannot be delivered")
