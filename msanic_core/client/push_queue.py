"""The pushes that the socket has delivered and the program has not yet taken: in order, each durable one once.

A durable message is handled when the program asks for the next one, or when it leaves the iteration and then ends the
client's block without an exception. Only then does the client acknowledge it; until then the server sends it again.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec

from msanic_core.client.message import Message


class Position(msgspec.Struct, frozen=True):
    """A position in a user's inbox: everything up to the durable message `id`. Compare ids only within one epoch."""

    epoch: str
    id: int


class ReceivedPush(msgspec.Struct, frozen=True):
    """A message that the server sent without a request.

    `data` consists of plain objects. `position`: the position of a durable message, None for others. `lost`: how many
    durable messages before it the server dropped before this client received them.
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
    """The pushes that wait for the program: an iterator for one task.

    `limit`: with this many messages the queue is `full`, until half of them were taken. With ten times as many it
    `overflows`. `position`: the position of the last handled message. `wake` is set when a message was taken. `due` is
    set while there is something to acknowledge.
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
        # A position without a push is a late reply: not for the program, but part of the order.
        self._waiting: deque[ReceivedPush | Position] = deque()
        self._handed: ReceivedPush | None = None
        self._taker: asyncio.Task[Any] | None = None
        self._lost = 0
        self._arrival: asyncio.Future[None] | None = None
        self._ended = False
        self._failure: Exception | None = None

    # What a connection calls

    def connected(self, epoch: str) -> None:
        """A connection begins. In a new epoch ids start again, so the queue forgets which ids it has seen."""
        if epoch != self._epoch:
            self._epoch = epoch
            # Not those of an epoch that the client comes back to, as with nodes that share no store.
            self._seen = max(_id_in(epoch, each) for each in (self.position, self._handed, *self._waiting))
        # Acknowledgements on the connection before this one may never have arrived.
        self._acknowledged = 0
        self._look_for_due()

    def add(self, message: Message, data: Any) -> None:
        """Add a push. A durable one that came before is dropped."""
        if message.id is None:
            self._waiting.append(ReceivedPush(message.cmd, data))
        elif message.id > self._seen:
            lost = self._see(message.id, message.lost)
            self._waiting.append(ReceivedPush(message.cmd, data, Position(self._epoch, message.id), lost))
            self._lost = 0
        self.full = self.full or len(self._waiting) >= self._limit
        self._announce()

    def pass_over(self, message_id: int, lost: int) -> None:
        """Note the position of a durable message that is not for the program: a reply that waited in the inbox."""
        if message_id > self._seen:
            self._lost = self._see(message_id, lost)
            self._waiting.append(Position(self._epoch, message_id))
            if self._handed is None:
                self._settle_replies()

    @property
    def place(self) -> Position | None:
        """The position up to which everything has arrived; None if nothing has."""
        return Position(self._epoch, self._seen) if self._seen else self.position

    @property
    def overflows(self) -> bool:
        """Whether reading must pause even while a call is waiting."""
        return len(self._waiting) >= 10 * self._limit

    def take_due(self) -> int:
        """Give the id to acknowledge now, and count it as acknowledged on this connection. 0: nothing is due."""
        self.due.clear()
        if self.position is None or self.position.epoch != self._epoch or self.position.id <= self._acknowledged:
            return 0
        self._acknowledged = self.position.id
        return self._acknowledged

    # What the client calls

    def end(self, failure: Exception | None) -> None:
        """End the iteration: at once, or, with a failure, after the messages that wait."""
        self._ended, self._failure = True, failure
        if failure is None:
            self._waiting.clear()
        self._announce()

    def leave(self) -> None:
        """The program ends the client's block without an exception: the message that it took there is handled."""
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
        assert isinstance(push, ReceivedPush), "_settle_replies takes positions from the front"
        self._make_room()
        self._handed, self._taker = push, asyncio.current_task()
        return push

    # Its own

    def _see(self, message_id: int, lost: int) -> int:
        """Note an id. Returns how many messages before it this client lost; `lost` is the server's count."""
        # The server counts from the last acknowledged message, but later ones may have arrived.
        missing = min(lost, message_id - 1 - self._seen)
        self._seen = message_id
        return self._lost + missing

    def _announce(self) -> None:
        if self._arrival is not None and not self._arrival.done() and (self._waiting or self._ended):
            self._arrival.set_result(None)

    def _settle(self) -> None:
        """Count the message that was handed out last as handled, and the replies right after it."""
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
