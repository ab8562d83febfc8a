"""The hook functions of plugins, right and wrong, and hooks that plugins declare themselves."""

import asyncio
import types

import pytest

from msanic_core.hookspecs import hookimpl
from msanic_core.plugins.calling import caller
from tests.support.plugins import Install, Load, answers, error_of, named


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
    assert answers(plugins, "ws_offline", session="s", reason="r", server=None) == [("s", "the file"), ("s", "news")]
    assert [each.arguments for each in plugins.implementations("ws_offline")] == [("settings", "session")] * 2


def test_an_argument_that_was_not_given_is_an_error(load: Load) -> None:
    plugin = types.ModuleType("chat")
    vars(plugin)["server_start"] = hookimpl(lambda server: None)
    (implementation,) = load(extra={"chat": plugin}).implementations("server_start")
    with pytest.raises(KeyError, match="server"):
        implementation.call()


def test_hooks_are_called_by_name_whatever_the_order_of_installing(install: Install, load: Load) -> None:
    orders = {"d": "", "a": "", "c": "trylast=True", "b": "tryfirst=True", "e": "trylast=True", "f": "tryfirst=True"}
    for name, order in orders.items():
        install(f"msanic-{name}", "1", name, f"@hookimpl({order})\ndef server_start():\n    return {name!r}")
    assert answers(load(), "server_start") == ["b", "f", "a", "d", "c", "e"]


def test_a_function_can_implement_a_hook_by_another_name(install: Install, load: Load) -> None:
    install("msanic-chat", "1.2", "chat", '@hookimpl(specname="server_start")\ndef warm_up():\n    return "warm"')
    plugins = load()
    assert named(plugins, "chat").hooks == ("server_start",)
    assert answers(plugins, "server_start") == ["warm"]


def test_asking_for_a_hook_that_does_not_exist(load: Load) -> None:
    with pytest.raises(LookupError, match="there is no hook 'ws_ofline'; did you mean 'ws_offline'"):
        load().implementations("ws_ofline")


HOOK_FAULTS = {
    "unknown": (
        "@hookimpl\ndef ws_ofline(): ...",
        "there is no hook 'ws_ofline'; rename it, or install and load the plugin whose hook it is, or mark it "
        "optionalhook=True; did you mean 'ws_offline'?",
    ),
    "argument": (
        "@hookimpl\nasync def ws_offline(session, reasons): ...",
        "its ws_offline takes 'reasons', which that hook does not have; it can take session, reason, server, settings, "
        "state; did you mean 'reason'?",
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
    assert answers(plugins, "chat_filter", text="hi") == ["HI", None]


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


@pytest.mark.parametrize(
    "option", ["historic=True", 'warn_on_impl=UserWarning("x")', 'warn_on_impl_args={"text": UserWarning()}']
)
def test_options_of_a_hook_that_would_not_be_honoured_are_refused(install: Install, load: Load, option: str) -> None:
    install("msanic-chat", "1.2", "chat", f"@hookspec({option})\ndef chat_filter(text): ...")
    name = option.partition("=")[0]
    assert error_of(load(), "chat") == (
        f"msanic-chat 1.2: its hook 'chat_filter' has the option {name}, which is not supported; leave it out"
    )


def test_of_a_hook_with_firstresult_the_first_answer_counts(install: Install, load: Load) -> None:
    install(
        "msanic-shop", "1", "shop", "@hookspec(firstresult=True)\ndef price_of(item): ...\n@hookspec\ndef seen(): ..."
    )
    install("msanic-a", "1", "a", "@hookimpl\ndef price_of(item):\n    raise LookupError(item)")
    install("msanic-b", "1", "b", "@hookimpl\ndef price_of(item):\n    return None if item == 'tea' else 7")
    install("msanic-c", "1", "c", "@hookimpl\nasync def price_of(item):\n    return 0 if item == 'tea' else None")
    install("msanic-d", "1", "d", "@hookimpl\ndef price_of(item):\n    raise SystemExit('is not called')")
    call_hook = caller(load())
    assert asyncio.run(call_hook("price_of", {"item": "milk"})) == 7
    assert asyncio.run(call_hook("price_of", {"item": "tea"})) == 0
    assert asyncio.run(call_hook("seen", {})) == []


def test_no_answer_of_a_hook_with_firstresult(install: Install, load: Load) -> None:
    install("msanic-shop", "1", "shop", "@hookspec(firstresult=True)\ndef price_of(item): ...")
    install("msanic-a", "1", "a", "@hookimpl\ndef price_of(item): ...")
    assert asyncio.run(caller(load())("price_of", {"item": "milk"})) is None
