"""Plugins that are really installed, right and wrong. Each wrong one is told in a line with package, fault and mend."""

import datetime
import types
from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from msanic_core.commands import command
from msanic_core.config import settings_from
from msanic_core.errors import PluginError
from msanic_core.hookspecs import hookimpl
from msanic_core.plugins import Plugin, PluginSet, State, load_plugins
from msanic_core.wire import Codecs

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


@pytest.fixture
def codecs() -> Codecs:
    return Codecs()


@pytest.fixture
def load(install: Install, codecs: Codecs) -> Load:
    """Load what is installed, with the [plugins] section given."""

    def load(section: Mapping[str, Any] | None = None, extra: Mapping[str, object] | None = None) -> PluginSet:
        return load_plugins(settings_from({"plugins": dict(section or {})}), codecs, extra)

    return load


def named(plugins: PluginSet, name: str) -> Plugin:
    (plugin,) = [each for each in plugins.plugins if each.name == name]
    return plugin


def answers(plugins: PluginSet, hook: str, **available: Any) -> list[Any]:
    return [each.call(**available) for each in plugins.implementations(hook)]


def error_of(plugins: PluginSet, name: str = "chat") -> str:
    """The plugin's error, after checking that it is one line and told as a problem, and that the start is stopped."""
    plugin = named(plugins, name)
    assert plugin.state is State.BROKEN
    assert "\n" not in plugin.error
    assert plugin.error in plugins.problems
    with pytest.raises(PluginError):
        plugins.check()
    for hook in plugin.hooks:
        if hook in HOOKS:
            assert plugin not in [each.plugin for each in plugins.implementations(hook)]
    assert plugin.name not in [each.plugin for each in plugins.commands]
    return plugin.error


HOOKS = (
    "authenticate",
    "http_blueprint",
    "plugin_settings",
    "server_start",
    "server_stop",
    "ws_command",
    "ws_offline",
    "ws_online",
)


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
    assert (plugin.package, plugin.version, plugin.state, plugin.error) == ("msanic-chat", "1.2", State.ACTIVE, "")
    assert plugin.hooks == ("ws_command", "ws_offline")
    assert [each.name for each in plugin.commands] == ["chat.say"]
    assert plugin.settings is None
    bound = plugins.commands.get(2001)
    assert bound is not None
    assert (bound.plugin, bound.command) == ("chat", plugin.commands[0])


def test_without_plugins_every_table_is_empty(load: Load) -> None:
    plugins = load()
    plugins.check()
    assert (plugins.plugins, plugins.problems, len(plugins.commands)) == ((), (), 0)
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
    assert named(plugins, "chat").state is State.BLOCKED


def test_a_hook_function_gets_the_arguments_it_takes_and_its_own_settings(install: Install, load: Load) -> None:
    for package, name in (("a", "chat"), ("b", "news")):
        install(
            package,
            "1",
            name,
            f"""
            class Settings(msgspec.Struct):
                of: str = {name!r}

            @hookimpl
            def plugin_settings():
                return Settings

            @hookimpl
            def ws_offline(settings, session):
                return session, settings.of
            """,
        )
    plugins = load({"chat": {"of": "the file"}})
    plugins.check()
    assert answers(plugins, "ws_offline", session="s", reason="r", server=None) == [("s", "news"), ("s", "the file")]
    assert [each.arguments for each in plugins.implementations("ws_offline")] == [("settings", "session")] * 2


def test_an_argument_that_was_not_given_is_an_error(load: Load) -> None:
    plugin = types.ModuleType("chat")
    vars(plugin)["server_start"] = hookimpl(lambda server: None)
    (implementation,) = load(extra={"chat": plugin}).implementations("server_start")
    with pytest.raises(KeyError, match="server"):
        implementation.call()


def test_hooks_are_called_in_pluggys_order_whatever_the_order_of_installing(install: Install, load: Load) -> None:
    orders = {"d": "", "a": "", "c": "trylast=True", "b": "tryfirst=True", "e": "trylast=True", "f": "tryfirst=True"}
    for name, order in orders.items():
        install(f"msanic-{name}", "1", name, f"@hookimpl({order})\ndef server_start():\n    return {name!r}")
    assert answers(load(), "server_start") == ["f", "b", "d", "a", "c", "e"]


def test_a_function_can_implement_a_hook_by_another_name(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", '@hookimpl(specname="server_start")\ndef warm_up():\n    return "warm"')
    plugins = load()
    assert named(plugins, "chat").hooks == ("server_start",)
    assert answers(plugins, "server_start") == ["warm"]


def test_asking_for_a_hook_that_does_not_exist(load: Load) -> None:
    with pytest.raises(LookupError, match="there is no hook 'ws_ofline'; did you mean 'ws_offline'"):
        load().implementations("ws_ofline")


def test_what_a_plugin_lacks_to_be_imported(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "import no_such_module_anywhere")
    error = "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_anywhere'; install what it needs"
    assert error_of(load()) == f"msanic-chat 1.2: {error} or {BLOCK}"


HOOK_FAULTS = {
    "unknown": (
        "@hookimpl\ndef ws_ofline(): ...",
        "there is no hook 'ws_ofline'; rename it, or install and load the plugin whose hook it is, or mark it "
        "optionalhook=True; did you mean 'ws_offline'?",
    ),
    "argument": (
        "@hookimpl\nasync def ws_offline(session, reasons): ...",
        "its ws_offline takes 'reasons', which that hook does not have; it can take session, reason, server, settings; "
        "did you mean 'reason'?",
    ),
    "no arguments": (
        "@hookimpl\ndef ws_command(server): ...",
        "its ws_command takes 'server', which that hook does not have; it takes none",
    ),
    "default": (
        "@hookimpl\ndef ws_offline(session, reason=None): ...",
        "its ws_offline would never be given 'reason'; write it without default or *",
    ),
    "keyword-only": (
        "@hookimpl\ndef ws_offline(*, session): ...",
        "its ws_offline would never be given 'session'; write it without default or *",
    ),
    "stars": (
        "@hookimpl\ndef ws_offline(**rest): ...",
        "its ws_offline takes **rest, which would stay empty; name the arguments it needs; it can take session, reason",
    ),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef ws_offline():\n    yield",
        "its ws_offline is a hook wrapper, which is not supported; write a plain @hookimpl without yield",
    ),
    "old wrapper": (
        "@hookimpl(hookwrapper=True)\ndef ws_offline():\n    yield",
        "its ws_offline is a hook wrapper, which is not supported",
    ),
    "yields": (
        "@hookimpl\ndef ws_offline():\n    yield",
        "its ws_offline yields, so that its body would never run; return the result instead",
    ),
    "yields, async": ("@hookimpl\nasync def ws_offline():\n    yield", "its ws_offline yields"),
    "async ws_command": (
        "@hookimpl\nasync def ws_command():\n    return []",
        "its ws_command is async def, but its result is needed at once; write def",
    ),
    "async http_blueprint": ("@hookimpl\nasync def http_blueprint(): ...", "its http_blueprint is async def"),
    "async plugin_settings": ("@hookimpl\nasync def plugin_settings(): ...", "its plugin_settings is async def"),
    "nothing marked": ("def ws_command():\n    return []", "mark them with @hookimpl, or name another module"),
    "class": (
        "class Chat:\n    @hookimpl\n    def server_start(self): ...",
        "its server_start takes 'self', which that hook does not have",
    ),
    "a hook of the core": (
        "@hookspec\ndef ws_online(session): ...",
        "declares a hook 'ws_online', which the core has; give it another name",
    ),
}


@pytest.mark.parametrize("fault", HOOK_FAULTS)
def test_wrong_hook_functions(fault: str, install: Install, load: Load) -> None:
    source, what = HOOK_FAULTS[fault]
    install("msanic-chat", "1.2", "chat", source, attribute="Chat" if fault == "class" else "")
    install("msanic-news", "1", "news", "@hookimpl\ndef server_start():\n    return 'news'")
    plugins = load()
    assert error_of(plugins).startswith("msanic-chat 1.2: ")
    assert what in error_of(plugins)
    assert plugins.problems == (error_of(plugins),)
    assert answers(plugins, "server_start") == ["news"]


def test_optional_arguments_that_are_not_the_hooks_keep_their_defaults(install: Install, load: Load) -> None:
    install(
        "msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(retries=3, *, wait=1):\n    return retries, wait"
    )
    plugins = load()
    plugins.check()
    assert answers(plugins, "server_start") == [(3, 1)]


def test_a_hook_of_a_plugin_that_may_be_missing(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "@hookimpl(optionalhook=True)\ndef news_filter(any, thing): ...")
    plugins = load()
    plugins.check()
    assert named(plugins, "chat").hooks == ("news_filter",)


def test_two_entry_points_for_one_object(install: Install, load: Load) -> None:
    module = install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(): ...")
    install("msanic-news", "1", "news", f"import {module} as plugin", attribute="plugin")
    error = "its plugin 'news' is the same object as the plugin 'chat'; keep one of the two"
    assert error_of(load(), "news") == f"msanic-news 1: {error}"


COMMAND_FAULTS = {
    "raises": (
        "raise ValueError('no\\ndatabase')",
        f"its ws_command failed: ValueError: no database; repair it or {BLOCK}",
    ),
    "exits": ("raise SystemExit('bye')", f"its ws_command failed: SystemExit: bye; repair it or {BLOCK}"),
    "declares wrongly": (
        "return [command('say')(lambda ctx: None)]",
        "its ws_command failed: command 'say' (MODULE.ws_command.<locals>.<lambda>): a name is type.code, with one dot",
    ),
    "nothing": ("pass", "its ws_command returned None; return a list of functions marked with @command"),
    "one": ("return say", "its ws_command returned <Command 'chat.say': MODULE.say>; return a list of functions"),
    "unmarked": (
        "return [say, print]",
        'returned <built-in function print> in the list; mark the function with @command("',
    ),
    "same twice": (
        "return [say, say]",
        "command 'chat.say' is declared twice, by MODULE.say for 'chat.say' and by MODULE.say for 'chat.say'; give one",
    ),
}


@pytest.mark.parametrize("fault", COMMAND_FAULTS)
def test_wrong_commands(fault: str, install: Install, load: Load) -> None:
    body, what = COMMAND_FAULTS[fault]
    module = install(
        "msanic-chat",
        "1.2",
        "chat",
        f"@command('chat.say')\ndef say(ctx): ...\n@hookimpl\ndef ws_command():\n    {body}",
    )
    assert error_of(load()).startswith("msanic-chat 1.2: ")
    assert what.replace("MODULE", module) in error_of(load())


def test_two_plugins_with_one_command(install: Install, load: Load) -> None:
    source = """
        @command({name!r}, id={id})
        def say(ctx): ...

        @hookimpl
        def ws_command():
            return [say]
    """
    one = install("msanic-chat", "1.2", "chat", dedent(source).format(name="chat.say", id=2001))
    two = install("msanic-talk", "3", "talk", dedent(source).format(name="chat.say", id=2002))
    install("msanic-news", "1", "news", dedent(source).format(name="news.read", id=3001))
    plugins = load()
    expected = (
        f"msanic-chat 1.2 and msanic-talk 3: command 'chat.say' is declared by both, by {one}.say for 'chat.say' and "
        f"by {two}.say for 'chat.say'; give one of them another, or block one plugin with [plugins] block = [\"talk\"]"
    )
    assert error_of(plugins, "chat") == error_of(plugins, "talk") == expected
    assert plugins.problems == (expected,)
    assert [each.command.name for each in plugins.commands] == ["news.read"]
    load({"block": ["talk"]}).check()


def test_settings_come_from_the_plugins_table(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", SETTINGS)
    plugins = load({"chat": {"token": "x", "since": "now"}})
    plugins.check()
    assert msgspec.to_builtins(named(plugins, "chat").settings) == {"token": "x", "history": 100, "since": "now"}


def test_each_plugin_has_settings_of_its_own_type(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", SETTINGS)
    install("msanic-news", "1", "news", dedent(SETTINGS).replace("token", "paper"))
    plugins = load({"chat": {"token": "x"}, "news": {"paper": "y"}})
    plugins.check()
    assert msgspec.to_builtins(named(plugins, "chat").settings)["token"] == "x"
    assert msgspec.to_builtins(named(plugins, "news").settings)["paper"] == "y"


def test_settings_take_every_type_a_file_has(install: Install, load: Load) -> None:
    source = """
        import datetime

        class Inner(msgspec.Struct):
            days: dict[int, float]

        class Settings(msgspec.Struct, rename="kebab"):
            since_when: datetime.date
            inner: list[Inner] = []

        @hookimpl
        def plugin_settings():
            return Settings
    """
    install("msanic-chat", "1.2", "chat", source)
    plugins = load({"chat": {"since-when": datetime.date(2025, 1, 2), "inner": [{"days": {"1": 2.5}}]}})
    plugins.check()
    settings: Any = named(plugins, "chat").settings
    assert (settings.since_when, settings.inner[0].days) == (datetime.date(2025, 1, 2), {1: 2.5})


def test_a_variable_of_the_environment_cannot_spell_every_plugins_name(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "Live_Chat", SETTINGS)
    plugins = load({"live-chat": {"token": "x"}})
    plugins.check()
    assert msgspec.to_builtins(named(plugins, "Live_Chat").settings)["token"] == "x"


TABLE_FAULTS = {
    "wrong type": ({"token": "x", "history": "many"}, "does not fit: history: Expected `int`, got `str`; correct the"),
    "missing key": ({"history": 3}, "does not fit: Object missing required field `token`; correct the configuration"),
    "missing table": (None, "does not fit: Object missing required field `token`"),
    "unknown key": (
        {"token": "x", "histroy": 3},
        "has an unknown key 'histroy'; take it out or correct it; did you mean 'history'?",
    ),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_table_that_does_not_fit(fault: str, install: Install, load: Load) -> None:
    table, what = TABLE_FAULTS[fault]
    install("msanic-chat", "1.2", "chat", SETTINGS)
    plugins = load({} if table is None else {"chat": table})
    assert error_of(plugins).startswith("msanic-chat 1.2: [plugins.chat] ")
    assert what in error_of(plugins)
    assert named(plugins, "chat").settings is None


SETTINGS_FAULTS = {
    "raises": ("raise ValueError('no')", f"its plugin_settings failed: ValueError: no; repair it or {BLOCK}"),
    "nothing": ("pass", "its plugin_settings returned None; return a class derived from msgspec.Struct"),
    "another class": ("return dict", "returned <class 'dict'>; return a class derived from msgspec.Struct"),
    "an object": ("return Settings('x')", "returned Settings(token='x'"),
    "a type nobody can fill": (
        "return msgspec.defstruct('Odd', [('x', list[int] | tuple[int, ...], 1)])",
        "its settings type Odd cannot be used: TypeError: Type unions may not contain more than one array-like",
    ),
}


@pytest.mark.parametrize("fault", SETTINGS_FAULTS)
def test_wrong_settings_hooks(fault: str, install: Install, load: Load) -> None:
    body, what = SETTINGS_FAULTS[fault]
    install("msanic-chat", "1.2", "chat", dedent(SETTINGS).replace("return Settings", body))
    assert error_of(load()).startswith("msanic-chat 1.2: ")
    assert what in error_of(load())


def test_a_table_for_a_plugin_without_settings(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(): ...")
    assert error_of(load({"chat": {"x": 1}})) == (
        "msanic-chat 1.2: [plugins.chat] is set, but it has no settings; take the table out of the configuration"
    )


def test_tables_and_names_of_plugins_that_are_not_installed(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", "@hookimpl\ndef server_start(): ...")
    plugins = load({"load": ["chat", "news"], "caht": {"x": 1}})
    assert plugins.problems == (
        "[plugins] load names 'news', which is not installed; install it or take it out of the list",
        "[plugins.caht] is for a plugin that is not installed; install it or take the table out; did you mean 'chat'?",
    )
    assert named(plugins, "chat").state is State.ACTIVE
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


FILTER = "@hookspec\ndef chat_filter(text, settings):\n    '''Change a text.'''\n"


def test_a_plugin_can_have_hooks_of_its_own(install: Install, load: Load) -> None:
    # "aaa" comes before "chat": the order of the names must not matter.
    install("msanic-aaa", "1", "aaa", "@hookimpl\ndef chat_filter(text):\n    return text.upper()")
    chat = install("msanic-chat", "1.2", "chat", FILTER)
    install(
        "msanic-zoo",
        "1",
        "zoo",
        f"from {chat} import chat_filter as _\n@hookimpl\ndef chat_filter(text, settings):\n    return settings",
    )
    plugins = load()
    plugins.check()
    assert answers(plugins, "chat_filter", text="hi") == [None, "HI"]


def test_a_hook_of_a_plugin_is_checked_like_the_cores(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", FILTER)
    install("msanic-news", "1", "news", "@hookimpl\ndef chat_filter(txt): ...")
    error = (
        "its chat_filter takes 'txt', which that hook does not have; it can take text, settings; did you mean 'text'?"
    )
    assert error_of(load(), "news") == f"msanic-news 1: {error}"


def test_a_hook_that_is_imported_is_not_declared_twice(install: Install, load: Load) -> None:
    chat = install("msanic-chat", "1.2", "chat", FILTER)
    install("msanic-news", "1", "news", f"from {chat} import chat_filter\nfrom msanic_core.hookspecs import ws_online")
    install("msanic-rest", "1", "rest", "@hookimpl\ndef chat_filter(): ...")
    plugins = load()
    assert "has no hook function" in error_of(plugins, "news")
    assert len(plugins.implementations("chat_filter")) == 1


def test_two_plugins_that_declare_one_hook(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", FILTER)
    install("msanic-talk", "3", "talk", FILTER)
    plugins = load()
    expected = (
        "msanic-chat 1.2 and msanic-talk 3: both declare a hook 'chat_filter'; "
        'block it with [plugins] block = ["talk"]'
    )
    assert error_of(plugins, "chat") == error_of(plugins, "talk") == expected
    assert plugins.problems == (expected,)


def test_a_hook_of_a_plugin_that_is_blocked(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", FILTER)
    install("msanic-news", "1", "news", "@hookimpl\ndef chat_filter(text): ...")
    plugins = load({"block": ["chat"]})
    assert "there is no hook 'chat_filter'; rename it, or install and load the plugin" in error_of(plugins, "news")


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
    assert answers(load(extra={"given": given}), "server_start") == ["given", "installed"]


def test_commands_of_a_plugin_given_directly(load: Load) -> None:
    @command("chat.say")
    async def say(ctx: Any, data: int) -> int:
        return data

    class Chat:
        @hookimpl
        def ws_command(self) -> list[Any]:
            return [say]

    plugins = load(extra={"chat": Chat()})
    plugins.check()
    assert [(each.plugin, each.command) for each in plugins.commands] == [("chat", say)]
