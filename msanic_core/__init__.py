"""A realtime server made of plugins: WebSocket commands, offline hooks and HTTP routes on Sanic.

Plugins use the names below and those of `msanic_core.http`, `.constraints`, `.db`, `.client` and `.testing`. Everything
else is internal.
"""

from typing import TYPE_CHECKING, Any

from msanic_core.codes import CloseCode, OfflineReason, ReplyCode
from msanic_core.errors import (
    AuthenticationError,
    CommandError,
    ConfigError,
    DatabaseUnavailableError,
    LockLostError,
    MigrationError,
    MsanicError,
    PluginError,
    RefusedError,
    ReplyError,
    SplitError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from msanic_core.commands.declaration import AnyCommand, Command, command
    from msanic_core.context import Context, Server
    from msanic_core.engine.base import Lock
    from msanic_core.hookspecs import hookimpl, hookspec
    from msanic_core.identity import Identity, SessionInfo
    from msanic_core.wire import WireEncodeError

    __version__: str
    """The installed version; "" if the core runs without an installation."""

__all__ = [
    "AnyCommand",
    "AuthenticationError",
    "CloseCode",
    "Command",
    "CommandError",
    "ConfigError",
    "Context",
    "DatabaseUnavailableError",
    "Identity",
    "Lock",
    "LockLostError",
    "MigrationError",
    "MsanicError",
    "OfflineReason",
    "PluginError",
    "RefusedError",
    "ReplyCode",
    "ReplyError",
    "Server",
    "SessionInfo",
    "SplitError",
    "StoreUnavailableError",
    "WireEncodeError",
    "__version__",
    "command",
    "hookimpl",
    "hookspec",
]

_HOMES = {
    "AnyCommand": "commands.declaration",
    "Command": "commands.declaration",
    "Context": "context",
    "Identity": "identity",
    "Lock": "engine.base",
    "Server": "context",
    "SessionInfo": "identity",
    "WireEncodeError": "wire",
    "command": "commands.declaration",
    "hookimpl": "hookspecs",
    "hookspec": "hookspecs",
}


def __getattr__(name: str) -> Any:
    """Import the other names at first use: `msanic-core --help` must start fast."""
    if name == "__version__":
        from msanic_core.plugins.requirement import running_version

        return running_version() or ""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return every public name, including those that are imported at first use."""
    return sorted({*globals(), *__all__})
