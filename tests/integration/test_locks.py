"""A handler that loses a lock, on a real server: its task is one of the server's own kind."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis

from msanic_core import Context, LockLostError, ReplyCode, command, hookimpl
from msanic_core.testing import redis_process, serving

BOUND = 20.0
"""Seconds that anything may take which is expected to happen."""


class Ledger:
    """A plugin whose command holds a lock until it loses it, or for a moment."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.history: list[str] = []

    def plugin(self) -> SimpleNamespace:
        @command("ledger.keep")
        async def keep(ctx: Context) -> None:
            try:
                async with ctx.lock("ledger"):
                    self.held.set()
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        self.history.append("cancelled")
                        raise
            except LockLostError:
                await asyncio.sleep(0)
                self.history.append("lost")
                raise

        @command("ledger.write")
        async def write(ctx: Context) -> str:
            async with ctx.lock("ledger", wait=0) as lock:
                return lock.name

        return SimpleNamespace(ws_command=hookimpl(lambda: [keep, write]))


def test_a_handler_whose_lock_is_lost_is_cancelled_and_the_session_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        ledger = Ledger()
        async with redis_process(tmp_path) as redis, Redis.from_url(redis.url) as store:
            settings: dict[str, Any] = {"redis": {"url": redis.url, "lease": 1.0, "timeout": 0.9}}
            async with serving({"ledger": ledger.plugin()}, settings) as server, asyncio.timeout(BOUND):
                client = await server.connect("ada")
                await client.send(json.dumps({"cmd": "ledger.keep"}))
                await ledger.held.wait()
                await store.delete("msanic:{lock:ledger}")
                assert json.loads(await client.recv())["code"] == ReplyCode.FAILED
                assert ledger.history == ["cancelled", "lost"]
                await client.send(json.dumps({"cmd": "ledger.write"}))
                assert json.loads(await client.recv())["data"] == "ledger"
                await client.close()

    asyncio.run(run())
