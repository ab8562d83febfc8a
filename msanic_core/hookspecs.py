"""Every hook a plugin can implement.

An implementation is a function with the hook's name and the mark `@hookimpl`. It takes any of the hook's arguments, by
name, and none it does not need. Unless a hook says otherwise the function is a `def` or an `async def`. Plugins are
called in the order in which they start: each after those whose packages its own package requires, otherwise by name.
`@hookimpl(tryfirst=True)` and `@hookimpl(trylast=True)` change that for one function. Wrappers are not supported: the
core awaits each result itself. Plugins may declare hooks for others with `hookspec`; of its options `firstresult` is
supported.

`settings` are always the plugin's own, as its `plugin_settings` declares them; None if it declares none. `state` is
what the plugin's `server_start` returned; None if it returned nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import ModuleType

    import msgspec
    from sanic import Blueprint, Request

    from msanic_core.codes import OfflineReason
    from msanic_core.commands.declaration import AnyCommand
    from msanic_core.context import Server
    from msanic_core.identity import Identity, SessionInfo

PROJECT = "msanic_core"
PLAIN_HOOKS = frozenset({"ws_command", "http_blueprint", "plugin_settings", "db_models"})
"""Hooks whose results are needed at once, while the server is put together: `def` only."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ws_command() -> list[AnyCommand]:
    """Return the WebSocket commands that the plugin answers.

    Called once, at start; `def` only. Two plugins with the same command, or the same id, stop the start.

    Example::

        from msanic_core import Context, command, hookimpl

        @command("math.add")
        async def add(ctx: Context, data: list[int]) -> int:
            return sum(data)

        @hookimpl
        def ws_command():
            return [add]
    """
    raise NotImplementedError


@hookspec
def ws_offline(
    session: SessionInfo, reason: OfflineReason, server: Server, settings: Any, state: Any
) -> Awaitable[None] | None:
    """Clean up after a session that is lost, whatever the cause.

    Called once for each session, after its socket is closed; also for the sessions of a process that was killed, then
    by another node or by the next start. One plugin's error or delay does not keep the others from being called.

    `session`: who it was, and in `session.last` whether it was the user's last one. `reason`: why it was lost.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def ws_offline(session, reason, server):
            if session.last:
                await server.broadcast(None, "presence.gone", {"user": session.user, "reason": reason})
    """


@hookspec
def ws_online(session: SessionInfo, server: Server, settings: Any, state: Any) -> Awaitable[None] | None:
    """Do what has to be done when a session begins.

    Called once for each session, when it can be pushed to. Nothing waits for it but the session's `ws_offline`: while
    it runs, commands are answered. An error is logged and does not end the session.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def ws_online(session, server):
            await server.push(session.user, "chat.welcome", {"node": session.node}, durable=False)
    """


@hookspec
def http_blueprint(server: Server, settings: Any) -> Blueprint | list[Blueprint]:
    """Return the Sanic blueprint, or a list of them, with the plugin's HTTP routes.

    Called once, at start; `def` only. A blueprint without a `url_prefix` is put below the plugin's name: /chat. Two
    with the same name or the same path stop the start. A handler finds the server as `request.app.ctx.msanic`.

    Example::

        from msanic_core import hookimpl
        from sanic import Blueprint, json

        blueprint = Blueprint("hello", url_prefix="/hello")

        @blueprint.get("/")
        async def hello(request):
            return json({"hello": "world"})

        @hookimpl
        def http_blueprint():
            return blueprint
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def authenticate(
    request: Request, server: Server, settings: Any, state: Any
) -> Awaitable[Identity | None] | Identity | None:
    """Say whose connection this is, of the HTTP request that opens it; or who asks a route that wants a login.

    The first answer wins: None leaves the request to the next plugin. When no plugin answers, or one raises
    `AuthenticationError`, or all together take longer than the setting auth.timeout, the connection is refused.

    Example::

        from msanic_core import AuthenticationError, Identity, hookimpl

        USERS = {"s3cret": "ann"}

        @hookimpl
        async def authenticate(request):
            if request.token is None:
                return None
            if request.token not in USERS:
                raise AuthenticationError("unknown token")
            return Identity(USERS[request.token])
    """


@hookspec
def plugin_settings() -> type[msgspec.Struct]:
    """Return the type of the plugin's settings, a msgspec Struct.

    Called once, before any other hook; `def` only. The table [plugins.NAME] of the configuration is checked against
    it, and the result is the `settings` of the plugin's other hooks and `ctx.settings` of its handlers. A table that
    does not fit, or has a key the type does not have, stops the start; so does a missing one if a field has no default.

    Example::

        import msgspec
        from msanic_core import hookimpl

        class Settings(msgspec.Struct):
            history: int = 100

        @hookimpl
        def plugin_settings():
            return Settings
    """
    raise NotImplementedError


@hookspec
def db_models() -> ModuleType | list[ModuleType]:
    """Return the module, or a list of the modules, in which the plugin's database models are.

    Called once, at start; `def` only. The models are Tortoise ORM's; other models refer to them as "PLUGIN.Model", with
    `_` in place of what no Python name has. A table is called PLUGIN_MODEL unless `Meta.table` says otherwise. The
    tables are made by migrations in the package `migrations` beside the first module: `msanic-core db make PLUGIN`
    writes them, `msanic-core db migrate` applies them. Two plugins with the same table stop the start.

    Example::

        import sys

        from msanic_core import hookimpl
        from tortoise import fields
        from tortoise.models import Model

        class Note(Model):
            id = fields.IntField(primary_key=True)
            text = fields.TextField()

        @hookimpl
        def db_models():
            return sys.modules[__name__]  # or a module of the package: from msanic_notes import models
    """
    raise NotImplementedError


@hookspec
def server_start(server: Server, settings: Any) -> Awaitable[Any] | Any:
    """Open what the plugin needs, and return it: connections, caches, tasks.

    Called once in each worker process, before it accepts connections. An error stops the start. The result is the
    plugin's state, and belongs to this server: `ctx.state` in its handlers, the argument `state` of its other hooks,
    `server.state_of(plugin)` elsewhere. Plugins that this one's package requires have started before.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def server_start(server):
            return {"motd": "hello"}
    """


@hookspec
def server_stop(server: Server, settings: Any, state: Any) -> Awaitable[None] | None:
    """Close what `server_start` has opened.

    Called once in each worker process that stops in an orderly way, after every session's `ws_offline`; cancelled when
    the time for stopping is up. Plugins stop in the reverse of the order in which they started. An error is logged and
    does not keep the other plugins from being called.

    Example::

        import asyncio

        from msanic_core import hookimpl

        @hookimpl
        async def server_start():
            return asyncio.create_task(asyncio.sleep(3600))

        @hookimpl
        async def server_stop(state):
            state.cancel()
    """
