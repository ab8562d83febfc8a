"""The users' inboxes: streams in Redis, with rising ids, a position per client, and bounds."""

from collections.abc import Callable

import msgspec

from msanic_core.engine.base import InboxLimits, InboxPage
from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.names import Names, escape
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.redis_call import RedisCall
from msanic_core.wire import Push, WireEncodeError
from msanic_core.wire.packed import pack_push, unpack_push

_RECENT = 60_000
"""Milliseconds for which the keys are kept that this process makes for its own repeated calls."""


class Inboxes:
    """Messages for users, durable or not."""

    def __init__(
        self, names: Names, pipeline: Pipeline, limits: InboxLimits, process: str, now: Callable[[], float]
    ) -> None:
        """`process`: a name that no other process has, for the keys of messages whose sender gave none."""
        self._names = names
        self._pipeline = pipeline
        self._limits = limits
        self._bounds = (limits.max_messages, limits.max_bytes, round(limits.max_age * 1000))
        self._process = process
        self._now = now
        self._count = 0
        self._acknowledgements: dict[tuple[str, str], RedisCall] = {}

    async def store(self, user: str, push: Push, key: str | None) -> int:
        """Put a message into the user's inbox and send it to the user's nodes; returns its id. See `Engine.push`."""
        packed = pack_push(push)
        if len(packed) > self._limits.max_bytes:
            raise WireEncodeError(
                f"message {push.cmd!r} has {len(packed)} bytes, an inbox holds {self._limits.max_bytes}; send less, or "
                f"with durable=False, or raise [inbox] max_bytes"
            )
        if key is None:
            self._count += 1
            key, kept, keys_of_messages = f"{self._process}:{self._count}", _RECENT, self._names.sent(user)
        else:
            kept, keys_of_messages = self._bounds[2], self._names.keys(user)
        keys = [self._names.sessions(user), *self._keys(user), keys_of_messages]
        bounds, channel = self._bounds, self._names.node_channel
        return int(
            await self._pipeline.run(scripts.PUSH, keys, packed, key, self._time(), kept, *bounds, channel, user)
        )

    async def send(self, user: str, push: Push) -> None:
        """Send a message to the user's nodes, and do not store it."""
        sessions = self._names.sessions(user)
        packed = pack_push(push)
        await self._pipeline.run(scripts.SEND, [sessions], packed, self._names.node_channel, user, repeat=False)

    async def read(self, user: str, client: str, after: int | None, limit: int, epoch: str) -> InboxPage:
        """See `Engine.inbox`."""
        position = "" if after is None else str(after)
        keys = [*self._keys(user), self._names.sessions(user)]
        lost, last_id, *entries = await self._pipeline.run(
            scripts.READ, keys, escape(client), position, limit, self._time(), *self._bounds
        )
        messages = [
            msgspec.structs.replace(unpack_push(packed), id=int(message_id))
            for message_id, packed in zip(entries[::2], entries[1::2], strict=True)
        ]
        return InboxPage(messages, int(lost), epoch, int(last_id))

    def acknowledge(self, user: str, client: str, message_id: int) -> None:
        """See `Engine.acknowledge`. An acknowledgement that was not sent yet is raised instead."""
        client = escape(client)
        waiting = self._acknowledgements.get((user, client))
        if waiting is not None and not waiting.sent:
            waiting.arguments = (client, max(message_id, int(waiting.arguments[1])))
            return
        call = self._pipeline.post(scripts.ACKNOWLEDGE, self._keys(user), client, message_id)
        self._acknowledgements[user, client] = call
        call.answer.add_done_callback(lambda _: self._forget(user, client, call))

    async def newer_handshake(self, user: str, timestamp: int) -> bool:
        """See `Engine.newer_handshake`."""
        handshake = self._names.handshake(user)
        return bool(await self._pipeline.run(scripts.HANDSHAKE, [handshake], timestamp, repeat=False))

    def _forget(self, user: str, client: str, call: RedisCall) -> None:
        if self._acknowledgements.get((user, client)) is call:
            del self._acknowledgements[user, client]

    def _keys(self, user: str) -> list[str]:
        return [self._names.meta(user), self._names.inbox(user)]

    def _time(self) -> int:
        return round(self._now() * 1000)
