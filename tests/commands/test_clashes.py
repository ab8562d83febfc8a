from typing import Any

from msanic_core.commands.clashes import describe_clash, find_clashes
from msanic_core.commands.declaration import AnyCommand, command


def handler(ctx: Any) -> None: ...


def named(name: str, number: int | None = None) -> AnyCommand:
    return command(name, id=number)(handler)


def test_one_plugin_with_a_command_twice() -> None:
    (clash,) = find_clashes([("one", named("a.b")), ("one", named("a.b"))])
    text = describe_clash(clash, "msanic-one 1.0", "msanic-one 1.0")
    assert text.startswith("msanic-one 1.0: command 'a.b' is declared twice, by ")
    assert text.endswith("give one of them another")


def test_all_clashes_are_found() -> None:
    entries = [("one", named("a.b", 2000)), ("two", named("a.b", 2000)), ("three", named("a.b"))]
    assert [(clash.key, clash.first[0], clash.second[0]) for clash in find_clashes(entries)] == [
        ("a.b", "one", "two"),
        (2000, "one", "two"),
        ("a.b", "one", "three"),
    ]
