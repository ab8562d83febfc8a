"""Installed plugins, valid and broken. Each broken one has one line: package, fault and how to fix it."""

import types

import pytest

from msanic_core.errors import PluginError
from msanic_core.hookspecs import hookimpl
from msanic_core.plugins.plugin import PluginStatus
from tests.support.plugins import BLOCK, HOOKS, Install, Load, answers, error_of, named


def test_an_installed_plugin_is_loaded(install: Install, load: Load) -> None:
    install(
        "msanic-chat",
        "1.2",
        "chat",
        """
        @command("chat.say", id=2001)
        async def say(ctx, data: str):
            return data

        @hookimpl
        def ws_command():
            return [say]

        @hookimpl
        async def ws_offline(session, reason):
            return session, reason
        """,
    )
    plugins = load()
    plugins.check()
    (plugin,) = plugins.plugins
    assert (plugin.package, plugin.version, plugin.status, plugin.error) == (
        "msanic-chat",
        "1.2",
        PluginStatus.ACTIVE,
        "",
    )
    assert plugin.hooks == ("ws_command", "ws_offline")
    assert [each.name for each in plugin.commands] == ["chat.say"]
    assert plugin.settings is None
    assert plugins.commands == (("chat", plugin.commands[0]),)


def test_without_plugins_every_table_is_empty(load: Load) -> None:
    plugins = load()
    plugins.check()
    assert (plugins.plugins, plugins.problems, plugins.commands) == ((), (), ())
    assert [plugins.implementations(hook) for hook in HOOKS] == [()] * len(HOOKS)


def test_an_entry_point_can_name_an_object(install: Install, load: Load) -> None:
    source = """
        class Chat:
            @hookimpl
            def server_start(self, settings):
                return self, settings

        plugin = Chat()
    """
    install("msanic-chat", "1.2", "chat", source, attribute="plugin")
    plugins = load()
    plugins.check()
    ((chat, settings),) = answers(plugins, "server_start", server=None)
    assert (type(chat).__name__, settings) == ("Chat", None)


def test_a_blocked_plugin_is_listed_and_contributes_nothing(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "raise AssertionError('imported')")
    plugins = load({"block": ["chat"], "chat": {"kept": "for later"}})
    plugins.check()
    assert named(plugins, "chat").status is PluginStatus.BLOCKED


def test_what_a_plugin_lacks_to_be_imported(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "import no_such_module_anywhere")
    error = "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_anywhere'; install what it needs"
    assert error_of(load()) == f"msanic-chat 1.2: {error} or {BLOCK}"


def test_two_entry_points_for_one_object(install: Install, load: Load) -> None:
    module = install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(): ...")
    install("msanic-news", "1", "news", f"import {module} as plugin", attribute="plugin")
    error = "its plugin 'news' is the same object as the plugin 'chat'; keep one of the two"
    assert error_of(load(), "news") == f"msanic-news 1: {error}"


def test_tables_and_names_of_plugins_that_are_not_installed(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(): ...")
    plugins = load({"load": ["chat", "news"], "caht": {"x": 1}})
    assert plugins.problems == (
        "[plugins] load names 'news', which is not installed; install it or take it out of the list",
        "[plugins.caht] is for a plugin that is not installed; install it or take the table out; did you mean 'chat'?",
    )
    assert named(plugins, "chat").status is PluginStatus.ACTIVE
    with pytest.raises(PluginError, match=r"news.*\n.*caht"):
        plugins.check()


def test_all_problems_come_at_once(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "raise ValueError")
    install("msanic-news", "1", "news", "@hookimpl\ndef ws_online(x): ...")
    install("msanic-core", "0.1", "")
    install("msanic-old", "1", "old", requires=["msanic-core>=7"])
    with pytest.raises(PluginError) as caught:
        load().check()
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["msanic-chat 1.2", "msanic-news 1", "msanic-old 1"]
    assert caught.value.packages == ("msanic-chat", "msanic-news", "msanic-old")


def test_plugins_given_directly_join_the_installed_ones(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start():\n    return 'installed'")
    given = types.SimpleNamespace(server_start=hookimpl(lambda: "given"), ws_online=hookimpl(lambda wrong: None))
    plugins = load(extra={"given": given})
    assert error_of(plugins, "given").startswith("plugin 'given': its ws_online takes 'wrong'")
    assert answers(plugins, "server_start") == ["installed"]
    with pytest.raises(PluginError) as caught:
        plugins.check()
    assert caught.value.packages == ()
    del given.ws_online
    assert answers(load(extra={"given": given}), "server_start") == ["installed", "given"]
