from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msanic_core.config.load import Origins, flat, load_settings, settings_from
from msanic_core.config.sections import SECTIONS, Settings
from msanic_core.config.text import bare, expected
from msanic_core.errors import ConfigError

KEYS = [f"{section}.{field.name}" for section, struct in SECTIONS.items() for field in msgspec.structs.fields(struct)]


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


def test_defaults_are_those_promised() -> None:
    settings, origins = load_settings(None, {}, {})
    assert flat(settings) == {
        "server.host": "127.0.0.1",
        "server.port": 8800,
        "server.workers": 1,
        "server.start_timeout": 60.0,
        "server.drain_timeout": 20.0,
        "server.backlog": 1024,
        "server.proxies": 0,
        "auth.mode": "plugin",
        "auth.timeout": 10.0,
        "ws.path": "/ws",
        "ws.max_message": 65536,
        "ws.max_fragments": 1024,
        "ws.max_containers": 10000,
        "ws.max_depth": 64,
        "ws.json_frames": "text",
        "ws.origins": [],
        "ws.sessions": "single",
        "ws.max_sessions_per_user": 10,
        "ws.max_connections": 50000,
        "ws.max_connections_per_address": 1000,
        "ws.ping_interval": 20.0,
        "ws.ping_timeout": 10.0,
        "ws.close_timeout": 5.0,
        "ws.outbox_bytes": 1048576,
        "ws.outbox_stall": 10.0,
        "ws.queue": 64,
        "ws.rate": 1000,
        "ws.burst": 2000,
        "ws.handshake_time": "off",
        "http.max_body": 4194304,
        "http.head_timeout": 10.0,
        "http.openapi": "/openapi.json",
        "http.api_title": "HTTP API",
        "http.api_version": "1.0.0",
        "http.cors_origins": [],
        "http.cors_credentials": False,
        "http.cors_max_age": 600,
        "inbox.max_messages": 1000,
        "inbox.max_bytes": 1048576,
        "inbox.max_age": 604800.0,
        "offline.yield_after": 1.0,
        "offline.cancel_after": 30.0,
        "db.url": "sqlite://msanic.db",
        "db.migrate": False,
        "db.outbox_interval": 1.0,
        "redis.url": "",
        "redis.prefix": "msanic",
        "redis.lease": 10.0,
        "redis.timeout": 2.0,
        "redis.patience": 5.0,
        "plugins.load": None,
        "plugins.block": [],
    }
    assert set(origins.values()) == {"default"}
    assert list(origins) == KEYS


def test_defaults_fit_their_own_limits() -> None:
    for section, struct in SECTIONS.items():
        defaults = {field.name: getattr(struct(), field.name) for field in msgspec.structs.fields(struct)}
        assert msgspec.convert(defaults, struct) == struct(), section


@pytest.mark.parametrize("key", KEYS)
def test_every_field_is_documented(key: str) -> None:
    section, name = key.split(".")
    (field,) = [field for field in msgspec.structs.fields(SECTIONS[section]) if field.name == name]
    info = msgspec.inspect.type_info(field.type)
    assert isinstance(info, msgspec.inspect.Metadata)
    assert (info.extra_json_schema or {})["description"].endswith(".")
    if isinstance(bare(field.type), msgspec.inspect.IntType | msgspec.inspect.FloatType) and name != "port":
        assert (info.extra or {})["unit"]
    assert expected(field.type)


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("[server]\nport = 70000", "server.port = 70000 (msanic.toml): expected an integer from 0 to 65535"),
        ("[server]\nport = '80'", "server.port = '80' (msanic.toml): expected an integer from 0 to 65535"),
        ("[server]\nport = true", "server.port = True (msanic.toml): expected an integer from 0 to 65535"),
        ("[server]\nworkers = 0", "server.workers = 0 (msanic.toml): expected an integer of at least 1 (processes)"),
        ("[server]\nhost = ''", "server.host = '' (msanic.toml): expected a host or address"),
        ("[auth]\nmode = 'x'", 'auth.mode = \'x\' (msanic.toml): expected one of "anonymous", "plugin"'),
        (
            "[ws]\nping_timeout = nan",
            "ws.ping_timeout = nan (msanic.toml): expected a number of seconds",
        ),
        (
            "[ws]\nping_timeout = inf",
            "ws.ping_timeout = inf (msanic.toml): expected a number of seconds",
        ),
        ("[ws]\nping_timeout = 0", "ws.ping_timeout = 0 (msanic.toml): expected a number of seconds"),
        ("[ws]\npath = 'ws'", "ws.path = 'ws' (msanic.toml): expected a path such as /ws"),
        ("[ws]\npath = '/<x>'", "ws.path = '/<x>' (msanic.toml): expected a path such as /ws"),
        (
            "[ws]\norigins = ['a.example']",
            "ws.origins = ['a.example'] (msanic.toml): expected a list of origins",
        ),
        (
            "[ws]\norigins = ['x://y/']",
            "ws.origins = ['x://y/'] (msanic.toml): expected a list",
        ),
        ("[db]\nurl = 'x.db'", "db.url = 'x.db' (msanic.toml): expected a URL such as sqlite://msanic.db"),
        ("[plugins]\nload = 'chat'", "plugins.load = 'chat' (msanic.toml): expected a list of plugin names"),
        ("[plugins.load]\nx = 1", "plugins.load = {'x': 1} (msanic.toml): expected a list of plugin names"),
        ("server = 3", "server = 3 (msanic.toml): expected a table [server]"),
    ],
)
def test_wrong_value_names_key_source_value_and_what_is_expected(toml: str, text: str) -> None:
    assert error(toml).startswith(text)


def test_origins_may_be_any_and_null() -> None:
    assert settings_from({"ws": {"origins": ["*", "null", "app+x://y"]}}).ws.origins == ["*", "null", "app+x://y"]


def test_burst_is_not_less_than_rate() -> None:
    text = error("[ws]\nrate = 5000")
    assert text == "ws.burst = 2000 (default) is less than ws.rate = 5000 (msanic.toml): set ws.burst to 5000 or more"
    assert settings_from({"ws": {"rate": 5000, "burst": 5000}}).ws.burst == 5000
    assert settings_from({"ws": {"rate": 0, "burst": 1}}).ws.rate == 0


def test_cancel_after_is_not_less_than_yield_after() -> None:
    text = error("[offline]\nyield_after = 31")
    assert text.startswith(
        "offline.cancel_after = 30.0 (default) is less than offline.yield_after = 31.0 (msanic.toml)"
    )


def test_several_workers_say_why_not() -> None:
    text = error("[server]\nworkers = 2")
    assert text.startswith("server.workers = 2 (msanic.toml): each worker is a process of its own")
    assert "could not reach each other" in text
    assert text.endswith("set redis.url (--redis), or server.workers to 1")


@pytest.mark.parametrize(
    "url",
    ["redis://:hush@h/0", "rediss://h", "unix:///run/redis.sock", "redis+sentinel://a,b:1/m/0", "redis+cluster://a"],
)
def test_with_redis_there_may_be_several_workers(url: str) -> None:
    settings, _ = load(f"[server]\nworkers = 2\n[redis]\nurl = '{url}'")
    assert settings.redis.url == url


@pytest.mark.parametrize("url", ["localhost:6379", "http://h", "redis://", "redis+other://h"])
def test_what_is_no_address_of_redis_is_refused(url: str) -> None:
    assert "expected a URL such as redis://127.0.0.1:6379/0" in error(f"[redis]\nurl = '{url}'")


def test_cookies_are_not_for_the_pages_of_everybody() -> None:
    settings, _ = load("[http]\ncors_origins = ['https://a.example']", {"MSANIC_HTTP__CORS_CREDENTIALS": "true"})
    assert settings.http.cors_credentials is True
    text = error("[http]\ncors_origins = ['*']\ncors_credentials = true")
    assert text.startswith(
        "http.cors_credentials = True (msanic.toml) and http.cors_origins = ['*'] (msanic.toml): any"
    )


def test_an_answer_has_to_come_within_the_lease() -> None:
    text = error("[redis]\nlease = 2")
    assert text.startswith("redis.timeout = 2.0 (default) is not less than redis.lease = 2.0 (msanic.toml)")


def test_no_error_tells_a_password() -> None:
    for text in (
        error("[db]\nurl = '9://u:hush@h/x'"),
        error("", {"MSANIC_DB__URL": "9://u:hush@h/x"}),
        error("plugins = 'x://u:hush@h'"),
        error("plugins.x = 'hush'"),
    ):
        assert "hush" not in text


def test_settings_from_a_mapping_has_the_same_checks() -> None:
    settings = settings_from({"server": {"port": 0}, "plugins": {"load": ("chat",), "chat": {"history": 3}}})
    assert settings.server.port == 0
    assert settings.plugins.load == ["chat"]
    assert settings.plugin_tables == {"chat": {"history": 3}}
    for wrong, text in (
        ({"server": {"port": "0"}}, r"server\.port = '0' \(settings\): expected"),
        ({"server": {"prot": 0}}, r"unknown setting server\.prot \(settings\); .* server\.port"),
        ({"server": {"workers": 2}}, r"server\.workers = 2 \(settings\): each worker"),
    ):
        with pytest.raises(ConfigError, match=text):
            settings_from(wrong)


def test_settings_do_not_share_tables_with_what_they_were_made_from() -> None:
    given: dict[str, Any] = {"plugins": {"chat": {}, "other": {"rooms": {}}}}
    settings = settings_from(given)
    settings.plugin_tables["chat"]["x"] = 1
    settings.plugin_tables["other"]["rooms"]["x"] = 1
    assert given == {"plugins": {"chat": {}, "other": {"rooms": {}}}}
