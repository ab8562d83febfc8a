"""A Redis Cluster of masters without replicas."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.exceptions import RedisError

from msanic_core.testing.ports import HOST
from msanic_core.testing.redis import RedisProcess, redis_process

_SLOTS = 16_384
_TIMEOUT = 60.0
_POLL = 0.05
_CONFIGURATION = [
    "cluster-enabled yes",
    "cluster-node-timeout 1000",
    # Outside the data directory: a node that restarts without data still knows its slots and the other nodes.
    "cluster-config-file ../nodes.conf",
]


class ClusterSetup:
    """A running cluster. `nodes`: the masters, in the order of their slots."""

    def __init__(self, nodes: Sequence[RedisProcess]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        """The URL, with the addresses of all nodes."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    async def ready(self) -> None:
        """Wait until every node knows all others and reports that all slots are served.

        Call it after restarting a killed node. Raises `TimeoutError` after a minute.
        """
        async with asyncio.timeout(_TIMEOUT):
            for node in self.nodes:
                while not await self._complete(node):
                    await asyncio.sleep(_POLL)

    async def _complete(self, node: RedisProcess) -> bool:
        try:
            state = await node.execute("CLUSTER INFO")
        except (RedisError, OSError):
            return False
        return bool(
            state["cluster_state"] == "ok"
            and int(state["cluster_slots_ok"]) == _SLOTS
            and int(state["cluster_known_nodes"]) == len(self.nodes)
        )


@asynccontextmanager
async def cluster_setup(directory: Path, masters: int = 3) -> AsyncIterator[ClusterSetup]:
    """Run a cluster in which every slot is served. All nodes are killed at the end of the block.

    A node counts as failed after a second. Raises `RuntimeError` if a node does not start.
    """
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(redis_process(directory, configuration=_CONFIGURATION))
            for _ in range(masters)
        ]
        for number, node in enumerate(nodes):
            # Two nodes with the same epoch would first have to resolve their conflict.
            await node.execute("CLUSTER SET-CONFIG-EPOCH", number + 1)
            slots = range(_SLOTS * number // masters, _SLOTS * (number + 1) // masters)
            # ADDSLOTSRANGE would be shorter, but needs Redis 7.
            await node.execute("CLUSTER ADDSLOTS", *slots)
            if number:
                await node.execute("CLUSTER MEET", HOST, nodes[0].port)
        setup = ClusterSetup(nodes)
        await setup.ready()
        yield setup
