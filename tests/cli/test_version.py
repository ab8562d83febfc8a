import platform
from importlib.metadata import version

import pytest

from msanic_core.cli import main


@pytest.mark.parametrize("argv", [["version"], ["--version"]])
def test_versions(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["msanic-core", "Python", "sanic", "aiofastnet", "pluggy"]
    assert lines[1:] == [
        f"Python {platform.python_version()}",
        f"sanic {version('sanic')}",
        f"aiofastnet {version('aiofastnet')}",
        f"pluggy {version('pluggy')}",
    ]
