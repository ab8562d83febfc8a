import asyncio
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msanic_chat import plugin
from msanic_chat.settings import MAX_ANSWER, ChatSettings

from msanic_core import PluginError
from msanic_core.testing import serving


def test_the_readme_has_the_defaults() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    shown = tomllib.loads(readme.split("```toml\n")[1].split("```")[0])
    assert shown == {"plugins": {"chat": msgspec.to_builtins(ChatSettings())}}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"history": -1}, "[plugins.chat] does not fit: history: "),
        ({"max_room": 61}, "[plugins.chat] does not fit: max_room: "),
        ({"hystory": 1}, "[plugins.chat] has an unknown key 'hystory'"),
        (
            {"history": 100, "max_text": 2001},
            f"history times max_text is 200100, and at most {MAX_ANSWER} characters are allowed: lower one of them",
        ),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(table: dict[str, Any], text: str) -> None:
    async def main() -> None:
        async with serving({"chat": plugin}, {"plugins": {"chat": table}}):
            pass

    with pytest.raises(PluginError) as caught:
        asyncio.run(main())
    assert text in str(caught.value)
