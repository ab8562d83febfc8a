import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import InboxLimits, OfflineJob, SessionPolicy
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push

CLIENTS = ("", "phone", "laptop")


class Nowhere:
    """A node without sessions that notes what would be sent to a user."""

    def __init__(self) -> None:
        self.pushes: list[tuple[str, Any]] = []

    def to_user(self, user: str, push: Push) -> int:
        self.pushes.append((user, push.data))
        return 0

    def to_group(self, group: str | None, push: Push) -> int:
        return 0

    def close(self, session_id: str, reason: OfflineReason) -> bool:
        return True

    def sessions(self) -> list[SessionInfo]:
        return []

    def catch_up(self, session_id: str, last_id: int) -> None: ...

    def adopt(self, job: OfflineJob) -> None: ...

    async def change_group(self, session_id: str, group: str, member: bool) -> bool:
        return False

    def drop_sessions(self) -> None: ...


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits, as those of the memory engine."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def new_engine(**limits: Any) -> tuple[MemoryEngine, list[float]]:
    now = [1000.0]
    bounds = {"max_messages": 6, "max_bytes": 400, "max_age": 60.0, **limits}
    engine = MemoryEngine(InboxLimits(**bounds), lambda: now[0])
    at_once(engine.start("node", Nowhere(), []))
    return engine, now


def info(session_id: str, user: str, client: str = "") -> SessionInfo:
    return SessionInfo(session_id, user, "node", 0.0, "127.0.0.1", client)


class InboxMachine(RuleBasedStateMachine):
    """Devices of one user come and go, read and acknowledge, while messages come. The model: every message so far."""

    def __init__(self) -> None:
        super().__init__()
        self.engine, self.now = new_engine()
        self.ids: list[int] = []
        self.texts: dict[int, str] = {}
        self.stored_at: dict[int, float] = {}
        self.known: dict[str, int] = {}
        self.online: dict[str, SessionInfo] = {}
        self.sessions = 0
        self.used_at = self.now[0]

    def read(self, client: str, after: int | None = None, limit: int = 1000) -> tuple[list[int], int]:
        page = at_once(self.engine.inbox("ada", client, after, limit))
        for message in page.messages:
            assert message.data == self.texts[message.id]
        return [message.id for message in page.messages], page.lost

    def above(self, message_id: int) -> list[int]:
        return [each for each in self.ids if each > message_id]

    @rule(text=st.text(max_size=150))
    def push(self, text: str) -> None:
        message_id = at_once(self.engine.push("ada", Push("n.n", text), True))
        assert not self.ids or message_id > self.ids[-1]
        self.ids.append(message_id)
        self.texts[message_id] = text
        self.stored_at[message_id] = self.used_at = self.now[0]

    @rule(user=st.sampled_from(["bob", "eve"]))
    def push_to_another(self, user: str) -> None:
        at_once(self.engine.push(user, Push("n.n", "not for ada"), True))

    @rule(client=st.sampled_from(CLIENTS))
    def connect(self, client: str) -> None:
        if client not in self.online:
            self.sessions += 1
            session = self.online[client] = info(f"s{self.sessions}", "ada", client)
            assert at_once(self.engine.register(session, SessionPolicy(len(CLIENTS))))
            self.look(client)

    @precondition(lambda self: self.online)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(sorted(self.online)))
        lost = at_once(self.engine.unregister(self.online.pop(client), OfflineReason.LOST, []))
        assert lost.last is not bool(self.online)
        if lost.last:
            self.used_at = self.now[0]
        if lost.last and self.known and self.known.keys() <= {""} and not self.above(self.known[""]):
            # Without a name it is whoever comes next.
            del self.known[""]

    @precondition(lambda self: self.online)
    @rule(data=st.data())
    def look_again(self, data: st.DataObject) -> None:
        self.look(data.draw(st.sampled_from(sorted(self.online))))

    def look(self, client: str) -> None:
        """A client gets everything above its position, but for what it is told is lost."""
        ids, lost = self.read(client)
        if client not in self.known:
            had = len(self.ids) - len(ids) - lost
            self.known[client] = self.ids[had - 1] if had else 0
        else:
            due = self.above(self.known[client])
            assert ids == due[lost:]
            within = sum(self.size(each) for each in due) <= 400 and len(due) <= 6
            if within and all(self.now[0] - self.stored_at[each] <= 60.0 for each in due):
                assert lost == 0
        self.used_at = self.now[0]
        limited, lost_again = self.read(client, limit=2)
        assert (limited, lost_again) == (ids[:2], lost)
        if ids:
            assert self.read(client, after=ids[0]) == (ids[1:], 0)

    @precondition(lambda self: self.online and self.ids)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(sorted(self.online)))
        message_id = data.draw(st.sampled_from(self.ids))
        self.engine.acknowledge("ada", client, message_id)
        self.known[client] = max(self.known.get(client, 0), message_id)

    @rule(seconds=st.sampled_from([1.0, 25.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now[0] += seconds
        if not self.online and self.now[0] - self.used_at > 60.0:
            # Nobody came for as long as a message is kept: clients may be forgotten, with what they have missed.
            self.known.clear()

    def size(self, message_id: int) -> int:
        return len(self.texts[message_id].encode()) + 24

    @invariant()
    def is_bounded(self) -> None:
        inbox = self.engine._inboxes.get("ada")
        if inbox is not None:
            assert len(inbox._entries) <= 6
            assert inbox._bytes == sum(len(entry.packed) for entry in inbox._entries) <= 400


InboxMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestInboxMachine = InboxMachine.TestCase


def test_delivery_is_there_once_started() -> None:
    engine = MemoryEngine(InboxLimits(1, 1, 1.0))
    with pytest.raises(RuntimeError, match="not started"):
        _ = engine.delivery
    node = Nowhere()
    asyncio.run(engine.start("node", node, []))
    assert engine.delivery is node
    asyncio.run(engine.stop())
    with pytest.raises(RuntimeError, match="not started"):
        _ = engine.delivery


def test_each_process_has_an_epoch_of_its_own() -> None:
    epochs = {at_once(new_engine()[0].inbox("ada", "", None, 1)).epoch for _ in range(3)}
    assert len(epochs) == 3


def test_it_says_that_nothing_survives() -> None:
    assert "nothing" in new_engine()[0].describe()["survives"]


def test_guests_that_come_and_go_leave_nothing_behind() -> None:
    engine, _ = new_engine()
    for number in range(50):
        session = info(f"s{number}", f"guest-{number}")
        at_once(engine.register(session, SessionPolicy(1, replace=True)))
        at_once(engine.join(session, "lobby"))
        at_once(engine.inbox(session.user, "", None, 100))
        message_id = at_once(engine.push(session.user, Push("a.b"), True))
        engine.acknowledge(session.user, "", message_id)
        gone = msgspec.structs.replace(session, groups=("lobby",))
        at_once(engine.unregister(gone, OfflineReason.CLOSED, []))
    assert not engine._sessions
    assert not engine._groups
    assert not engine._inboxes


def test_what_waits_for_users_who_never_come_is_dropped_with_age() -> None:
    engine, now = new_engine()
    for number in range(500):
        at_once(engine.push(f"user-{number}", Push("a.b"), True))
        at_once(engine.inbox(f"user-{number}", "phone", None, 100))
        now[0] += 1
    assert len(engine._inboxes) < 200, "a message is kept for 60 s, and what was missed is remembered for 60 s more"
    assert at_once(engine.inbox("user-499", "phone", None, 100)).messages


def test_a_message_with_a_known_key_is_neither_stored_nor_sent_again() -> None:
    engine, _ = new_engine()
    node = Nowhere()
    at_once(engine.start("node", node, []))

    def push(user: str, data: int, key: str | None) -> Any:
        return at_once(engine.push(user, Push("a.b", data), True, key))

    assert [push("ada", 1, "one"), push("ada", 2, "two"), push("ada", 3, "one"), push("ada", 4, None)] == [1, 2, 1, 3]
    assert push("bob", 5, "one") == 1, "keys are the user's"
    assert node.pushes == [("ada", 1), ("ada", 2), ("ada", 4), ("bob", 5)]
    assert [message.data for message in at_once(engine.inbox("ada", "", None, 10)).messages] == [1, 2, 4]


def test_a_key_is_known_when_its_message_has_arrived_and_the_user_is_gone() -> None:
    engine, now = new_engine()
    session = info("s1", "ada")
    at_once(engine.register(session, SessionPolicy(1)))
    assert at_once(engine.push("ada", Push("a.b"), True, "one")) == 1
    engine.acknowledge("ada", "", 1)
    at_once(engine.unregister(session, OfflineReason.CLOSED, []))
    assert at_once(engine.push("ada", Push("a.b"), True, "one")) == 1
    assert not at_once(engine.inbox("ada", "", None, 10)).messages
    now[0] += 61
    assert at_once(engine.push("bob", Push("a.b"), True)) == 2, "it is forgotten with age"
    assert at_once(engine.push("ada", Push("a.b"), True, "one")) == 2


def test_a_page_says_how_far_the_inbox_goes() -> None:
    engine, _ = new_engine()
    ends = [at_once(engine.inbox("ada", "", None, 1)).last_id]
    for _ in range(3):
        at_once(engine.push("ada", Push("a.b"), True))
        ends.append(at_once(engine.inbox("ada", "", None, 1)).last_id)
    engine.acknowledge("ada", "", 3)
    ends.append(at_once(engine.inbox("ada", "", None, 1)).last_id)
    assert ends == [0, 1, 2, 3, 3]
