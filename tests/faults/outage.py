"""What the tests of Redis that fails have in common: short times, whether a node is ready, pushes that are retried."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpx

from msanic_core.codes import ReplyCode
from msanic_core.testing import ServerProcess
from tests.faults.client import FaultClient
from tests.faults.sizes import size

LEASE = size(1.0, 10.0)
TIMEOUT = LEASE / 5
PATIENCE = LEASE / 2

SETTINGS = {
    "redis.lease": LEASE, "redis.timeout": TIMEOUT, "redis.patience": PATIENCE,
    "offline.yield_after": 0.1, "offline.cancel_after": 0.3,
    "ws.max_connections_per_address": 10_000, "ws.rate": 0,
    "inbox.max_messages": 1_000_000, "inbox.max_bytes": 1_000_000_000,
}  # fmt: skip
"""Times are short in a normal run, and the defaults in the size of the goals; no test is to run into other limits."""

_POLL = 0.02


async def readiness(node: ServerProcess) -> tuple[int, dict[str, Any]]:
    """The status of /readyz, and what it says of the engine."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{node.url}/readyz")
    return answer.status_code, answer.json()["engine"]


async def until_ready(nodes: Iterable[ServerProcess], status: int = 200) -> float:
    """Wait until /readyz of each has this status; returns after how many seconds the last one had it."""
    began = time.monotonic()
    for node in nodes:
        while (await readiness(node))[0] != status:
            await asyncio.sleep(_POLL)
    return time.monotonic() - began


async def push(client: FaultClient, user: str, number: int) -> int:
    """Have the client's node push to a user, again with the same key for as long as it says so; returns the id."""
    while True:
        answer = await client.ask("fault.push", {"user": user, "number": number, "key": f"key-{number}"})
        if answer["code"] == ReplyCode.OK:
            message_id: int = answer["data"]["id"]
            return message_id
        assert answer["code"] == ReplyCode.TRY_AGAIN
        await asyncio.sleep(_POLL)
