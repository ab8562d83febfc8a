import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from msanic_core.config.load import Origins, flat, load_settings, settings_from
from msanic_core.config.sections import Settings
from msanic_core.errors import ConfigError


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "msanic.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def load(
    toml: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> tuple[Settings, Origins]:
    write(toml)
    return load_settings(None, environ or {}, overrides or {})


def error(toml: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(toml, environ, overrides)
    return str(caught.value)


def test_flags_go_before_environment_before_file_before_default() -> None:
    toml = "[ws]\nqueue = 1\nmax_depth = 1\nmax_fragments = 1"
    environ = {"MSANIC_WS__QUEUE": "2", "MSANIC_WS__MAX_DEPTH": "2"}
    settings, origins = load(toml, environ, {"ws.queue": "3"})
    assert (settings.ws.queue, settings.ws.max_depth, settings.ws.max_fragments) == (3, 2, 1)
    assert origins["ws.queue"] == "flag --set ws.queue"
    assert origins["ws.max_depth"] == "environment MSANIC_WS__MAX_DEPTH"
    assert origins["ws.max_fragments"] == "msanic.toml"
    assert origins["ws.rate"] == "default"


def test_a_flag_of_its_own_is_named() -> None:
    _, origins = load_settings(None, {}, {"server.port": "1"}, flags={"server.port": "--port"})
    assert origins["server.port"] == "flag --port"


def test_named_file() -> None:
    write("[server]\nport = 1")
    settings, origins = load_settings(write("[server]\nport = 2", "other.toml"), {}, {})
    assert (settings.server.port, origins["server.port"]) == (2, "other.toml")


def test_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml does not exist"):
        load_settings(Path("nowhere.toml"), {}, {})


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{re.escape(str(tmp_path))} cannot be read: "):
        load_settings(tmp_path, {}, {})


@pytest.mark.parametrize(("text", "line"), [("[server]\nport == 1\n", 2), ("\n\n[server", 3)])
def test_toml_syntax_error_names_file_and_line(text: str, line: int) -> None:
    assert error(text).startswith(f"msanic.toml, line {line}: not TOML: ")


def test_file_that_is_not_utf8() -> None:
    Path("msanic.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=r"msanic\.toml: byte 3 is not UTF-8"):
        load_settings(None, {}, {})


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("SERVER__PORT", "9000", "server.port", 9000),
        ("SERVER__HOST", "::1", "server.host", "::1"),
        ("SERVER__HOST", '"::1"', "server.host", "::1"),
        ("SERVER__HOST", "12", "server.host", "12"),
        ("SERVER__HOST", "1.50", "server.host", "1.50"),
        ("SERVER__DRAIN_TIMEOUT", "3", "server.drain_timeout", 3.0),
        ("AUTH__MODE", "anonymous", "auth.mode", "anonymous"),
        ("DB__URL", "sqlite://x.db", "db.url", "sqlite://x.db"),
        ("DB__URL", "sqlite://x.db\nvalue = 1", "db.url", "sqlite://x.db\nvalue = 1"),
        (
            "WS__ORIGINS",
            "https://a.example, https://b.example",
            "ws.origins",
            ["https://a.example", "https://b.example"],
        ),
        ("WS__ORIGINS", '["https://a.example"]', "ws.origins", ["https://a.example"]),
        ("WS__ORIGINS", "", "ws.origins", []),
        ("PLUGINS__LOAD", "chat", "plugins.load", ["chat"]),
        ("PLUGINS__LOAD", "1,2", "plugins.load", ["1", "2"]),
        ("PLUGINS__BLOCK", "7", "plugins.block", ["7"]),
        ("PLUGINS__CHAT__HISTORY", "20", "plugins.chat.history", 20),
        ("PLUGINS__CHAT__TITLE", "20 rooms", "plugins.chat.title", "20 rooms"),
        ("PLUGINS__CHAT__TITLE", "1\nother = 2", "plugins.chat.title", "1\nother = 2"),
        ("PLUGINS__CHAT__ROOMS__LOBBY", "true", "plugins.chat.rooms.lobby", True),
        ("PLUGINS__CHAT", "{history = 20}", "plugins.chat.history", 20),
    ],
)
def test_values_of_variables_and_of_set(variable: str, text: str, key: str, value: Any) -> None:
    for settings, origins in (load("", {f"MSANIC_{variable}": text}), load("", {}, {variable_key(variable): text})):
        assert flat(settings)[key] == value
        assert origins[key] != "default"


def variable_key(variable: str) -> str:
    return variable.lower().replace("__", ".")


def test_other_variables_are_left_alone() -> None:
    environ = {"SANIC_SERVER__PORT": "1", "PATH": "/bin", "xMSANIC_WS__RATE": "1", "MSANIC_CORE_COMPILE": "1"}
    settings, _ = load("", environ)
    assert settings == settings_from({})


@pytest.mark.parametrize(
    ("toml", "unknown", "nearest"),
    [
        ("[server]\nprot = 1", "unknown setting server.prot", "server.port"),
        ("[ws]\nmax-message = 1", "unknown setting ws.max-message", "ws.max_message"),
        ("port = 1", "unknown setting port", "server.port"),
        ("[servr]\nport = 1", "unknown section [servr]", "[server]"),
        ("[plugins]\nlaod = ['x']", "unknown setting plugins.laod", "plugins.load"),
    ],
)
def test_unknown_key_in_the_file(toml: str, unknown: str, nearest: str) -> None:
    assert error(toml) == f"{unknown} (msanic.toml); the nearest known one is {nearest}"


@pytest.mark.parametrize(
    ("variable", "key", "nearest"),
    [
        ("MSANIC_SERVER__PROT", "server.prot", "server.port (MSANIC_SERVER__PORT)"),
        ("MSANIC_SERVER_PORT", "server_port", "server.port (MSANIC_SERVER__PORT)"),
        ("MSANIC_WS__RATE__X", "ws.rate.x", "ws.rate (MSANIC_WS__RATE)"),
        ("MSANIC_PLUGINS__LOAD__X", "plugins.load.x", "plugins.load (MSANIC_PLUGINS__LOAD)"),
        ("MSANIC_PLUGINS__CHAT__", "plugins.chat.", None),
        ("MSANIC_", "", None),
    ],
)
def test_unknown_variable(variable: str, key: str, nearest: str | None) -> None:
    text = error("", {variable: "1"})
    assert text.startswith(f"unknown setting {key} (environment {variable}); the nearest known one is {nearest or ''}")


def test_unknown_override() -> None:
    text = error("", {}, {"ws.queu": "1"})
    assert text == "unknown setting ws.queu (flag --set ws.queu); the nearest known one is ws.queue"


def test_wrong_value_names_the_variable_or_flag() -> None:
    assert error("", {"MSANIC_SERVER__PORT": "many"}).startswith(
        "server.port = 'many' (environment MSANIC_SERVER__PORT): expected"
    )
    assert error("", {}, {"server.port": -1}).startswith("server.port = -1 (flag --set server.port): expected")


def test_plugin_tables_are_kept_as_written() -> None:
    settings, origins = load(
        "[plugins]\nblock = ['a']\n[plugins.chat]\nhistory = 5\n[plugins.chat.rooms]\na = [1]\n[plugins.b]"
    )
    assert settings.plugin_tables == {"chat": {"history": 5, "rooms": {"a": [1]}}, "b": {}}
    assert settings.plugins.block == ["a"]
    assert {key: origin for key, origin in origins.items() if key.startswith(("plugins.chat", "plugins.b."))} == {
        "plugins.chat.history": "msanic.toml",
        "plugins.chat.rooms.a": "msanic.toml",
    }
    assert flat(settings)["plugins.chat.rooms.a"] == [1]
    assert flat(settings)["plugins.b"] == {}
    assert set(flat(settings)) == set(origins)


def test_a_variable_finds_a_plugin_name_it_cannot_spell() -> None:
    environ = {"MSANIC_PLUGINS__MY_CHAT__MAX_ROOMS": "3", "MSANIC_PLUGINS__MY_CHAT__NEW_KEY": "1"}
    settings, origins = load("[plugins.My-Chat]\nmax-rooms = 5", environ)
    assert settings.plugin_tables == {"My-Chat": {"max-rooms": 3, "new_key": 1}}
    assert origins["plugins.My-Chat.max-rooms"] == "environment MSANIC_PLUGINS__MY_CHAT__MAX_ROOMS"


def test_a_variable_alone_names_a_plugin_with_dashes() -> None:
    settings, _ = load("", {"MSANIC_PLUGINS__MY_CHAT__HISTORY": "3"}, {"plugins.my_chat.rooms": 4})
    assert settings.plugin_tables == {"my-chat": {"history": 3, "rooms": 4}}


def test_keys_of_a_plugin_in_the_file_stay_apart() -> None:
    settings, _ = load("[plugins.chat.codes]\na-b = 1\na_b = 2")
    assert settings.plugin_tables == {"chat": {"codes": {"a-b": 1, "a_b": 2}}}


def test_a_later_table_takes_the_place_of_a_value_and_the_reverse() -> None:
    assert load("[plugins.a]\nx = 1", {"MSANIC_PLUGINS__A__X__Y": "2"})[0].plugin_tables == {"a": {"x": {"y": 2}}}
    settings, origins = load("[plugins.a.x]\ny = 1\nz = 1", {"MSANIC_PLUGINS__A__X": "2"})
    assert settings.plugin_tables == {"a": {"x": 2}}
    assert [key for key in origins if key.startswith("plugins.a")] == ["plugins.a.x"]


@given(st.text("0123456789.:-+_xenaiftrulse\"'[]=, \t\n#T", max_size=12))
@example("0")
@example("007")
@example("-7")
@example("9" * 30)
@example("true")
@example("+inf")
@example(" 'a' # b")
@example("2026-01-31")
@example("1\ny = 2")
def test_a_text_for_a_plugin_is_read_as_toml_if_it_is_any(text: str) -> None:
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        document = {}
    expected = document["value"] if len(document) == 1 else text
    settings, _ = load_settings(None, {}, {"plugins.chat.some": text})
    assert repr(settings.plugin_tables["chat"]["some"]) == repr(expected)
