from typing import Any

import msgspec
import pytest

from msanic_core.commands.declaration import AnyCommand, command
from msanic_core.commands.map import CommandMap
from msanic_core.errors import PluginError
from msanic_core.wire import Codecs


class Say(msgspec.Struct):
    room: str
    text: str = ""


@command("chat.say", id=2001, concurrent=True)
async def say(ctx: Any, data: Say) -> None: ...


@command("chat.rooms")
def rooms(ctx: Any) -> None: ...


def handler(ctx: Any) -> None: ...


def named(name: str, number: int | None = None) -> AnyCommand:
    return command(name, id=number)(handler)


@pytest.fixture
def codecs() -> Codecs:
    return Codecs()


def test_the_map_finds_by_name_and_by_id(codecs: Codecs) -> None:
    commands = CommandMap.build([("chat", say), ("rooms", rooms)], codecs)
    bound = commands.get("chat.say")
    assert bound is not None
    assert bound is commands.get(2001)
    assert (bound.plugin, bound.command, bound.handler) == ("chat", say, say.handler)
    assert (bound.is_async, bound.concurrent) == (True, True)
    other = commands.get("chat.rooms")
    assert other is not None
    assert (other.plugin, other.is_async, other.concurrent, other.decoders) == ("rooms", False, False, None)
    assert commands.get("chat.sy") is None
    assert commands.get(2002) is None


def test_data_is_decoded_the_same_from_every_codec(codecs: Codecs) -> None:
    bound = CommandMap.build([("chat", say)], codecs).get("chat.say")
    assert bound is not None
    assert bound.decoders is not None
    assert set(bound.decoders) == {codec.name for codec in codecs.all}
    message = {"cmd": "chat.say", "data": {"room": "lobby", "text": "hi"}}
    json = codecs.json.decode(msgspec.json.encode(message).decode())
    packed = codecs.msgpack.decode(msgspec.msgpack.encode(message))
    binary = codecs.binary_json.decode(msgspec.json.encode(message))
    assert bound.decoders[codecs.json.name](json.data) == Say("lobby", "hi")
    assert bound.decoders[codecs.binary_json.name](binary.data) == Say("lobby", "hi")
    assert bound.decoders[codecs.msgpack.name](packed.data) == Say("lobby", "hi")


def test_the_quick_way_to_read_requests_knows_every_command_by_name(codecs: Codecs) -> None:
    commands = CommandMap.build([("chat", say), ("rooms", rooms), ("chat", named("a.b", 2000))], codecs)
    json, msgpack = (commands.typed_decoders[codec.name] for codec in (codecs.json, codecs.msgpack))
    assert json.commands == {"chat.say", "chat.rooms", "a.b"}
    assert msgpack.commands == {"chat.say"}
    message = {"cmd": "chat.say", "data": {"room": "lobby", "text": "hi"}}
    assert json.decode(msgspec.json.encode(message).decode()).data == Say("lobby", "hi")
    assert msgpack.decode(msgspec.msgpack.encode(message)).data == Say("lobby", "hi")
    # Data for a handler that takes none is not decoded.
    assert bytes(json.decode('{"cmd":"chat.rooms","data":[1e999]}').data) == b"[1e999]"
    assert CommandMap.build([], codecs).typed_decoders[codecs.json.name].commands == frozenset()


def test_the_map_lists_each_command_once_and_sorted(codecs: Codecs) -> None:
    commands = CommandMap.build([("chat", say), ("chat", rooms), ("a", named("a.b"))], codecs)
    assert [each.command.name for each in commands] == ["a.b", "chat.rooms", "chat.say"]
    assert len(commands) == 3
    assert list(CommandMap.build([], codecs)) == []


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        (named("a.b"), named("a.b"), "command 'a.b'"),
        (named("a.b", 2000), named("a.c", 2000), "command id 2000"),
    ],
)
def test_two_plugins_with_one_name_or_id(first: AnyCommand, second: AnyCommand, key: str, codecs: Codecs) -> None:
    with pytest.raises(PluginError) as caught:
        CommandMap.build([("one", first), ("two", second)], codecs)
    text = str(caught.value)
    assert text.startswith(f"plugin 'one' and plugin 'two': {key} is declared by both, by {__name__}.handler for 'a.b'")
    assert text.endswith('give one of them another, or block one plugin with [plugins] block = ["two"]')
    assert caught.value.packages == ("one", "two")


@pytest.mark.parametrize(
    ("cmd", "expected"),
    [
        ("chat.sya", "chat.say"),
        ("caht.say", "chat.say"),
        ("chatt.room", "chat.rooms"),
        ("chat.history", None),
        ("weather.say", None),
        ("", None),
        (".", None),
        ("chat", None),
        (2002, None),
        ("chat.say" * 100_000, None),
    ],
)
def test_the_nearest_name_is_a_hint(cmd: str | int, expected: str | None, codecs: Codecs) -> None:
    commands = CommandMap.build([("chat", say), ("chat", rooms), ("room", named("room.join"))], codecs)
    assert commands.nearest(cmd) == expected


def test_a_name_that_is_too_long_to_be_one_is_not_compared(codecs: Codecs) -> None:
    longest = "a." + "b" * 253
    commands = CommandMap.build([("long", named(longest))], codecs)
    assert commands.nearest("a." + "b" * 252 + "c") == longest
    assert commands.nearest(longest + "c") is None


def test_nothing_is_near_in_an_empty_map(codecs: Codecs) -> None:
    assert CommandMap.build([], codecs).nearest("chat.say") is None
