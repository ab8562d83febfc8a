import json
from collections.abc import Callable

import pytest

from msanic_core.cli import main
from msanic_core.cli.plugins import NONE_INSTALLED, as_text
from msanic_core.plugins.plugin import PluginSet

Install = Callable[[str, str], None]

GREETER = """
from msanic_core.commands.declaration import command
from msanic_core.hookspecs import hookimpl

@command("greet.hello", id=2001)
def hello(ctx, data: str) -> str:
    return data

@command("greet.bye")
def bye(ctx):
    pass

@hookimpl
def ws_command():
    return [hello, bye]

@hookimpl
async def ws_offline(session):
    pass
"""
ONLY_OURS = ("--set", "plugins.load=greeter,wreck")
"""Other plugins may be installed in the environment of the tests."""
BROKEN = "import nowhere_to_be_found"


def line_of(name: str, text: str) -> list[str]:
    (line,) = [line.split() for line in text.splitlines() if line.startswith(f"{name} ")]
    return line


def test_none_installed_says_how_to_install_one() -> None:
    text = as_text(PluginSet((), (), {}, ()))
    assert text == NONE_INSTALLED
    assert "pip install" in text


def test_table(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("greeter", GREETER)
    assert main(["plugins", "--set", "plugins.load=greeter"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[0].split() == ["NAME", "VERSION", "PACKAGE", "STATE", "HOOKS", "COMMANDS"]
    assert line_of("greeter", captured.out) == [
        "greeter", "1.2", "cli-test-greeter", "active", "ws_command", "ws_offline", "greet.hello", "greet.bye",
    ]  # fmt: skip


def test_broken_ones_are_listed_with_why(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("greeter", GREETER)
    install("wreck", BROKEN)
    assert main(["plugins", *ONLY_OURS]) == 1
    out = capsys.readouterr().out
    assert line_of("greeter", out)[3] == "active"
    assert line_of("wreck", out) == ["wreck", "1.2", "cli-test-wreck", "broken", "-", "-"]
    table, _, problems = out.partition("\n\n")
    assert "nowhere_to_be_found" not in table
    assert problems.splitlines()[0] == "The server does not start with these problems:"
    assert problems.splitlines()[1].startswith("- cli-test-wreck 1.2: cannot be imported: ")
    assert "nowhere_to_be_found" in problems


def test_blocked_ones_are_listed_and_not_imported(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("wreck", BROKEN)
    assert main(["plugins", "--set", "plugins.load=", "--set", "plugins.block=wreck"]) == 0
    assert line_of("wreck", capsys.readouterr().out)[3] == "blocked"


def test_settings_that_name_no_plugin_are_told(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("greeter", GREETER)
    assert main(["plugins", "--set", "plugins.load=greeter,greter"]) == 1
    assert "- [plugins] load names 'greter', which is not installed" in capsys.readouterr().out


def test_json(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("greeter", GREETER)
    install("wreck", BROKEN)
    assert main(["plugins", "--json", *ONLY_OURS]) == 1
    shown = json.loads(capsys.readouterr().out)
    plugins = {plugin["name"]: plugin for plugin in shown["plugins"]}
    assert plugins["greeter"] == {
        "name": "greeter",
        "version": "1.2",
        "package": "cli-test-greeter",
        "state": "active",
        "hooks": ["ws_command", "ws_offline"],
        "commands": ["greet.hello", "greet.bye"],
        "error": "",
    }
    assert plugins["wreck"]["state"] == "broken"
    assert shown["problems"] == [plugins["wreck"]["error"]]
