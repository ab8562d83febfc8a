"""What happens when a session is lost: registry, socket, engine, then `ws_offline` of every plugin."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, NamedTuple

import msgspec

from msanic_core.codes import CloseCode, OfflineReason
from msanic_core.engine.base import Engine, OfflineJob
from msanic_core.identity import SessionInfo
from msanic_core.session.registry import Registry
from msanic_core.session.replay import confirm_written
from msanic_core.session.session import Session
from msanic_core.session.state import SessionState

log = logging.getLogger("msanic_core.offline")

_ADOPTED_PER_TURN = 20
"""Jobs of a dead node that are started in one turn of the event loop: there may be thousands."""


class OfflineHook(NamedTuple):
    """One plugin's `ws_offline`, ready to be called."""

    plugin: str
    call: Callable[[SessionInfo, OfflineReason], Awaitable[None]]


class OfflineLimits(msgspec.Struct, frozen=True):
    """Limits for one plugin's hook, in seconds."""

    yield_after: float
    """The next plugin's hook is then started although this one still runs."""
    cancel_after: float
    """The hook is then cancelled."""


class OfflineChain:
    """Runs the `ws_offline` hooks of all plugins once for each lost session, unless another node has taken it over.

    The tasks belong to this object and not to the connection, so a closing socket cannot cancel them. Chains of
    different sessions run concurrently. Within a chain hooks start in the order of the plugins; an error in one does
    not affect the next.
    """

    def __init__(self, registry: Registry, engine: Engine, hooks: Sequence[OfflineHook], limits: OfflineLimits) -> None:
        self._registry = registry
        self._engine = engine
        self._hooks = hooks
        self._limits = limits
        self._tasks: set[asyncio.Task[Any]] = set()
        self._adopted: deque[OfflineJob] = deque()
        self._context = copy_context()
        self.leaving = 0
        """Sessions that are being unregistered from the engine now. It grows while the store is unavailable."""

    @property
    def plugins(self) -> list[str]:
        """The names of the plugins with a `ws_offline`, in the order of their hooks."""
        return [hook.plugin for hook in self._hooks]

    def lose(self, session: Session, reason: OfflineReason, code: int | None = None, text: str = "") -> bool:
        """See `Offline.lose`. Returns True for the call that ended the session, False for every later one."""
        if not self._registry.remove(session):
            return False
        if reason is OfflineReason.CLOSED:
            # Only a clean close shows that the client has received everything that was written.
            session.outbox.flush()
            confirm_written(session, self._engine)
        session.close(reason, code, text)
        log.info("session %s of %s lost: %s", session.info.id, session.info.user, reason)
        self._track(self._run(session, reason))
        return True

    def give_up(self, session: Session) -> None:
        """End a session whose registration failed, so that the engine may or may not have it. No hook is called."""
        if self._registry.remove(session):
            session.close(OfflineReason.SHUTDOWN, CloseCode.TRY_LATER)
        self._track(self._undo_registration(session.info))

    def drop_sessions(self) -> None:
        """See `Delivery.drop_sessions`.

        For a session that is still opening we do not know yet which node owns it; `Engine.unregister` tells us later.
        """
        sessions = self._registry.all()
        log.warning(
            "other nodes consider this one dead: closing its %d sessions; those nodes call ws_offline", len(sessions)
        )
        for session in sessions:
            if session.state is SessionState.OPENING:
                self.lose(session, OfflineReason.SHUTDOWN)
            elif self._registry.remove(session):
                session.close(OfflineReason.SHUTDOWN)

    def adopt(self, job: OfflineJob) -> None:
        """See `Delivery.adopt`. The hooks run in this node's order."""
        if not self._adopted:
            self._track(self._start_adopted())
        self._adopted.append(job)

    async def drain(self, deadline: float, grace: float = 1.0) -> int:
        """Wait for all chains until the loop's clock shows `deadline`, then cancel the rest; returns how many.

        `grace`: seconds that cancelled chains and hooks get to end.
        """
        loop = asyncio.get_running_loop()
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time())
        late = list(self._tasks)
        if self.leaving:
            log.warning(
                "the engine's store was not told in time that %d sessions are lost: another node or the next start "
                "runs their ws_offline",
                self.leaving,
            )
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=grace)
        return len(late)

    async def _run(self, session: Session, reason: OfflineReason) -> None:
        if session.opened is not None:
            await asyncio.wait({session.opened})
        if not session.registered:
            return
        info = await self._unregister_lost(session, reason)
        if info is None:
            log.warning("session %s was taken over by another node, which tells the plugins", session.info.id)
            return
        if session.online is not None:
            await asyncio.wait({session.online}, timeout=self._limits.yield_after)
        await self._run_hooks(self._hooks, info, reason)

    async def _unregister_lost(self, session: Session, reason: OfflineReason) -> SessionInfo | None:
        info = msgspec.structs.replace(session.info, groups=tuple(sorted(session.groups)))
        try:
            return await self._unregister(info, reason, self.plugins)
        except Exception:
            log.exception("session %s cannot be taken out of the engine; the plugins are told all the same", info.id)
            return msgspec.structs.replace(info, closed_at=time.time())

    async def _undo_registration(self, info: SessionInfo) -> None:
        try:
            await self._unregister(info, OfflineReason.SHUTDOWN, ())
        except Exception:
            log.exception("session %s cannot be taken out of the engine", info.id)

    async def _unregister(self, info: SessionInfo, reason: OfflineReason, plugins: Sequence[str]) -> SessionInfo | None:
        self.leaving += 1
        try:
            return await self._engine.unregister(info, reason, plugins)
        finally:
            self.leaving -= 1

    async def _start_adopted(self) -> None:
        while self._adopted:
            for _ in range(min(len(self._adopted), _ADOPTED_PER_TURN)):
                job = self._adopted.popleft()
                hooks = [hook for hook in self._hooks if hook.plugin in job.plugins]
                missing = [
                    OfflineHook(plugin, _missing_hook(plugin)) for plugin in job.plugins if plugin not in self.plugins
                ]
                self._track(self._run_hooks([*hooks, *missing], job.session, job.reason))
            await asyncio.sleep(0)

    async def _run_hooks(self, hooks: Sequence[OfflineHook], info: SessionInfo, reason: OfflineReason) -> None:
        loop = asyncio.get_running_loop()
        for hook in hooks:
            if not await self._engine.holds(info.id):
                log.warning(
                    "session %s was taken over by another node: from plugin %s on, that one tells the plugins",
                    info.id,
                    hook.plugin,
                )
                return
            returned = loop.create_future()
            task = self._track(self._call(hook, info, reason, returned))
            await asyncio.wait({task}, timeout=self._limits.yield_after)
            # After the hook the task marks it as done in the store: that wait is not the plugin's fault.
            if not returned.done():
                log.warning(
                    "plugin %s: ws_offline for session %s takes over %g s; the next plugin goes on without it",
                    hook.plugin,
                    info.id,
                    self._limits.yield_after,
                )

    async def _call(
        self, hook: OfflineHook, info: SessionInfo, reason: OfflineReason, returned: asyncio.Future[None]
    ) -> None:
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
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception("plugin %s: ws_offline for session %s raised", hook.plugin, info.id)
        finally:
            returned.set_result(None)
        try:
            await self._engine.done(info, hook.plugin)
        except Exception:
            log.exception("plugin %s: ws_offline for session %s is not marked as done", hook.plugin, info.id)

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # Use the server's contextvars, where the database is set. The caller may run in any other context, such as a
        # request's.
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _missing_hook(plugin: str) -> Callable[[SessionInfo, OfflineReason], Awaitable[None]]:
    async def call(session: SessionInfo, _: OfflineReason) -> None:
        log.warning("plugin %s: ws_offline for session %s is left out, the plugin is not here", plugin, session.id)

    return call
