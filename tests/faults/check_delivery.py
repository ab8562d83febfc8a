"""Every durable message that was accepted comes to the user's clients: in order, once, and none missing unsaid."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.history import Event


@dataclass
class _Message:
    """`began`: where in the history the first try to push it is. `id`: None while no try has returned."""

    user: str
    number: int
    began: int
    id: int | None = None
    forgotten: bool = False


@dataclass
class _Client:
    """One device: what it got, as number to id, and what it was told is lost. `since`: where it first connected."""

    user: str
    name: str
    since: int | None = None
    got: dict[int, int] = field(default_factory=dict)
    told_lost: set[int] = field(default_factory=set)
    highest: int = 0
    acked: int = 0
    new_beginnings: int = 0
    gone: bool = False

    def has(self, message: _Message) -> bool:
        return message.number in self.got or message.number in self.told_lost

    def __str__(self) -> str:
        return f"client {self.name!r} of {self.user}"


@dataclass
class _Connection:
    client: _Client
    last: int = 0


def check_delivery(events: Sequence[Event]) -> list[str]:
    """See `check`."""
    pushes = _Pushes()
    for position, event in enumerate(events):
        pushes.take(position, event)
    clients = _Clients(pushes.messages)
    for position, event in enumerate(events):
        clients.take(position, event)
    return [*pushes.violations, *clients.violations, *_missing(pushes, clients)]


def _missing(pushes: "_Pushes", clients: "_Clients") -> Iterator[str]:
    for message in pushes.messages.values():
        everybody = [each for each in clients.clients.values() if each.user == message.user and each.since is not None]
        if message.id is None or message.forgotten or not everybody:
            continue
        expecting = [each for each in everybody if not each.gone and (each.since or 0) < message.began]
        text = f"message {message.number} (id {message.id}) of {message.user}"
        for client in expecting:
            if not client.has(message):
                yield f"{text} never came to {client}"
        # What was there before any of them: the first takes it, and whoever comes later need not get it too.
        if not expecting and not any(each.gone or each.has(message) for each in everybody):
            yield f"{text} never came to any client"


class _Pushes:
    """The messages that were accepted."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, int], _Message] = {}
        self.violations: list[str] = []

    def take(self, position: int, event: Event) -> None:
        match event["event"]:
            case "pushing" | "pushed":
                key = event["user"], event["number"]
                message = self.messages.setdefault(key, _Message(*key, position))
                if event["event"] == "pushed" and event["id"] is not None:
                    self._accept(message, event["id"])
            case "forgot":
                for message in self.messages.values():
                    message.forgotten = True

    def _accept(self, message: _Message, message_id: int) -> None:
        if message.id not in (None, message_id) and not message.forgotten:
            self.violations.append(
                f"message {message.number} of {message.user} was stored twice, as id {message.id} and as {message_id}"
            )
        message.id = message_id


class _Clients:
    """What the clients got, held against what was accepted."""

    def __init__(self, messages: dict[tuple[str, int], _Message]) -> None:
        self.clients: dict[tuple[str, str], _Client] = {}
        self.violations: list[str] = []
        self._messages = messages
        self._in_order: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        """Of each user, id and number of what was accepted, by id."""
        for message in messages.values():
            if message.id is not None:
                self._in_order[message.user].append((message.id, message.number))
        for accepted in self._in_order.values():
            accepted.sort()
        self._connections: dict[str, _Connection] = {}
        self._forgetting = 0

    def take(self, position: int, event: Event) -> None:
        connection = self._connections.get(event.get("connection", ""))
        match event["event"]:
            case "opening":
                self._connections[event["connection"]] = _Connection(self._client(event))
            case "open" if connection and connection.client.since is None:
                connection.client.since = position
            case "received" if connection and event["id"] is not None:
                self._receive(connection, event["number"], event["id"], event["lost"])
            case "acked" if connection:
                connection.client.acked = max(connection.client.acked, event["id"])
            case "resumed" if connection:
                connection.last = event["after"]
                connection.client.acked = min(connection.client.acked, event["after"])
            case "gone":
                self._client(event).gone = True
            case "forgetting":
                self._forgetting += 1

    def _client(self, event: dict[str, Any]) -> _Client:
        key = event["user"], event["client"]
        return self.clients.setdefault(key, _Client(*key))

    def _receive(self, connection: _Connection, number: int, message_id: int, lost: int) -> None:
        client = connection.client
        before = client.got.get(number)
        steps_back = message_id <= connection.last or (before is None and message_id <= client.highest)
        if steps_back and client.new_beginnings < self._forgetting:
            client.new_beginnings += 1
            client.highest = client.acked = 0
        elif before is not None and (steps_back or message_id <= client.acked):
            self._object(client, number, message_id, "came again, though it was received on this connection or acked")
        elif steps_back:
            self._object(client, number, message_id, f"came after id {max(client.highest, connection.last)}")
        accepted = self._messages.get((client.user, number))
        if accepted and accepted.id not in (None, message_id) and not self._forgetting:
            self._object(client, number, message_id, f"was accepted with id {accepted.id}")
        if before is None:
            self._close_gap(client, message_id, lost)
        client.got[number] = message_id
        client.highest = max(client.highest, message_id)
        connection.last = message_id

    def _close_gap(self, client: _Client, message_id: int, lost: int) -> None:
        """What lies between this message and the one before it is no longer missed, if it was said how much it is."""
        accepted = self._in_order[client.user]
        after, before = bisect_right(accepted, (client.highest, math.inf)), bisect_left(accepted, (message_id,))
        if before - after <= lost:
            client.told_lost.update(number for _, number in accepted[after:before])

    def _object(self, client: _Client, number: int, message_id: int, what: str) -> None:
        self.violations.append(f"message {number} (id {message_id}) {what}: {client}")
