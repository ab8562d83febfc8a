import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import msanic_notes
import msgspec
import pytest
from msanic_notes.commands import COMMANDS
from msanic_notes.settings import NotesSettings

from msanic_core import PluginError
from msanic_core.testing import serving

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_readme_has_the_defaults() -> None:
    shown = tomllib.loads(README.split("```toml\n")[1].split("```")[0])
    assert shown == {"plugins": {"notes": msgspec.to_builtins(NotesSettings())}}


def test_the_readme_has_the_commands() -> None:
    shown = re.findall(r"^\| `(notes\.\w+)` \| (\d+) \|", README, re.MULTILINE)
    assert shown == [(command.name, str(command.id)) for command in COMMANDS]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"max_notes": 0}, "[plugins.notes] does not fit: max_notes: "),
        ({"max_members": 1001}, "[plugins.notes] does not fit: max_members: "),
        ({"max_note": 1}, "[plugins.notes] has an unknown key 'max_note'"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(table: dict[str, Any], text: str) -> None:
    async def main() -> None:
        async with serving({"notes": msanic_notes}, {"plugins": {"notes": table}}):
            pass

    with pytest.raises(PluginError) as caught:
        asyncio.run(main())
    assert text in str(caught.value)
