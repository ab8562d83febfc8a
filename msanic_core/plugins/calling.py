"""Calls plugins' hooks and awaits their results, which pluggy cannot do. Plugins are isolated from each other."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from msanic_core.codes import OfflineReason
from msanic_core.context import Server
from msanic_core.errors import PluginError
from msanic_core.identity import SessionInfo
from msanic_core.plugins.plugin import Implementation, PluginSet
from msanic_core.session.offline import OfflineHook

log = logging.getLogger("msanic_core.hooks")


async def call(implementation: Implementation, **arguments: Any) -> Any:
    """Call one plugin's hook, and await its result if that is awaitable. Raises what the hook raises."""
    result = implementation.call(**arguments)
    return await result if inspect.isawaitable(result) else result


def caller(plugins: PluginSet) -> Callable[[str, Mapping[str, Any]], Coroutine[Any, Any, Any]]:
    """Make the function behind `Server.call_hook`."""

    async def call_hook(name: str, arguments: Mapping[str, Any]) -> Any:
        first = name in plugins.first_result
        results = []
        for implementation in plugins.implementations(name):
            try:
                result = await call(implementation, **arguments)
            except Exception:
                log.exception("plugin %s: %s raised", implementation.plugin.name, name)
                continue
            if result is not None:
                if first:
                    return result
                results.append(result)
        return None if first else results

    return call_hook


def offline_hooks(plugins: PluginSet, server: Server) -> list[OfflineHook]:
    """Return every plugin's `ws_offline`, in the order in which they are called."""

    def bind(implementation: Implementation) -> OfflineHook:
        async def run(session: SessionInfo, reason: OfflineReason) -> None:
            await call(implementation, session=session, reason=reason, server=server)

        return OfflineHook(implementation.plugin.name, run)

    return [bind(implementation) for implementation in plugins.implementations("ws_offline")]


def announcer(
    plugins: PluginSet, server: Server, cancel_after: float
) -> Callable[[SessionInfo], Coroutine[Any, Any, None]]:
    """Make the function that calls every plugin's `ws_online` for a new session.

    An exception of a plugin is logged. A hook is cancelled after `cancel_after` seconds.
    """
    implementations = plugins.implementations("ws_online")

    async def announce(session: SessionInfo) -> None:
        for implementation in implementations:
            try:
                async with asyncio.timeout(cancel_after):
                    await call(implementation, session=session, server=server)
            except TimeoutError:
                name = implementation.plugin.name
                log.error("plugin %s: ws_online for session %s cancelled after %g s", name, session.id, cancel_after)
            except Exception:
                log.exception("plugin %s: ws_online for session %s raised", implementation.plugin.name, session.id)

    return announce


async def start_plugins(plugins: PluginSet, server: Server) -> None:
    """Call `server_start` of every plugin; the result becomes the plugin's state.

    Raises `PluginError` at the first exception.
    """
    for implementation in plugins.implementations("server_start"):
        name = implementation.plugin.name
        try:
            implementation.plugin.state = await call(implementation, server=server)
        except Exception as error:
            log.debug("plugin %s: server_start", name, exc_info=True)
            raise PluginError(f"plugin {name}: server_start raised {type(error).__name__}: {error}", (name,)) from error


async def stop_plugins(plugins: PluginSet, server: Server, deadline: float) -> None:
    """Call `server_stop` of every plugin in reverse start order, plugins without a `server_start` first.

    An exception is logged. When the loop's clock shows `deadline`, the remaining hooks are cancelled.
    """
    started = {each.plugin.name: place for place, each in enumerate(plugins.implementations("server_start"))}
    stopping = list(reversed(plugins.implementations("server_stop")))
    stopping.sort(key=lambda each: started.get(each.plugin.name, len(started)), reverse=True)
    for implementation in stopping:
        name = implementation.plugin.name
        try:
            async with asyncio.timeout_at(deadline):
                await call(implementation, server=server)
        except TimeoutError:
            log.error("plugin %s: server_stop cancelled, the time to stop is up", name)
        except Exception:
            log.exception("plugin %s: server_stop raised", name)
