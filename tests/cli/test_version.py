import os
import platform
from importlib.metadata import version

import pytest

from msanic_core.cli import main


@pytest.mark.parametrize("argv", [["version"], ["--version"]])
def test_versions(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"msanic-core {version('msanic-core')}",
        f"message path: {'compiled' if os.environ.get('TESTS_COMPILED') == '1' else 'pure Python'}",
        f"Python {platform.python_version()}",
        f"sanic {version('sanic')}",
        f"aiofastnet {version('aiofastnet')}",
        f"pluggy {version('pluggy')}",
    ]
