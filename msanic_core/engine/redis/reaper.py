"""Takes over from dead nodes: their sessions, and the offline jobs that they did not finish."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from msanic_core.engine.base import OfflineJob
from msanic_core.engine.redis.lease import Lease
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.sessions import Sessions
from msanic_core.errors import StoreUnavailableError

log = logging.getLogger("msanic_core.redis")

_CHUNK = 200
_PAUSE = 1.0


class Reaper:
    """Claims everything in the list of a condemned owner. Of several nodes that try, one gets each session."""

    def __init__(
        self, names: Names, pipeline: Pipeline, lease: Lease, sessions: Sessions, plugins: Sequence[str],
        adopt: Callable[[OfflineJob], None],
    ) -> None:  # fmt: skip
        self._names = names
        self._pipeline = pipeline
        self._lease = lease
        self._sessions = sessions
        self._plugins = tuple(plugins)
        self._adopt = adopt
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def reap(self, owner: str) -> None:
        """Begin to take over from a condemned owner, unless that is under way."""
        if owner not in self._tasks:
            task = self._tasks[owner] = asyncio.get_running_loop().create_task(self._run(owner))
            task.add_done_callback(lambda _: self._tasks.pop(owner, None))

    async def stop(self) -> None:
        """End; the rest is left to other nodes."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, owner: str) -> None:
        log.warning("node %s is dead: taking over its sessions", owner)
        count = 0
        while True:
            try:
                chunk = await self._sessions.held(owner, _CHUNK)
                if not chunk:
                    await self._pipeline.command("HDEL", self._names.dead, owner)
                    break
                count += await self._take_over(owner, chunk)
            except StoreUnavailableError as error:
                log.warning("cannot go on taking over from node %s yet: %s", owner, error.hint)
                await asyncio.sleep(_PAUSE)
        log.warning("took over %d sessions of node %s", count, owner)

    async def _take_over(self, owner: str, chunk: Sequence[tuple[str, str]]) -> int:
        claims = [self._sessions.claim(owner, user, session_id, self._plugins) for user, session_id in chunk]
        results = await asyncio.gather(*claims, return_exceptions=True)
        unavailable: StoreUnavailableError | None = None
        jobs = 0
        for (user, session_id), result in zip(chunk, results, strict=True):
            if isinstance(result, OfflineJob):
                jobs += 1
                self._adopt(result)
            elif isinstance(result, StoreUnavailableError):
                unavailable = result
            elif result is not None:
                # A session that cannot be read must not hold up the others.
                log.error("session %s of %s cannot be taken over", session_id, user, exc_info=result)
                await self._sessions.skip(owner, user, session_id)
        if unavailable is not None:
            raise unavailable
        return jobs
