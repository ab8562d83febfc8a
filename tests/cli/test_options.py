import argparse
from pathlib import Path

import pytest

from msanic_core.cli.options import add_settings_arguments, read_settings
from msanic_core.config.load import Origins
from msanic_core.config.sections import Settings
from msanic_core.errors import ConfigError


def read(*argv: str, workers: bool = False) -> tuple[Settings, Origins]:
    parser = argparse.ArgumentParser()
    add_settings_arguments(parser, workers=workers)
    return read_settings(parser.parse_args(argv))


def test_flags_set_their_keys() -> None:
    settings, origins = read(
        "--host", "::1", "--port", "9", "--db", "sqlite://x", "--redis", "", "--auth", "anonymous", "--workers", "1",
        workers=True,
    )  # fmt: skip
    assert settings.server.host == "::1"
    assert settings.server.port == 9
    assert settings.db.url == "sqlite://x"
    assert settings.auth.mode == "anonymous"
    assert {origin for origin in origins.values() if origin != "default"} == {
        "flag --host", "flag --port", "flag --db", "flag --redis", "flag --auth", "flag --workers",
    }  # fmt: skip


def test_a_value_may_hold_equals_signs() -> None:
    assert read("--set", "db.url=sqlite://x?a=b")[0].db.url == "sqlite://x?a=b"


@pytest.mark.parametrize(
    ("argv", "port", "origin"),
    [
        (("--port", "1", "--set", "server.port=2"), 2, "flag --set server.port"),
        (("--set", "server.port=2", "--port", "1"), 1, "flag --port"),
        (("--set", "server.port=2", "--set", "server.port=3"), 3, "flag --set server.port"),
    ],
)
def test_the_last_flag_for_a_key_counts(argv: tuple[str, ...], port: int, origin: str) -> None:
    settings, origins = read(*argv)
    assert (settings.server.port, origins["server.port"]) == (port, origin)


@pytest.mark.parametrize("text", ["ws.rate", "=5"])
def test_set_needs_key_and_value(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--set", text)
    assert "argument --set: expected KEY=VALUE" in capsys.readouterr().err


def test_config_names_the_file() -> None:
    Path("other.toml").write_text("[ws]\nrate = 5")
    assert read("--config", "other.toml")[0].ws.rate == 5
    with pytest.raises(ConfigError, match="nowhere"):
        read("--config", "nowhere")


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSANIC_WS__RATE", "5")
    assert read()[0].ws.rate == 5
