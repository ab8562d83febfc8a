"""Every hook a plugin can implement.

An implementation is a function with the hook's name and the decorator `@hookimpl`. It takes any of the hook's arguments
by name, and may leave out the others. Unless a hook says otherwise, the function is a `def` or an `async def`. Plugins
are called in the order in which they start: by name, but each one after the plugins whose packages its own package
requires. `@hookimpl(tryfirst=True)` and `@hookimpl(trylast=True)` change that for one function. Hook wrappers are not
supported, because the core awaits each result itself. Plugins may declare hooks for other plugins with `hookspec`; only
its option `firstresult` is supported.

`settings` are the plugin's own, of the type that its `plugin_settings` returns; None if it has none. `state` is what
the plugin's `server_start` returned.
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
"""Hooks whose results are needed while the server is built, where nothing can be awaited: `def` only."""

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

    Called once for each session, after its socket is closed. If the session's process was killed, another node or the
    next start calls it. An error or a delay in one plugin does not prevent the calls of the others.

    `session`: the lost session; `session.last`: whether it was the user's last one. `reason`: why it was lost.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def ws_offline(session, reason, server):
            if session.last:
                await server.broadcast(None, "presence.gone", {"user": session.user, "reason": reason})
    """


@hookspec
def ws_online(session: SessionInfo, server: Server, settings: Any, state: Any) -> Awaitable[None] | None:
    """Do something when a session begins.

    Called once for each session, as soon as pushes reach it. Commands of the session are processed while the hook runs;
    only the session's `ws_offline` waits for it. An error is logged and does not end the session.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def ws_online(session, server):
            await server.push(session.user, "chat.welcome", {"node": session.node}, durable=False)
    """


@hookspec
def http_blueprint(server: Server, settings: Any) -> Blueprint | list[Blueprint]:
    """Return the Sanic blueprint, or a list of them, with the plugin's HTTP routes.

    Called once, at start; `def` only. A blueprint without a `url_prefix` is mounted below the plugin's name: /chat. Two
    blueprints with the same name, or two routes with the same path, stop the start. In a handler the server is
    `request.app.ctx.msanic`.

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
    """Identify the client of a request: one that opens a WebSocket, or one for a route that requires a login.

    The first answer wins: None leaves the request to the next plugin. The request is refused if no plugin answers, if a
    plugin raises `AuthenticationError`, or if all plugins together take longer than the setting auth.timeout.

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

    Called once, before any other hook; `def` only. The table [plugins.NAME] of the configuration is converted to this
    type. The result is the `settings` of the plugin's other hooks and `ctx.settings` of its handlers. An invalid value,
    an unknown key, or a missing value for a field without a default stops the start.

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

    Called once, at start; `def` only. The models are Tortoise ORM models. Other models refer to them as "PLUGIN.Model",
    with `_` for characters that a Python name cannot have. A table is called PLUGIN_MODEL unless `Meta.table` names it.
    Migrations in the package `migrations` beside the first module create the tables: `msanic-core db make PLUGIN`
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
    """Open the plugin's connections, caches and tasks, and return them.

    Called once in each worker process, before it accepts connections. An error stops the start. The result is the
    plugin's state on this server: `ctx.state` in its handlers, the argument `state` of its other hooks,
    `server.state_of(plugin)` elsewhere. Plugins that this plugin's package requires have started before.

    Example::

        from msanic_core import hookimpl

        @hookimpl
        async def server_start(server):
            return {"motd": "hello"}
    """


@hookspec
def server_stop(server: Server, settings: Any, state: Any) -> Awaitable[None] | None:
    """Close what `server_start` has opened.

    Called once in each worker process that stops gracefully, after every session's `ws_offline`. It is cancelled when
    `[server] drain_timeout` has passed. Plugins stop in reverse start order. An error is logged and does not prevent
    the calls of the other plugins.

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
