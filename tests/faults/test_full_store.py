"""A Redis that takes nothing in: its memory is full, or it cannot write to its disk."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from msanic_core.codes import ReplyCode
from msanic_core.testing import RedisProcess, redis_process
from tests.faults.checker import check
from tests.faults.history import read_history
from tests.faults.outage import SETTINGS, push, until_ready
from tests.faults.plugins import OFFLINE_PLUGINS
from tests.faults.stage import stage

Switch = Callable[[RedisProcess], Awaitable[None]]


async def fill_memory(redis: RedisProcess) -> None:
    await redis.execute("CONFIG", "SET", "maxmemory", "1")


async def free_memory(redis: RedisProcess) -> None:
    await redis.execute("CONFIG", "SET", "maxmemory", "0")


async def lose_disk(redis: RedisProcess) -> None:
    """What is to be saved has nowhere to go, and by default Redis then takes no more writes."""
    await redis.execute("CONFIG", "SET", "save", "3600 1")
    shutil.rmtree(redis.directory)
    await redis.execute("BGSAVE")
    while (await redis.execute("INFO", "persistence"))["rdb_last_bgsave_status"] != "err":
        await asyncio.sleep(0.02)


async def do_without_disk(redis: RedisProcess) -> None:
    await redis.execute("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")


@pytest.mark.parametrize(
    ("spoil", "mend"), [(fill_memory, free_memory), (lose_disk, do_without_disk)], ids=["memory", "disk"]
)
def test_nothing_that_was_accepted_is_lost_and_hooks_come_later(tmp_path: Path, spoil: Switch, mend: Switch) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as redis, stage(tmp_path, {**SETTINGS, "redis.url": redis.url}) as set_up:
            nodes = [await set_up.nodes.start(), await set_up.nodes.start()]
            ada, bob, gone = await set_up.clients(nodes, ["ada", "bob", "gone"])
            await push(ada, "bob", 1)
            await push(ada, "gone", 1)
            await gone.until_received(1)
            await spoil(redis)
            answer = await ada.ask("fault.push", {"user": "bob", "number": 2, "key": "key-2"})
            assert answer["code"] == ReplyCode.TRY_AGAIN
            await gone.close()
            await until_ready(nodes, 503)
            for client in (ada, bob):
                assert (await client.ask("fault.who"))["code"] == ReplyCode.OK
            if spoil is lose_disk:
                # With a full memory a session is lost all the same: that frees some.
                assert [each for each in read_history(set_up.path) if each["event"] == "offline"] == []
            await mend(redis)
            await set_up.until("offline_end", len(OFFLINE_PLUGINS))
            await until_ready(nodes)
            await push(ada, "bob", 2)
            await bob.until_received(2)
            assert bob.received == [1, 2]
            for client in (ada, bob):
                await client.close()
            await set_up.until("offline_end", 3 * len(OFFLINE_PLUGINS))
            assert check(read_history(set_up.path), OFFLINE_PLUGINS) == []

    asyncio.run(run())
