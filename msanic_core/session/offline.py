"""What happens when a session is lost: out of the registry, socket closed, job in the engine, every plugin told."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec

from msanic_core.codes import OfflineReason
from msanic_core.engine.base import Engine, SessionInfo
from msanic_core.session.registry import Registry
from msanic_core.session.replay import confirm_written
from msanic_core.session.session import Session

log = logging.getLogger("msanic_core.offline")


class OfflineHook(NamedTuple):
    """One plugin's `ws_offline`, ready to be called."""

    plugin: str
    call: Callable[[SessionInfo, OfflineReason], Awaitable[None]]


class OfflineLimits(msgspec.Struct, frozen=True):
    """Seconds after which a hook no longer holds up the next one, and after which it is cancelled."""

    yield_after: float
    cancel_after: float


class OfflineChain:
    """Runs the `ws_offline` hooks of all plugins, once for each lost session.

    The tasks belong to this object, not to the connection: a closing socket cannot cancel them. Chains of different
    sessions run side by side; within one, hooks start in pluggy's order, each isolated from the others.
    """

    def __init__(self, registry: Registry, engine: Engine, hooks: Sequence[OfflineHook], limits: OfflineLimits) -> None:
        self._registry = registry
        self._engine = engine
        self._hooks = hooks
        self._limits = limits
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def plugins(self) -> list[str]:
        """The plugins that have to be told, in the order of their hooks."""
        return [hook.plugin for hook in self._hooks]

    def lose(self, session: Session, reason: OfflineReason, code: int | None = None, text: str = "") -> bool:
        """See `Offline.lose`. True for the one call that ended the session."""
        if not self._registry.remove(session):
            return False
        if reason is OfflineReason.CLOSED:
            # Only a connection that ends in order shows that what was written has also arrived.
            session.outbox.flush()
            confirm_written(session, self._engine)
        session.close(reason, code, text)
        log.info("session %s of %s lost: %s", session.info.id, session.info.user, reason)
        self._track(self._run(session, reason))
        return True

    async def drain(self, deadline: float, grace: float = 1.0) -> int:
        """Wait for all chains until the loop's clock shows `deadline`; returns how many hooks had to be cancelled.

        `grace`: seconds that those which are cancelled may take to end.
        """
        loop = asyncio.get_running_loop()
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time())
        late = list(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=grace)
        return len(late)

    async def _run(self, session: Session, reason: OfflineReason) -> None:
        info = msgspec.structs.replace(session.info, groups=tuple(sorted(session.groups)))
        try:
            taken = await self._engine.lost(info, reason, self.plugins)
        except Exception:
            log.exception("session %s cannot be taken out of the engine; the plugins are told all the same", info.id)
            taken = msgspec.structs.replace(info, closed_at=time.time())
        if taken is None:
            return
        info = taken
        if session.online is not None:
            await asyncio.wait({session.online}, timeout=self._limits.yield_after)
        for hook in self._hooks:
            task = self._track(self._call(hook, info, reason))
            done, _ = await asyncio.wait({task}, timeout=self._limits.yield_after)
            if not done:
                log.warning(
                    "plugin %s: ws_offline for session %s takes over %g s; the next plugin goes on without it",
                    hook.plugin,
                    info.id,
                    self._limits.yield_after,
                )

    async def _call(self, hook: OfflineHook, info: SessionInfo, reason: OfflineReason) -> None:
        limit = asyncio.timeout(self._limits.cancel_after)
        try:
            async with limit:
                await hook.call(info, reason)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                seconds = self._limits.cancel_after
                log.error("plugin %s: ws_offline for session %s cancelled after %g s", hook.plugin, info.id, seconds)
            else:
                log.exception("plugin %s: ws_offline for session %s raised", hook.plugin, info.id)
        try:
            await self._engine.done(info, hook.plugin)
        except Exception:
            log.exception("plugin %s: ws_offline for session %s is not marked as done", hook.plugin, info.id)

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
