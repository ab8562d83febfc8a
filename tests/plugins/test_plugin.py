from msanic_core.errors import PluginError
from msanic_core.plugins.plugin import Plugin, block_hint, one_line


def test_the_first_error_stays() -> None:
    plugin = Plugin("chat", "msanic-chat", "1.2")
    plugin.fail("first")
    plugin.fail("second")
    assert plugin.error == "msanic-chat 1.2: first"


def test_texts() -> None:
    assert block_hint("chat") == 'block it with [plugins] block = ["chat"]'
    assert one_line(ValueError("a\n  b")) == "ValueError: a b"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(PluginError("a b")) == "a b"
