"""The text that `serve` shows when the server is ready."""

import socket

from msanic_core.config.text import masked
from msanic_core.node.node import Node
from msanic_core.plugins.plugin import PluginStatus
from msanic_core.plugins.requirement import running_version


def banner(node: Node, sock: socket.socket) -> str:
    """Return address, workers (if several), engine, database, login, plugins and commands, one line each."""
    settings = node.settings
    host, port = sock.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    active = [each for each in node.plugins.plugins if each.status is PluginStatus.ACTIVE]
    plugins = ", ".join(f"{each.name} {each.version}" for each in active) or "none: pip install one, or write one"
    commands = ", ".join(command.name for _, command in node.plugins.commands) or "none"
    auth: str = settings.auth.mode
    if auth == "anonymous":
        auth += " (anybody may be anybody)"
    elif not node.plugins.implementations("authenticate"):
        auth += " (no plugin authenticates: every connection is refused)"
    facts = node.engine.describe()
    rows = {
        "http": f"http://{shown_host}:{port}/",
        "websocket": f"ws://{shown_host}:{port}{settings.ws.path}",
        **({"workers": str(settings.server.workers)} if settings.server.workers > 1 else {}),
        "engine": f"{facts['name']} (survives {facts['survives']})",
        "database": masked("db.url", settings.db.url),
        "auth": auth,
        "plugins": plugins,
        "commands": commands,
    }
    width = max(map(len, rows))
    return "\n".join(
        [
            f"msanic-core {running_version() or '(not installed)'} is ready",
            *(f"  {key:<{width}}  {value}" for key, value in rows.items()),
        ]
    )
