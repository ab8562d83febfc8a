"""Histories that are written by hand, for the tests of the checker."""

from itertools import count
from typing import Any

from tests.faults.checker import Violation, check
from tests.faults.history import FIELDS, Event

PLUGINS = ("hangs", "records")
ONE, TWO, TEST = 100, 200, 300
"""Process ids: two servers, and the test with its clients."""
SECOND = 1_000_000_000


class Told:
    """Writes a history by hand; by default each event is a millisecond after the one before it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._connections = count(1)
        self.time = 0

    def add(self, event: str, pid: int = TEST, **fields: Any) -> None:
        assert fields.keys() == FIELDS[event]
        self.time += SECOND // 1000
        self.events.append({"event": event, "time": self.time, "pid": pid, **fields})

    def connect(self, user: str = "ada", client: str = "phone", server: int = ONE) -> tuple[str, str]:
        """A connection that opens; returns its name and that of its session."""
        number = next(self._connections)
        connection, session = f"c{number}", f"s{number}"
        self.add("opening", connection=connection, user=user, client=client)
        self.add("online", server, session=session, user=user, client=client, node=f"node-{server}")
        self.add("open", connection=connection, session=session)
        return connection, session

    def close(self, connection: str, code: int | None = 1000) -> None:
        self.add("close", connection=connection, code=code)

    def begin(self, session: str, plugin: str, server: int = ONE) -> None:
        self.add("offline", server, plugin=plugin, session=session, user="ada", reason="closed", last=True)

    def end(self, session: str, plugin: str, server: int = ONE) -> None:
        self.add("offline_end", server, plugin=plugin, session=session)

    def tell(self, session: str, server: int = ONE, plugins: tuple[str, ...] = PLUGINS) -> None:
        """The whole offline chain of a session."""
        for plugin in plugins:
            self.begin(session, plugin, server)
            self.end(session, plugin, server)

    def push(self, *numbers: int, user: str = "ada", message_id: int | None = None) -> None:
        """Messages are accepted; the id is the number unless it is given."""
        for number in numbers:
            self.add("pushing", ONE, user=user, number=number, key=None)
            self.add("pushed", ONE, user=user, number=number, id=message_id or number)

    def receive(self, connection: str, *numbers: int, message_id: int | None = None, lost: int = 0) -> None:
        for number in numbers:
            self.add("received", connection=connection, number=number, id=message_id or number, lost=lost)

    def check(self, unmarked: float = 0.0) -> list[Violation]:
        return check(self.events, PLUGINS, unmarked)

    def found(self, rule: str) -> str:
        """The text of the one violation there is, after checking its rule."""
        (violation,) = self.check()
        assert violation.rule == rule
        return violation.text
