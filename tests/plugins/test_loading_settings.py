"""The settings of plugins: the type each declares, and its table of the configuration."""

import datetime
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from tests.support.plugins import BLOCK, SETTINGS, Install, Load, error_of, named


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
