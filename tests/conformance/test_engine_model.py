"""Random walks: after any actions in any order, the engine agrees with a model in dictionaries."""

import asyncio
import itertools
import uuid
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Engine, InboxLimits, SessionPolicy
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push
from tests.support.engine_model import Model
from tests.support.engines import MULTI, SINGLE
from tests.support.nodes import SETTLED, Node
from tests.support.redis_parts import RedisNode

PLUGINS = ["chat", "shop"]
LIMITS = InboxLimits(max_messages=10_000, max_bytes=10_000_000, max_age=3600.0)
BOUNDS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
users = st.sampled_from(["ada", "bob"])
clients = st.sampled_from(["phone", "laptop"])
groups = st.sampled_from(["red", "blue"])
indexes = st.integers(0, 20)


class Machine(RuleBasedStateMachine):
    """Nodes that are driven as a server drives them, one step after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.nodes: dict[str, Node] = {}
        self.numbers = itertools.count(1)

    def engine_of(self, name: str) -> Engine:
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.stop())
        self.runner.close()

    async def stop(self) -> None:
        for name in self.nodes:
            await self.engine_of(name).stop()

    def pick_node(self, index: int) -> str:
        return sorted(self.nodes)[index % len(self.nodes)]

    def pick_session(self, index: int) -> SessionInfo:
        return list(self.model.open.values())[index % len(self.model.open)]

    async def settle(self) -> None:
        """Wait until every node has got all messages so far and has ended the sessions that it was told to end."""
        number = next(self.numbers)
        for node in self.nodes.values():
            node.settled[number] = asyncio.Event()
        await self.engine_of(self.pick_node(0)).broadcast(None, Push(SETTLED, number))
        for node in self.nodes.values():
            await node.settled[number].wait()
            for session_id, reason in node.closed:
                await self.lose(session_id, reason)
            node.closed.clear()

    async def lose(self, session_id: str, reason: OfflineReason) -> None:
        groups_left = self.model.groups_of(session_id)
        session = msgspec.structs.replace(self.model.open[session_id], groups=groups_left)
        self.nodes[session.node].online.pop(session_id, None)
        self.model.lose(session_id, reason, PLUGINS)
        lost = await self.engine_of(session.node).unregister(session, reason, PLUGINS)
        assert lost is not None
        assert lost.groups == groups_left
        if not self.model.orphaned:
            assert lost.last == (not self.model.of_user(session.user))

    @rule(user=users, client=clients, index=indexes, single=st.booleans())
    def connect(self, user: str, client: str, index: int, single: bool) -> None:
        self.run(self._connect(user, client, self.pick_node(index), SINGLE if single else MULTI))

    async def _connect(self, user: str, client: str, name: str, policy: SessionPolicy) -> None:
        number = next(self.numbers)
        session = SessionInfo(f"s{number}", user, name, float(number), "127.0.0.1", client)
        before = self.model.of_user(user)
        node, engine = self.nodes[name], self.engine_of(name)
        node.online[session.id] = session
        if await engine.register(session, policy):
            assert policy.replace or len(before) < policy.limit
            self.model.connect(session)
            await engine.inbox(user, client, None, 1)
        else:
            del node.online[session.id]
            orphaned = sum(job.session.user == user for job in self.model.orphaned.values())
            assert not policy.replace
            assert len(before) + orphaned >= policy.limit
        await self.settle()
        if policy.replace:
            assert self.model.of_user(user) == [session.id]

    @precondition(lambda self: self.model.open)
    @rule(index=indexes)
    def drop(self, index: int) -> None:
        self.run(self.lose(self.pick_session(index).id, OfflineReason.LOST))

    @precondition(lambda self: self.model.open)
    @rule(index=indexes, all_of_them=st.booleans(), by=indexes)
    def kick(self, index: int, all_of_them: bool, by: int) -> None:
        async def kick() -> None:
            session = self.pick_session(index)
            expected = self.model.of_user(session.user) if all_of_them else [session.id]
            engine = self.engine_of(self.pick_node(by))
            count = await engine.kick(session.user, None if all_of_them else session.id)
            assert count == len(expected) or (self.model.orphaned and count > len(expected))
            await self.settle()
            assert not set(expected) & set(self.model.open)

        self.run(kick())

    @precondition(lambda self: self.model.jobs)
    @rule(index=indexes, plugin=st.sampled_from(PLUGINS))
    def tell(self, index: int, plugin: str) -> None:
        async def tell() -> None:
            job = list(self.model.jobs.values())[index % len(self.model.jobs)]
            if plugin in job.plugins:
                engine = self.engine_of(job.node)
                assert await engine.holds(job.session.id)
                await engine.done(job.session, plugin)
                self.model.done(job.session.id, plugin)

        self.run(tell())

    @rule(user=users, by=indexes, durable=st.booleans(), key=st.sampled_from([None, None, "k1", "k2"]))
    def push(self, user: str, by: int, durable: bool, key: str | None) -> None:
        self.run(self._push(user, self.engine_of(self.pick_node(by)), durable, key if durable else None))

    async def _push(self, user: str, engine: Engine, durable: bool, key: str | None) -> None:
        for node in self.nodes.values():
            node.to_users.clear()
        number = next(self.numbers)
        message_id = await engine.push(user, Push("n.n", number), durable, key)
        inbox = self.model.inbox(user)
        repeated = key is not None and key in inbox.keys
        if durable:
            assert message_id is not None
            if repeated:
                assert key is not None
                assert message_id == inbox.keys[key]
            else:
                assert all(message_id > other for other, _ in inbox.messages)
                inbox.messages.append((message_id, number))
                if key is not None:
                    inbox.keys[key] = message_id
        else:
            assert message_id is None
        await self.settle()
        for name, node in self.nodes.items():
            has_user = any(session.user == user and session.node == name for session in self.model.open.values())
            expected = [(user, Push("n.n", number, id=message_id))] if has_user and not repeated else []
            # The only node looks itself whether it has the user.
            assert node.to_users == expected or (not has_user and len(self.nodes) == 1)

    @precondition(lambda self: any(inbox.messages for inbox in self.model.inboxes.values()))
    @rule(user=users, client=clients, index=indexes, by=indexes)
    def acknowledge(self, user: str, client: str, index: int, by: int) -> None:
        async def acknowledge() -> None:
            inbox = self.model.inbox(user)
            if inbox.messages and client in inbox.positions:
                message_id = inbox.messages[index % len(inbox.messages)][0]
                engine = self.engine_of(self.pick_node(by))
                engine.acknowledge(user, client, message_id)
                await engine.inbox(user, client, None, 1)
                inbox.acknowledge(client, message_id)

        self.run(acknowledge())

    @precondition(lambda self: self.model.open)
    @rule(index=indexes, group=groups, leave=st.booleans())
    def join_or_leave(self, index: int, group: str, leave: bool) -> None:
        session = self.pick_session(index)
        engine = self.engine_of(session.node)
        members = self.model.groups.setdefault(group, set())
        if leave:
            members.discard(session.id)
            self.run(engine.leave(session, group))
        else:
            members.add(session.id)
            self.run(engine.join(session, group))

    @invariant()
    def agree(self) -> None:
        self.run(self._agree())

    async def _agree(self) -> None:
        for name in self.nodes:
            engine = self.engine_of(name)
            for user in ("ada", "bob"):
                if not self.model.orphaned:
                    found = await engine.sessions(user)
                    assert [session.id for session in found] == self.model.of_user(user)
                    assert await engine.online(user) == bool(found)
                inbox = self.model.inbox(user)
                for client in inbox.positions:
                    page = await engine.inbox(user, client, None, 10_000)
                    assert [(push.id, push.data) for push in page.messages] == inbox.waiting(client)
                    assert page.lost == 0
            if not self.model.orphaned:
                for group in ("red", "blue"):
                    assert await engine.members(group) == self.model.members(group)


class MemoryMachine(Machine):
    """The one node of a memory engine."""

    @initialize()
    def start(self) -> None:
        self.engine = MemoryEngine(LIMITS)
        self.nodes["a"] = Node()
        self.run(self.engine.start("a", self.nodes["a"], PLUGINS))

    def engine_of(self, name: str) -> Engine:
        return self.engine


class RedisMachine(Machine):
    """Two nodes of a Redis engine, any of which may die.

    However slow the machine is, a walk can be repeated: no time runs out by itself, and a dead node is found when the
    walk says so.
    """

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.options = RedisOptions(self.url, prefix=uuid.uuid4().hex, lease=3600.0, timeout=600.0, patience=600.0)
        self.killed: list[RedisNode] = []

    def engine_of(self, name: str) -> RedisEngine:
        node = self.nodes[name]
        assert isinstance(node, RedisNode)
        return node.engine

    async def add_node(self) -> None:
        name = f"n{next(self.numbers)}"
        node = RedisNode(name, self.options, LIMITS)
        await node.start(PLUGINS)
        self.nodes[name] = node

    @initialize()
    def start(self) -> None:
        self.run(self.add_node())
        self.run(self.add_node())

    @precondition(lambda self: len(self.model.open) + len(self.model.jobs) > 2)
    @rule(index=indexes)
    def kill(self, index: int) -> None:
        async def kill() -> None:
            name = self.pick_node(index)
            node = self.nodes.pop(name)
            assert isinstance(node, RedisNode)
            await node.kill()
            self.killed.append(node)
            self.model.kill(name, PLUGINS)
            await self.add_node()

        self.run(kill())

    @precondition(lambda self: self.killed)
    @rule(index=indexes)
    def reap(self, index: int) -> None:
        self.run(self._reap(self.pick_node(index)))

    async def _reap(self, name: str) -> None:
        """Let a node take over from all dead ones: each session once, with exactly the plugins that are left."""
        lease, reaper = self.engine_of(name)._lease, self.engine_of(name)._reaper
        for dead in self.killed:
            # The state that a node leaves which has condemned another one and died.
            assert await lease._condemn(dead.engine._lease.owner, dead.engine._lease._given, "another")
        self.killed.clear()
        await lease.beat()
        while reaper._tasks:
            await asyncio.wait(reaper._tasks.values())
        # Redis gives them out in any order.
        for adopted in sorted(self.nodes[name].adopted, key=lambda job: int(job.session.id[1:])):
            job = self.model.adopt(adopted.session.id, name)
            assert set(adopted.plugins) == job.plugins
            assert adopted.reason is job.reason
            job.session = adopted.session
        self.nodes[name].adopted.clear()
        assert not self.model.orphaned
        for other in self.nodes:
            # After this beat it knows of no dead node any more.
            await self.engine_of(other)._lease.beat()
            assert not self.nodes[other].adopted

    async def stop(self) -> None:
        if self.killed:
            await self._reap(self.pick_node(0))
        assert all(count == 1 for count in self.model.told.values())
        await super().stop()
        assert all(node.fenced == 0 for node in self.nodes.values())


def test_memory() -> None:
    run_state_machine_as_test(MemoryMachine, settings=BOUNDS)


def test_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisMachine, "url", redis_url, raising=False)
    # Shrinking a walk that fails takes longer than a test may.
    run_state_machine_as_test(RedisMachine, settings=settings(BOUNDS, phases=[Phase.generate]))
