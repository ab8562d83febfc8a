"""The commands of plugins, right and wrong."""

from textwrap import dedent
from typing import Any

import pytest

from msanic_core.commands.declaration import command
from msanic_core.hookspecs import hookimpl
from tests.support.plugins import BLOCK, Install, Load, error_of

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
    assert [command.name for _, command in plugins.commands] == ["news.read"]
    load({"block": ["talk"]}).check()


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
    assert plugins.commands == (("chat", say),)
