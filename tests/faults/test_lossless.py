"""Durable pushes while nodes and Redis are killed at random: none lost, none out of order, none seen twice."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from msanic_core.client import Backoff, Client
from msanic_core.errors import ReplyError
from msanic_core.testing import RedisProcess, ServerProcess, redis_process
from tests.faults.checker import Violation, check
from tests.faults.history import History, read_history
from tests.faults.outage import SETTINGS
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.sizes import SEED, report, size
from tests.faults.stage import Stage, stage

MESSAGES = size(2_000, 100_000)
USERS = 8
PUSHERS_PER_USER = 4
KILL_EVERY = size(200, 2_000)
NODES = size(2, 3)
LAST_WAIT = 30.0
UNMARKED = 1.0
"""Seconds within which the end of a hook may have been noted before its process was killed: Redis may be away, too."""
BACKOFF = Backoff(base=0.02, cap=0.2, spread=0.2)


class Progress:
    """How many messages were accepted; whoever waits for a number of them is told."""

    def __init__(self) -> None:
        self.accepted = 0
        self._news = asyncio.Condition()

    async def add(self) -> None:
        async with self._news:
            self.accepted += 1
            self._news.notify_all()

    async def until(self, count: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.accepted >= count)


async def push(client: Client, user: str, numbers: Sequence[int], progress: Progress) -> None:
    """Push messages one by one, each with its own key until it is accepted."""
    for number in numbers:
        message = {"user": user, "number": number, "key": str(number)}
        while True:
            with suppress(ReplyError, TimeoutError):
                await client.call("fault.push", message, timeout=1.0)
                break
            await asyncio.sleep(0.02)
        await progress.add()


async def receive(client: Client, user: str, count: int, history: History) -> None:
    """Take messages as a program does, until all numbers below `count` were there."""
    name = f"library/{user}"
    # To the checker this is one connection that never ends: what the library makes of many.
    history.record("opening", connection=name, user=user, client="library")
    history.record("open", connection=name, session=name)
    missing = set(range(count))
    async for message in client.pushes():
        number = message.data["number"]
        history.record("received", connection=name, number=number, id=message.id, lost=message.lost)
        missing.discard(number)
        if not missing:
            return


class Killer:
    """Kills nodes and Redis by SIGKILL and starts them again, one after the other, each time at its own moment."""

    def __init__(self, set_up: Stage, nodes: list[ServerProcess], redis: RedisProcess, chance: random.Random) -> None:
        self._set_up = set_up
        self._nodes = nodes
        self._redis = redis
        self._chance = chance
        self.kills: Counter[str] = Counter()

    async def run(self, progress: Progress) -> None:
        """Kill until all messages are accepted, each time so many messages later; first one of each kind."""
        ways = [self._kill_redis, self._kill_node]
        next_ways = self._chance.sample(ways, len(ways))
        while True:
            pause = round(KILL_EVERY * self._chance.uniform(0.5, 1.5))
            await progress.until(min(progress.accepted + pause, MESSAGES))
            if progress.accepted == MESSAGES:
                break
            await (next_ways.pop() if next_ways else self._chance.choice(ways))()

    async def _kill_redis(self) -> None:
        self.kills["redis"] += 1
        await self._redis.kill()
        await asyncio.sleep(self._chance.uniform(0.0, 0.3))
        await self._redis.start()

    async def _kill_node(self) -> None:
        self.kills["nodes"] += 1
        index = self._chance.randrange(len(self._nodes))
        node = self._nodes[index]
        await node.kill()
        self._set_up.history.record("killed", target=node.pid)
        self._nodes[index] = await self._set_up.nodes.start(node.port)


async def settle(set_up: Stage) -> list[Violation]:
    """Wait until the sessions of killed nodes were taken over; returns what is wrong even so."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LAST_WAIT
    while (found := check(read_history(set_up.path), OFFLINE_PLUGINS, UNMARKED)) and loop.time() < deadline:
        await asyncio.sleep(0.2)
    return found


async def stay(stack: AsyncExitStack, urls: list[str], user: str, index: int, *, ignore_pushes: bool) -> Client:
    """A client that prefers one node, and takes the others when that is gone."""
    turned = [*urls[index % len(urls) :], *urls[: index % len(urls)]]
    client = Client(turned, user=user, client_id="library", backoff=BACKOFF, ignore_pushes=ignore_pushes)
    return await stack.enter_async_context(client)


def test_no_durable_push_is_lost_turned_round_or_seen_twice(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            redis_process(tmp_path, append_only=True) as redis,
            stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up,
            AsyncExitStack() as stack,
        ):
            nodes = [await set_up.nodes.start() for _ in range(NODES)]
            urls = [node.websocket_url() for node in nodes]
            progress, count = Progress(), MESSAGES // USERS
            receivers, pushers = [], []
            for index in range(USERS):
                user = f"user-{index}"
                receiver = await stay(stack, urls, user, index, ignore_pushes=False)
                receivers.append(receive(receiver, user, count, set_up.history))
                for part in range(PUSHERS_PER_USER):
                    pusher = await stay(stack, urls, f"{user}-pusher-{part}", index + part, ignore_pushes=True)
                    pushers.append(push(pusher, user, range(part, count, PUSHERS_PER_USER), progress))
            killer = Killer(set_up, nodes, redis, random.Random(SEED))
            killing = asyncio.create_task(killer.run(progress))
            receiving = asyncio.gather(*receivers)
            began = time.monotonic()
            await asyncio.gather(*pushers)
            seconds = time.monotonic() - began
            await killing
            # Whoever misses one waits for ever: which one that is the checker says.
            await asyncio.wait({receiving}, timeout=LAST_WAIT)
            assert await settle(set_up) == [], f"seed {SEED}"
            assert receiving.done(), f"seed {SEED}"
            received = sum(event["event"] == "received" for event in read_history(set_up.path))
            report(
                "Pushes under kills", seed=SEED, pushes=MESSAGES, pushes_per_second=round(MESSAGES / seconds),
                kills=dict(killer.kills), received=received,
            )  # fmt: skip

    asyncio.run(run())
