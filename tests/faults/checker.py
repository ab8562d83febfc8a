"""Reads the whole history of a fault test afterwards and says which of the server's promises were broken.

When it is read the test must have waited for the end: every client that will come back is there and has caught up, and
every offline chain has run.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tests.faults.check_delivery import check_delivery
from tests.faults.check_offline import check_offline
from tests.faults.history import Event


class Violation(NamedTuple):
    """`rule`: "offline", "delivery" or "eviction". `text`: what happened, with names to look for in the history."""

    rule: str
    text: str


def check(events: Sequence[Event], plugins: Collection[str], unmarked: float = 0.0) -> list[Violation]:
    """Every violation in a history; empty when all is well.

    `plugins`: those whose `ws_offline` writes events. `unmarked`: seconds that may have passed between the end of a
    hook and the death of its process without the hook having been marked as done, as it is after its end: with 0 only
    a process that dies within a hook may have it called again.
    """
    found = {
        "offline": check_offline(events, plugins, unmarked),
        "delivery": check_delivery(events),
        "eviction": check_evictions(events),
    }
    return [Violation(rule, text) for rule, texts in found.items() for text in texts]


def check_evictions(events: Sequence[Event]) -> list[str]:
    """Whoever was closed with 4503 has a newer connection of the same user."""
    begun: dict[str, int] = {}
    settled: dict[str, int] = {}
    users: dict[str, str] = {}
    texts = []
    for position, event in enumerate(events):
        name = event.get("connection", "")
        if event["event"] == "opening":
            begun[name] = position
            users[name] = event["user"]
        elif event["event"] == "open":
            settled[name] = position
        elif event["event"] == "close":
            # Newer is every other one that was not there yet when this one began: which of two that opened side by
            # side was first, only the server knows.
            newer = [
                other
                for other, user in users.items()
                if user == users[name] and other != name and settled.get(other, position) > begun[name]
            ]
            if event["code"] == 4503 and not newer:
                texts.append(f"connection {name} of {users[name]} was closed with 4503, and there was no newer one")
            settled.setdefault(name, position)
    return texts
