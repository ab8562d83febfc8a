"""Pushes between the socket and the program: in order, each durable one once, acknowledged when it was dealt with.

A durable message counts as dealt with when the program asks for the next one, or ends the client's block without an
exception after it has left the iteration. Until then the server is told nothing, and sends it again when asked.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec

from msanic_core.client.message import Message


class Position(msgspec.Struct, frozen=True):
    """A place in a user's inbox: everything up to the durable message `id`. Ids of different epochs say nothing."""

    epoch: str
    id: int


class ReceivedPush(msgspec.Struct, frozen=True):
    """A message the server sent on its own account.

    `data` consists of plain objects. `position`: where a durable message has its place, None for others. `lost`: how
    many durable messages before it the server had to drop before this client got them.
    """

    cmd: str | int
    data: Any
    position: Position | None = None
    lost: int = 0

    @property
    def id(self) -> int | None:
        """The number of a durable message in the user's inbox; None for others."""
        return None if self.position is None else self.position.id


class PushQueue:
    """What the server pushed and the program has yet to take: an iterator for one task.

    `limit`: messages from which on it is `full`, until half of them were taken; ten times as many, and it `overflows`.
    `position`: of the last message dealt with. `wake` is set when something was taken. `due` is set while there is
    something to acknowledge.
    """

    def __init__(self, limit: int, position: Position | None, wake: asyncio.Event) -> None:
        self.position = position
        self.due = asyncio.Event()
        self.full = False
        self.awaited = False
        """Whether the program has ever asked for a message."""
        self._limit = limit
        self._wake = wake
        self._epoch = ""
        self._seen = 0
        self._acknowledged = 0
        # A position alone is a message that is not for the program, but has its place in the order.
        self._waiting: deque[ReceivedPush | Position] = deque()
        self._handed: ReceivedPush | None = None
        self._taker: asyncio.Task[Any] | None = None
        self._lost = 0
        self._arrival: asyncio.Future[None] | None = None
        self._ended = False
        self._failure: Exception | None = None

    # What a connection calls

    def connected(self, epoch: str) -> None:
        """A connection begins: in another epoch than before ids start anew, and what was seen of them is forgotten."""
        if epoch != self._epoch:
            self._epoch = epoch
            # Except where the client comes back to an epoch that it knows, as with nodes that share no store.
            self._seen = max(_id_in(epoch, each) for each in (self.position, self._handed, *self._waiting))
        # What was acknowledged on the connection before this one may never have arrived.
        self._acknowledged = 0
        self._look_for_due()

    def add(self, message: Message, data: Any) -> None:
        """Take in a push; a durable one that came before is dropped."""
        if message.id is None:
            self._waiting.append(ReceivedPush(message.cmd, data))
        elif message.id > self._seen:
            lost = self._see(message.id, message.lost)
            self._waiting.append(ReceivedPush(message.cmd, data, Position(self._epoch, message.id), lost))
            self._lost = 0
        self.full = self.full or len(self._waiting) >= self._limit
        self._announce()

    def pass_over(self, message_id: int, lost: int) -> None:
        """Note a durable message that is not for the program: a reply that waited in the inbox."""
        if message_id > self._seen:
            self._lost = self._see(message_id, lost)
            self._waiting.append(Position(self._epoch, message_id))
            if self._handed is None:
                self._settle_replies()

    @property
    def place(self) -> Position | None:
        """Up to where everything came in, if anything did."""
        return Position(self._epoch, self._seen) if self._seen else self.position

    @property
    def overflows(self) -> bool:
        """Whether so much waits that nothing more may come in, for whatever reason."""
        return len(self._waiting) >= 10 * self._limit

    def take_due(self) -> int:
        """Give the id to acknowledge next, which then counts as acknowledged on this connection; 0: none."""
        self.due.clear()
        if self.position is None or self.position.epoch != self._epoch or self.position.id <= self._acknowledged:
            return 0
        self._acknowledged = self.position.id
        return self._acknowledged

    # What the client calls

    def end(self, failure: Exception | None) -> None:
        """End the iteration: with a failure behind what waits, without one at once."""
        self._ended, self._failure = True, failure
        if failure is None:
            self._waiting.clear()
        self._announce()

    def leave(self) -> None:
        """The program ends the client's block without an exception: the message it took there is dealt with."""
        if self._taker is asyncio.current_task():
            self._settle()

    # What the program calls

    def __aiter__(self) -> "PushQueue":
        return self

    async def __anext__(self) -> ReceivedPush:
        if self._arrival is not None:
            raise RuntimeError("another task iterates over pushes() already")
        self.awaited = True
        self._settle()
        while not self._waiting:
            if self._ended:
                raise self._failure or StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        push = self._waiting.popleft()
        assert isinstance(push, ReceivedPush), "positions are settled as soon as they come first"
        self._make_room()
        self._handed, self._taker = push, asyncio.current_task()
        return push

    # Its own

    def _see(self, message_id: int, lost: int) -> int:
        """Note an id; returns how many before it are lost to this client, of which the server says `lost` are gone."""
        # The server counts from what was acknowledged, and some of that may have come since.
        missing = min(lost, message_id - 1 - self._seen)
        self._seen = message_id
        return self._lost + missing

    def _announce(self) -> None:
        if self._arrival is not None and not self._arrival.done() and (self._waiting or self._ended):
            self._arrival.set_result(None)

    def _settle(self) -> None:
        """What was handed out last is dealt with, and so are replies right behind it."""
        push, self._handed, self._taker = self._handed, None, None
        if push is not None and push.position is not None:
            self.position = push.position
        self._settle_replies()

    def _settle_replies(self) -> None:
        while self._waiting and isinstance(first := self._waiting[0], Position):
            self.position = first
            self._waiting.popleft()
        self._make_room()
        self._look_for_due()

    def _make_room(self) -> None:
        self.full = self.full and len(self._waiting) > self._limit // 2
        self._wake.set()

    def _look_for_due(self) -> None:
        position = self.position
        if position is not None and position.epoch == self._epoch and position.id > self._acknowledged:
            self.due.set()
        else:
            self.due.clear()


def _id_in(epoch: str, each: ReceivedPush | Position | None) -> int:
    position = each.position if isinstance(each, ReceivedPush) else each
    return position.id if position is not None and position.epoch == epoch else 0
