import itertools
from collections.abc import Mapping

import pytest

from msanic_core.plugins.order import in_start_order
from msanic_core.plugins.plugin import Plugin


def order(requires: Mapping[str, str], names: str) -> str:
    """The start order of plugins with requirements: "b": "a c"."""
    plugins = [
        Plugin(name, f"msanic-{name}", "1", requires=tuple(f"msanic-{each}" for each in requires.get(name, "").split()))
        for name in names
    ]
    return "".join(plugin.name for plugin in in_start_order(plugins))


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ({}, "abcd"),
        ({"a": "b"}, "bacd"),
        ({"a": "d", "d": "c"}, "cdab"),
        ({"a": "b c", "b": "d"}, "dbca"),
        ({"a": "elsewhere"}, "abcd"),
        ({"a": "b", "b": "a"}, "bacd"),
        ({"a": "a"}, "abcd"),
    ],
)
def test_a_plugin_starts_after_those_that_it_requires(requires: Mapping[str, str], expected: str) -> None:
    for names in itertools.permutations("abcd"):
        assert order(requires, "".join(names)) == expected


def test_plugins_without_a_package_require_nothing() -> None:
    assert [plugin.name for plugin in in_start_order([Plugin("b"), Plugin("a")])] == ["a", "b"]
