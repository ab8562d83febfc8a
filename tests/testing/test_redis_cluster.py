"""A cluster, seen by a client: every slot is served, also after a node was down."""

import asyncio
from pathlib import Path

from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot

from msanic_core.testing import cluster_setup


async def write_to_all(port: int) -> None:
    """Write keys in slots of every region of the range."""
    keys: dict[int, str] = {}
    number = 0
    while len(keys) < 64:
        keys.setdefault(key_slot(str(number).encode()) * 64 // 16_384, str(number))
        number += 1
    async with RedisCluster(host="127.0.0.1", port=port) as client:
        for key in keys.values():
            assert await client.set(key, "value")


def test_a_cluster_takes_keys_in_all_slots_and_does_so_again_after_a_node_was_away(tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster_setup(tmp_path) as setup:
            hosts = setup.url.removeprefix("redis+cluster://").split(",")
            assert hosts == [f"127.0.0.1:{node.port}" for node in setup.nodes]
            assert len(hosts) == 3
            await write_to_all(setup.nodes[0].port)
            sizes = [await node.execute("DBSIZE") for node in setup.nodes]
            assert sum(sizes) == 64
            assert all(sizes)
            await setup.nodes[1].restart(empty=True)
            await setup.ready()
            assert [await node.execute("DBSIZE") for node in setup.nodes] == [sizes[0], 0, sizes[2]]
            await write_to_all(setup.nodes[0].port)
            assert [await node.execute("DBSIZE") for node in setup.nodes] == sizes

    asyncio.run(run())
