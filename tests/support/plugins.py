"""For tests of plugins that are really installed."""

from collections.abc import Callable
from typing import Any

import pytest

from msanic_core.errors import PluginError
from msanic_core.plugins.plugin import Plugin, PluginSet, PluginStatus

Install = Callable[..., str]
Load = Callable[..., PluginSet]

BLOCK = 'block it with [plugins] block = ["chat"]'
SETTINGS = """
    class Settings(msgspec.Struct):
        token: str
        history: int = 100
        since: str = ""

    @hookimpl
    def plugin_settings():
        return Settings
"""

HOOKS = (
    "authenticate",
    "db_models",
    "http_blueprint",
    "plugin_settings",
    "server_start",
    "server_stop",
    "ws_command",
    "ws_offline",
    "ws_online",
)


def named(plugins: PluginSet, name: str) -> Plugin:
    (plugin,) = [each for each in plugins.plugins if each.name == name]
    return plugin


def answers(plugins: PluginSet, hook: str, **available: Any) -> list[Any]:
    return [each.call(**available) for each in plugins.implementations(hook)]


def error_of(plugins: PluginSet, name: str = "chat") -> str:
    """The plugin's error. Checks that it is one line, is in the problems, and stops the start."""
    plugin = named(plugins, name)
    assert plugin.status is PluginStatus.BROKEN
    assert "\n" not in plugin.error
    assert plugin.error in plugins.problems
    with pytest.raises(PluginError):
        plugins.check()
    for hook in plugin.hooks:
        if hook in HOOKS:
            assert plugin not in [each.plugin for each in plugins.implementations(hook)]
    assert plugin.name not in [name for name, _ in plugins.commands]
    return plugin.error
