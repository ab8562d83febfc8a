import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from msanic_core.config.sections import PluginsSettings
from msanic_core.plugins.discovery import discover
from msanic_core.plugins.plugin import Plugin, PluginStatus

Install = Callable[..., str]


def the_only(section: PluginsSettings = PluginsSettings()) -> Plugin:  # noqa: B008 - frozen
    (plugin,) = [plugin for plugin, _ in discover(section, {}).found]
    return plugin


def test_an_installed_plugin_is_found_and_imported(install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", "VALUE = 7")
    ((plugin, namespace),) = discover(PluginsSettings(), {}).found
    assert (plugin.name, plugin.package, plugin.version, plugin.module) == ("chat", "msanic-chat", "1.2", module)
    assert (plugin.status, plugin.error, plugin.label) == (PluginStatus.ACTIVE, "", "msanic-chat 1.2")
    assert namespace is sys.modules[module]


def test_an_entry_point_can_name_an_object(install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", "class Chat:\n    pass\nplugin = Chat()", attribute="plugin")
    ((plugin, namespace),) = discover(PluginsSettings(), {}).found
    assert plugin.module == f"{module}:plugin"
    assert namespace is sys.modules[module].plugin


def test_plugins_come_in_the_order_of_their_names(install: Install) -> None:
    for package, name in (("a", "zoo"), ("b", "chat"), ("c", "news")):
        install(package, "1", name)
    assert [plugin.name for plugin, _ in discover(PluginsSettings(), {}).found] == ["chat", "news", "zoo"]


@pytest.mark.parametrize(
    "section",
    [
        PluginsSettings(block=["chat"]),
        PluginsSettings(load=[]),
        PluginsSettings(load=["news"]),
        PluginsSettings(load=["chat"], block=["chat"]),
    ],
)
def test_what_is_not_wanted_is_listed_but_not_imported(section: PluginsSettings, install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", "raise AssertionError('imported')")
    install("msanic-news", "1", "news")
    found = dict(zip(("chat", "news"), discover(section, {}).found, strict=True))
    plugin, namespace = found["chat"]
    assert (plugin.status, plugin.error, namespace) == (PluginStatus.BLOCKED, "", None)
    assert (plugin.package, plugin.version) == ("msanic-chat", "1.2")
    assert module not in sys.modules


def test_only_those_in_the_list_are_loaded(install: Install) -> None:
    install("msanic-chat", "1.2", "chat")
    install("msanic-news", "1", "news")
    found = discover(PluginsSettings(load=["news"]), {}).found
    assert {plugin.name: plugin.status for plugin, _ in found} == {
        "chat": PluginStatus.BLOCKED,
        "news": PluginStatus.ACTIVE,
    }


def test_a_name_in_the_list_that_is_not_installed(install: Install) -> None:
    install("msanic-chat", "1.2", "chat")
    assert discover(PluginsSettings(load=["caht", "chat", "xyz"]), {}).problems == [
        "[plugins] load names 'caht', which is not installed; install it or take it out of the list; "
        "did you mean 'chat'?",
        "[plugins] load names 'xyz', which is not installed; install it or take it out of the list",
    ]


def test_a_module_that_needs_what_is_missing(install: Install) -> None:
    install("msanic-chat", "1.2", "chat", "import no_such_module_anywhere")
    plugin = the_only()
    assert plugin.status is PluginStatus.BROKEN
    assert plugin.error == (
        "msanic-chat 1.2: cannot be imported: ModuleNotFoundError: No module named 'no_such_module_anywhere'; "
        'install what it needs or block it with [plugins] block = ["chat"]'
    )


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("assert False", "AssertionError"),
    ],
)
def test_a_module_that_fails(source: str, what: str, install: Install) -> None:
    install("msanic-chat", "1.2", "chat", source)
    plugin = the_only()
    assert plugin.status is PluginStatus.BROKEN
    assert plugin.error.startswith(f"msanic-chat 1.2: cannot be imported: {what}")
    assert plugin.error.endswith('; repair it or block it with [plugins] block = ["chat"]')
    assert "\n" not in plugin.error


def test_where_a_module_failed_is_in_the_log(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    module = install("msanic-chat", "1.2", "chat", "raise ValueError")
    with caplog.at_level("DEBUG", "msanic_core.plugins"):
        the_only()
    assert f"{module}.py" in caplog.text


def test_a_module_without_the_object(install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", attribute="plugin")
    assert f"AttributeError: module '{module}' has no attribute 'plugin'; repair it" in the_only().error


def test_a_wrong_declaration_says_itself_what_to_do(install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", '@command("sys.x")\ndef x(ctx): ...')
    assert the_only().error == (
        f"msanic-chat 1.2: command 'sys.x' ({module}.x): the type 'sys' belongs to the core; use another type; "
        'or block it with [plugins] block = ["chat"]'
    )


def test_control_c_while_importing_is_not_held_back(install: Install) -> None:
    install("msanic-chat", "1.2", "chat", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover(PluginsSettings(), {})


def test_one_that_is_broken_does_not_hide_the_others(install: Install) -> None:
    install("msanic-chat", "1.2", "chat", "raise ValueError")
    install("msanic-news", "1", "news")
    found = discover(PluginsSettings(), {}).found
    assert [(plugin.name, plugin.status) for plugin, _ in found] == [("chat", "broken"), ("news", "active")]


def test_two_packages_with_one_name(install: Install) -> None:
    modules = [install("msanic-chat", "1.2", "chat"), install("other-chat", "3", "chat")]
    found = discover(PluginsSettings(), {}).found
    assert [(plugin.package, namespace) for plugin, namespace in found] == [("msanic-chat", None), ("other-chat", None)]
    assert {plugin.status for plugin, _ in found} == {PluginStatus.BROKEN}
    assert {plugin.error for plugin, _ in found} == {
        "msanic-chat 1.2 and other-chat 3: each has a plugin named 'chat'; uninstall all but one of them"
    }
    assert not any(module in sys.modules for module in modules)


def test_two_packages_with_one_name_that_is_blocked(install: Install) -> None:
    install("msanic-chat", "1.2", "chat")
    install("other-chat", "3", "chat")
    assert {plugin.status for plugin, _ in discover(PluginsSettings(block=["chat"]), {}).found} == {
        PluginStatus.BLOCKED
    }


@pytest.mark.parametrize(
    "requirement",
    ["msanic-core>=2", "msanic_core<0.5", "Msanic.Core ==0.1", 'msanic-core>=2; python_version >= "3"'],
)
def test_a_plugin_for_another_version_of_the_core(requirement: str, install: Install) -> None:
    install("msanic-core", "0.5.1", "")
    module = install("msanic-chat", "1.2", "chat", requires=["msgspec", requirement])
    plugin = the_only()
    assert plugin.status is PluginStatus.BROKEN
    assert plugin.error.startswith("msanic-chat 1.2: needs msanic-core")
    assert "and this is msanic-core 0.5.1; install a release of msanic-chat that fits, with" in plugin.error
    assert "pip install --upgrade msanic-chat" in plugin.error
    assert module not in sys.modules


@pytest.mark.parametrize(
    "requirement",
    [
        "msanic-core",
        "msanic-core>=0.5,<1",
        'msanic-core>=2; extra == "redis"',
        'msanic-core>=2; python_version < "3"',
        "not a requirement at all",
    ],
)
def test_a_plugin_for_this_version_of_the_core(requirement: str, install: Install) -> None:
    install("msanic-core", "0.5.1.dev3", "")
    install("msanic-chat", "1.2", "chat", requires=[requirement.replace("0.5,", "0.4,")])
    assert the_only().error == ""


def test_a_core_of_unknown_version_takes_every_plugin(install: Install) -> None:
    install("msanic-chat", "1.2", "chat", requires=["msanic-core>=2"])
    assert the_only().error == ""


def test_plugins_given_directly_need_no_package(install: Install) -> None:
    install("msanic-news", "1", "news")
    given = types.ModuleType("given")
    found = discover(PluginsSettings(load=[], block=["chat"]), {"chat": given, "other": object()}).found
    assert [(plugin.name, plugin.status, plugin.module) for plugin, _ in found if plugin.name != "news"] == [
        ("chat", PluginStatus.ACTIVE, "given"),
        ("other", PluginStatus.ACTIVE, "object"),
    ]
    assert found[0][1] is given
    assert (found[0][0].package, found[0][0].label) == ("", "plugin 'chat'")


def test_a_plugin_given_directly_takes_the_place_of_an_installed_one(install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat")
    given = types.ModuleType("given")
    found = discover(PluginsSettings(load=["chat"]), {"chat": given})
    assert [(plugin.module, namespace) for plugin, namespace in found.found] == [("given", given)]
    assert found.problems == []
    assert module not in sys.modules


def test_metadata_without_a_name(install: Install, tmp_path: Path) -> None:
    module = install("msanic-chat", "1.2", "chat")
    next(tmp_path.rglob("METADATA")).write_text("Metadata-Version: 2.1\n")
    assert the_only().label == f"(a package without a name, of {module})"


@pytest.mark.parametrize(
    ("requirement", "shown"),
    [
        ("msanic-shop>=2", "msanic-shop>=2"),
        ("Msanic_Shop", "Msanic_Shop"),
        ('msanic-shop>=2; python_version >= "3"', "msanic-shop>=2"),
        ("msanic-core-extras>=2", "msanic-core-extras>=2"),
    ],
)
def test_a_requirement_that_is_not_installed(requirement: str, shown: str, install: Install) -> None:
    module = install("msanic-chat", "1.2", "chat", requires=[requirement])
    assert the_only().error == (
        f"msanic-chat 1.2: needs {shown}, which is not installed; pip install {shown!r}, or block it with [plugins] "
        'block = ["chat"]'
    )
    assert module not in sys.modules


def test_a_requirement_of_an_extra_or_of_another_platform_need_not_be_installed(install: Install) -> None:
    elsewhere = [
        'msanic-shop; extra == "shop"',
        'msanic-shop; python_version < "3"',
        'msanic-shop ; sys_platform == "?"',
    ]
    install("msanic-chat", "1.2", "chat", requires=elsewhere)
    assert (the_only().error, the_only().requires) == ("", ())


def test_a_requirement_that_is_installed_under_another_spelling(install: Install) -> None:
    install("msanic_shop", "1", "shop")
    install("msanic-chat", "1.2", "chat", requires=["Msanic.Shop>=1"])
    found = {plugin.name: plugin for plugin, _ in discover(PluginsSettings(), {}).found}
    assert (found["chat"].error, found["chat"].requires) == ("", ("msanic-shop",))


def test_a_plugin_that_is_required_must_be_loaded(install: Install) -> None:
    install("msanic-shop", "1", "shop")
    install("msanic-till", "1", "till", requires=["msanic-shop"])
    install("msanic-chat", "1.2", "chat", requires=["msanic-till"])
    found = {plugin.name: plugin for plugin, _ in discover(PluginsSettings(block=["shop"]), {}).found}
    assert found["till"].error == (
        "msanic-till 1: needs msanic-shop, whose plugin 'shop' is blocked; load it or block it with [plugins] "
        'block = ["till"]'
    )
    assert found["chat"].error == (
        "msanic-chat 1.2: needs msanic-till, whose plugin 'till' is broken; repair that or block it with [plugins] "
        'block = ["chat"]'
    )
