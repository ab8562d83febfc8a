"""A realtime server made of plugins: WebSocket commands, offline hooks and HTTP routes on Sanic.

These are the names a plugin needs; everything else is the server's own.
"""

from typing import TYPE_CHECKING, Any

from msanic_core.codes import CloseCode, OfflineReason, ReplyCode
from msanic_core.errors import AuthenticationError, CommandError, ConfigError, LockLostError, MsanicError, PluginError

if TYPE_CHECKING:
    from msanic_core.commands.declaration import AnyCommand, command
    from msanic_core.context import Context, Server
    from msanic_core.hookspecs import hookimpl, hookspec
    from msanic_core.identity import Identity, SessionInfo

__all__ = [
    "AnyCommand",
    "AuthenticationError",
    "CloseCode",
    "CommandError",
    "ConfigError",
    "Context",
    "Identity",
    "LockLostError",
    "MsanicError",
    "OfflineReason",
    "PluginError",
    "ReplyCode",
    "Server",
    "SessionInfo",
    "command",
    "hookimpl",
    "hookspec",
]

_HOMES = {
    "AnyCommand": "commands.declaration",
    "Context": "context",
    "Identity": "identity",
    "Server": "context",
    "SessionInfo": "identity",
    "command": "commands.declaration",
    "hookimpl": "hookspecs",
    "hookspec": "hookspecs",
}


def __getattr__(name: str) -> Any:
    """Import the rest on first use: `msanic-core --help` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
