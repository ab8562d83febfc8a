"""What type checkers say of a plugin: pyright, which editors run. mypy has the same files in `make check`."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import data_page

ROOT = Path(__file__).parent.parent
PLUGINS = [*ROOT.glob("plugins/*/src"), ROOT / "examples", ROOT / "tests/support/typed_plugin.py"]

WRONG = """\
from msanic_core.db import Page, page
from tests.support.typed_plugin import Book, Shown


async def find() -> Page[Book]:
    return await page(Book.all(), as_type=Shown)
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Path, list[str]]:
    """The errors that pyright finds, by file: in plugins, in what docs/data.md shows, and in a file that is wrong."""
    directory = tmp_path_factory.mktemp("pyright")
    written = [directory / "wrong.py", directory / "models_of_the_page.py"]
    for path, text in zip(written, (WRONG, data_page.MODULE), strict=True):
        path.write_text(text)
    config = directory / "pyrightconfig.json"
    include = [str(path) for path in (*PLUGINS, *written)]
    config.write_text(
        json.dumps({"include": include, "typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "exclude": []})
    )
    result = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--project", config, "--pythonpath", sys.executable, "--outputjson"],
        capture_output=True,
        text=True,
    )
    assert result.returncode in (0, 1), result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["summary"]["filesAnalyzed"] > 20, report["summary"]
    found: dict[Path, list[str]] = {}
    for each in report["generalDiagnostics"]:
        if each["severity"] == "error":
            line = f"{each['range']['start']['line'] + 1}: {each['message']}"
            found.setdefault(Path(each["file"]), []).append(line)
    return found


@pytest.mark.interpreted
def test_pyright_has_nothing_to_say_of_plugins(complaints: Mapping[Path, list[str]]) -> None:
    assert not {path: lines for path, lines in complaints.items() if path.name != "wrong.py"}


@pytest.mark.interpreted
def test_pyright_finds_what_is_wrong(complaints: Mapping[Path, list[str]]) -> None:
    (lines,) = [lines for path, lines in complaints.items() if path.name == "wrong.py"]
    assert len(lines) == 1
    assert lines[0].startswith("6: ")
    assert "Page[Shown]" in lines[0]
