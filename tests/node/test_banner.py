"""What `serve` shows when it is ready."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from msanic_core import Context, Identity, command
from msanic_core.config import settings_from
from msanic_core.node.banner import banner
from msanic_core.node.node import Node
from msanic_core.plugins.loading import load_plugins

if TYPE_CHECKING:
    from tests.support.raw_clients import MakePlugin


@command("chat.say", id=2001)
def say(ctx: Context) -> None: ...


def shown(plugins: dict[str, Any], settings: dict[str, Any] | None = None, host: str = "127.0.0.1") -> dict[str, str]:
    """The rows of the banner, by name; the first line under ""."""

    async def main() -> str:
        checked = settings_from({"plugins": {"load": []}, "db": {"url": "sqlite://:memory:"}, **(settings or {})})
        node = Node(checked, load_plugins(checked, plugins))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        await node.engine.start(node.id, node.delivery, [])
        with socket.create_server((host, 0), family=family) as sock:
            await node.engine.stop()
            return banner(node, sock).replace(f":{sock.getsockname()[1]}", ":PORT")

    first, *lines = asyncio.run(main()).split("\n")
    assert len({len(line) - len(line.lstrip().split(" ", 1)[1].lstrip()) for line in lines}) == 1, "not in columns"
    return {"": first, **{line.split()[0]: line.split(maxsplit=1)[1] for line in lines}}


def test_without_plugins() -> None:
    rows = shown({})
    name, version, *rest = rows.pop("").split(" ")
    assert (name, rest) == ("msanic-core", ["is", "ready"])
    assert Version(version)
    assert rows == {
        "http": "http://127.0.0.1:PORT/",
        "websocket": "ws://127.0.0.1:PORT/ws",
        "engine": "memory (survives nothing: sessions and inboxes end with the process)",
        "database": "sqlite://:memory:",
        "auth": "plugin (no plugin authenticates: every connection is refused)",
        "plugins": "none: pip install one, or write one",
        "commands": "none",
    }


def test_with_plugins(make_plugin: MakePlugin) -> None:
    plugins = {
        "chat": make_plugin(ws_command=lambda: [say]),
        "login": make_plugin(authenticate=lambda: Identity("ada")),
    }
    rows = shown(plugins, {"ws": {"path": "/realtime"}})
    assert rows["websocket"] == "ws://127.0.0.1:PORT/realtime"
    assert rows["auth"] == "plugin"
    assert [each.split(" ")[0] for each in rows["plugins"].split(", ")] == ["chat", "login"]
    assert rows["commands"] == "chat.say"


def test_anonymous_login_is_said_aloud() -> None:
    assert shown({}, {"auth": {"mode": "anonymous"}})["auth"] == "anonymous (anybody may be anybody)"


def test_several_workers_are_said(redis_url: str) -> None:
    several = {"server": {"workers": 3}, "redis": {"url": redis_url}}
    assert shown({}, several)["workers"] == "3"


def test_passwords_are_not_shown() -> None:
    url = "postgres://msanic:hunter2@db.example/msanic"
    assert shown({}, {"db": {"url": url}})["database"] == "postgres://msanic:***@db.example/msanic"


def test_an_ipv6_address_is_in_brackets(ipv6_loopback: str) -> None:
    rows = shown({}, host=ipv6_loopback)
    assert (rows["http"], rows["websocket"]) == ("http://[::1]:PORT/", "ws://[::1]:PORT/ws")


@pytest.mark.usefixtures("install")
def test_a_core_that_nobody_installed_runs_too() -> None:
    assert shown({})[""] == "msanic-core (not installed) is ready"
