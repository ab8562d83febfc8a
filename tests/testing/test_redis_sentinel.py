"""A failover, seen by a client."""

import asyncio
from pathlib import Path

from redis.asyncio.sentinel import Sentinel

from msanic_core.testing import sentinel_setup


def test_a_killed_master_is_replaced_by_one_that_takes_writes(tmp_path: Path) -> None:
    async def run() -> None:
        async with sentinel_setup(tmp_path) as setup:
            hosts, service, database = setup.url.removeprefix("redis+sentinel://").split("/")
            addresses = [(host, int(port)) for host, port in (each.split(":") for each in hosts.split(","))]
            assert len(addresses) == 3
            assert database == "0"
            first = setup.master
            await first.execute("SET", "key", "value")
            # Replication is asynchronous, but this test is about the failover.
            assert await first.execute("WAIT", 1, 1000) == 1
            await setup.kill_master()
            second = await setup.new_master()
            assert second is setup.master is not first
            assert await second.execute("SET", "key", "another") is True
            sentinel = Sentinel(addresses)  # type: ignore[no-untyped-call]
            assert await sentinel.discover_master(service) == ("127.0.0.1", second.port)
            for client in sentinel.sentinels:
                await client.aclose()

    asyncio.run(run())
