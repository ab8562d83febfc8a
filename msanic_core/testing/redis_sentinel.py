"""A Redis master with a replica, and three Sentinels that promote the replica when the master fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.exceptions import RedisError

from msanic_core.testing.ports import HOST
from msanic_core.testing.redis import RedisProcess, redis_process, started

SERVICE = "msanic"
_SENTINELS = 3
_QUORUM = 2
_TIMEOUT = 60.0
_POLL = 0.05


class SentinelSetup:
    """Running servers. `master`: the master at the start, or after the last `new_master`. `replica`: the other one."""

    def __init__(self, master: RedisProcess, replica: RedisProcess, sentinels: Sequence[RedisProcess]) -> None:
        self.master = master
        self.replica = replica
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """The URL, with the addresses of the Sentinels, the name of the service, and database 0."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    async def kill_master(self) -> None:
        """Kill the master (SIGKILL). The Sentinels notice it after about a second."""
        await self.master.kill()

    async def new_master(self) -> RedisProcess:
        """Wait until every Sentinel names the replica as the master and it accepts writes. It is then `master`.

        Raises `TimeoutError` after a minute.
        """
        async with asyncio.timeout(_TIMEOUT):
            while not (await self._all_name(self.replica) and await _takes_writes(self.replica)):
                await asyncio.sleep(_POLL)
        self.master, self.replica = self.replica, self.master
        return self.master

    async def ready(self) -> None:
        """Wait until the Sentinels can do a failover: each must know the replica and the other Sentinels.

        Raises `TimeoutError` after a minute.
        """
        async with asyncio.timeout(_TIMEOUT):
            for sentinel in self.sentinels:
                while not await _knows_all(sentinel):
                    await asyncio.sleep(_POLL)

    async def _all_name(self, process: RedisProcess) -> bool:
        for sentinel in self.sentinels:
            address = await sentinel.execute("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
            if address != (HOST, process.port):
                return False
        return True


@asynccontextmanager
async def sentinel_setup(directory: Path) -> AsyncIterator[SentinelSetup]:
    """Run a master, a replica and three Sentinels, ready for a failover. All are killed at the end of the block.

    Raises `RuntimeError` if one does not start.
    """
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(redis_process(directory))
        follow = [f"replicaof {HOST} {master.port}"]
        replica = await stack.enter_async_context(redis_process(directory, configuration=follow))
        async with asyncio.timeout(_TIMEOUT), replica.client() as client:
            # If a Sentinel finds no replica at its start, it looks again only after ten seconds.
            while (await client.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(_POLL)
        watch = [
            f"sentinel monitor {SERVICE} {HOST} {master.port} {_QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        sentinels = [
            await stack.enter_async_context(started(directory, watch, mode=["--sentinel"])) for _ in range(_SENTINELS)
        ]
        setup = SentinelSetup(master, replica, sentinels)
        await setup.ready()
        yield setup


async def _knows_all(sentinel: RedisProcess) -> bool:
    state = await sentinel.execute("SENTINEL MASTER", SERVICE)
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == _SENTINELS - 1)


async def _takes_writes(process: RedisProcess) -> bool:
    """Whether the process accepts a write, which a replica refuses. The write changes nothing."""
    try:
        await process.execute("DEL", "msanic-testing-nothing")
    except (RedisError, OSError):
        return False
    return True
