import asyncio
import inspect
from typing import Any

import msgspec
import pytest

from msanic_core.commands.declaration import AnyCommand, Command, command
from msanic_core.commands.signature import NO_DATA
from msanic_core.errors import PluginError


class Say(msgspec.Struct):
    room: str
    text: str = ""


@command("chat.say", id=2001, concurrent=True)
async def say(ctx: Any, data: Say) -> str:
    """Say something.

    Everybody in the room hears it.
    """
    return f"{ctx} in {data.room}"


@command("chat.rooms")
def rooms(ctx: Any) -> list[str]:
    return [ctx]


def handler(ctx: Any) -> None: ...


def named(name: str, number: int | None = None) -> AnyCommand:
    return command(name, id=number)(handler)


def test_a_command_holds_its_declaration() -> None:
    assert isinstance(say, Command)
    assert (say.name, say.id, say.concurrent, say.is_async, say.data_type) == ("chat.say", 2001, True, True, Say)
    assert (rooms.name, rooms.id, rooms.concurrent, rooms.is_async) == ("chat.rooms", None, False, False)
    assert rooms.data_type is NO_DATA
    assert say.doc == "Say something.\n\nEverybody in the room hears it."
    assert rooms.doc == ""


def test_a_command_can_be_called_as_the_function_it_was() -> None:
    assert asyncio.run(say("ctx", Say("lobby"))) == "ctx in lobby"
    assert rooms(ctx="ctx") == ["ctx"]


def test_a_command_looks_like_the_function_it_was() -> None:
    assert say.__doc__ == say.handler.__doc__
    assert say.__doc__ is not None
    assert list(inspect.signature(say).parameters) == ["ctx", "data"]
    assert repr(say) == f"<Command 'chat.say': {__name__}.say>"


@pytest.mark.parametrize("name", ["a.b", "Chat-1.say_2", "sysadmin.x", "chat.sys", "a." + "b" * 253])
def test_names_that_are_allowed(name: str) -> None:
    assert named(name).name == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *[(name, "a name is type.code, with one dot") for name in ("", "chat", "chat.", ".say", "a.b.c", "a.b\n")],
        *[(name, "only A-Z a-z 0-9 _ -") for name in ("chat.sagé", "chat .say", "chat.s*y", "{a}.b", "a:b.c")],
        ("a." + "b" * 254, "the name has 256 bytes, and at most 255 are allowed"),
        ("sys.ping", "the type 'sys' belongs to the core; use another type"),
    ],
)
def test_names_that_are_not(name: str, why: str) -> None:
    with pytest.raises(PluginError) as caught:
        named(name)
    assert str(caught.value).startswith(f"command {name!r} ({__name__}.handler): ")
    assert why in str(caught.value)


def test_a_command_without_a_name_says_how_to_write_it() -> None:
    wrong: Any = command
    with pytest.raises(TypeError) as caught:
        wrong(handler)
    assert str(caught.value) == f'@command on {__name__}.handler needs a name: write @command("type.code")'


def test_ids_begin_with_those_of_plugins() -> None:
    assert named("a.b", 2000).id == 2000
    for number in (1999, 1001, 0, -2001):
        with pytest.raises(PluginError, match=rf"handler\): id {number} belongs to the core; use 2000 or more"):
            named("a.b", number)


@pytest.mark.parametrize("number", [True, 2001.0, "2001"])
def test_ids_are_integers(number: Any) -> None:
    with pytest.raises(TypeError, match=rf"handler\): id must be an int, not {type(number).__name__}"):
        named("a.b", number)


def test_a_handler_that_cannot_be_one_is_refused_when_it_is_declared() -> None:
    with pytest.raises(PluginError, match=r"command 'a.b' \(.*<lambda>\): a handler takes the context"):
        command("a.b")(lambda: None)
