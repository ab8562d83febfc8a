import json
from pathlib import Path

import pytest

from msanic_core.cli import main

SETTINGS = """
[db]
url = "postgres://user:hush@host/db"
[plugins.jwt]
secret = "hush"
since = 2024-01-01
"""


def test_every_key_with_value_and_origin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("msanic.toml").write_text(SETTINGS)
    monkeypatch.setenv("MSANIC_WS__QUEUE", "7")
    assert main(["config", "--port", "9"]) == 0
    captured = capsys.readouterr()
    lines = [line.split(maxsplit=2) for line in captured.out.splitlines()]
    assert lines[0] == ["KEY", "VALUE", "FROM"]
    assert ["server.port", "9", "flag --port"] in lines
    assert ["server.workers", "1", "default"] in lines
    assert ["ws.queue", "7", "environment MSANIC_WS__QUEUE"] in lines
    assert ["db.url", '"postgres://user:***@host/db"', "msanic.toml"] in lines
    assert ["plugins.jwt.secret", '"***"', "msanic.toml"] in lines
    assert ["plugins.jwt.since", '"2024-01-01"', "msanic.toml"] in lines
    assert len(lines) == 55
    assert "hush" not in captured.out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.toml").write_text(SETTINGS)
    assert main(["config", "--json", "--config", "other.toml"]) == 0
    out = capsys.readouterr().out
    shown = json.loads(out)
    assert shown["server.port"] == {"value": 8800, "origin": "default"}
    assert shown["plugins.load"] == {"value": None, "origin": "default"}
    assert shown["plugins.jwt.secret"] == {"value": "***", "origin": "other.toml"}
    assert "hush" not in out
