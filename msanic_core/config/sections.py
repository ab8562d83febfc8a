"""The tables of `msanic.toml`: each field with its description, unit, limits and default."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from msanic_core.config.sources import PLUGINS


def _count(text: str, unit: str = "", *, least: int = 1, most: int | None = None) -> Meta:
    return Meta(ge=least, le=most, description=text, extra={"unit": unit})


def _seconds(text: str, *, most: float = 86_400.0) -> Meta:
    return Meta(gt=0.0, le=most, description=text, extra={"unit": "seconds"})


def _form(text: str, form: str, pattern: str | None = None) -> Meta:
    return Meta(pattern=pattern, description=text, extra={"form": form})


def _text(text: str) -> Meta:
    return Meta(description=text)


_Origin = Annotated[str, Meta(pattern=r"^(\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/\s]+)\Z")]
_ORIGINS = 'a list of origins such as "https://app.example" (no path, no slash at the end), or "*"'


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. The constructor does not check the fields: `settings_from` does."""


class ServerSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where the server listens, and how it stops."""

    host: Annotated[str, _form("Address to listen on; `0.0.0.0` or `::` for all.", "a host or address", r"^\S+\Z")] = (
        "127.0.0.1"
    )
    port: Annotated[int, _count("TCP port to listen on; 0 takes a free one.", least=0, most=65_535)] = 8800
    workers: Annotated[int, _count("Worker processes that share the port.", "processes")] = 1
    proxies: Annotated[
        int, _count("Trusted proxies in front; they say the client's address in X-Forwarded-For.", "proxies", least=0)
    ] = 0
    start_timeout: Annotated[float, _seconds("Limit for the start of one of several workers.")] = 60.0
    drain_timeout: Annotated[float, _seconds("Limit for a whole graceful stop.")] = 20.0
    backlog: Annotated[int, _count("Connections the system holds before they are accepted.", "connections")] = 1024


class AuthSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[auth]`: who may connect."""

    mode: Annotated[
        Literal["plugin", "anonymous"],
        _text("`plugin`: an `authenticate` hook decides, without one nobody connects. `anonymous`: everybody may."),
    ] = "plugin"
    timeout: Annotated[float, _seconds("Limit for a login.")] = 10.0


class WebSocketSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[ws]`: WebSocket connections and their limits."""

    path: Annotated[str, _form("Path of the address.", "a path such as /ws", r"^/[A-Za-z0-9._~/-]*\Z")] = "/ws"
    max_message: Annotated[int, _count("Size of a client's message.", "bytes")] = 65_536
    max_fragments: Annotated[int, _count("Fragments of a client's message.", "frames")] = 1024
    max_containers: Annotated[int, _count("Arrays and maps in a msgpack message.", "containers")] = 10_000
    max_depth: Annotated[int, _count("Nesting of a msgpack message.", "levels", most=500)] = 64
    json_frames: Annotated[
        Literal["text", "binary"],
        _text("Frames in which a client without a subprotocol gets JSON; `binary` is as msanic 1.0 does."),
    ] = "text"
    origins: Annotated[
        list[_Origin],
        _form("`Origin` values of browsers allowed besides the server's own host; `*` allows any.", _ORIGINS),
    ] = []
    sessions: Annotated[
        Literal["single", "multi"],
        _text("`single`: a new connection of a user replaces the older. `multi`: they live side by side."),
    ] = "single"
    max_sessions_per_user: Annotated[int, _count("Sessions of one user, with `multi`.", "sessions")] = 10
    max_connections: Annotated[int, _count("Connections of one worker.", "connections")] = 50_000
    max_connections_per_address: Annotated[int, _count("Connections from one address.", "connections")] = 1000
    ping_interval: Annotated[float, _seconds("Silence after which a client is pinged.")] = 20.0
    ping_timeout: Annotated[float, _seconds("Silence after a ping until the connection counts as lost.")] = 10.0
    close_timeout: Annotated[float, _seconds("Wait for the client's part of a closing handshake.")] = 5.0
    outbox_bytes: Annotated[int, _count("Data waiting for one client.", "bytes")] = 1_048_576
    outbox_stall: Annotated[float, _seconds("Waiting data without progress until a client counts as too slow.")] = 10.0
    queue: Annotated[int, _count("Commands of a session waiting for their turn; then reading pauses.", "commands")] = 64
    rate: Annotated[int, _count("Commands of a session; 0: no limit.", "commands per second", least=0)] = 1000
    burst: Annotated[int, _count("Commands of a session at once, before `rate` applies.", "commands")] = 2000
    handshake_time: Annotated[
        Literal["off", "require"],
        _text("`require`: a connection needs a `Timestamp` newer than the user's last one (replay guard)."),
    ] = "off"


class HttpSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[http]`: requests."""

    max_body: Annotated[int, _count("Size of a request body.", "bytes")] = 4_194_304
    head_timeout: Annotated[float, _seconds("Limit for receiving a whole request head.")] = 10.0
    openapi: Annotated[
        str,
        _form(
            "Path of the OpenAPI document of the plugins' routes; empty: there is none.",
            'a path such as /openapi.json, or ""',
            r"^(/[A-Za-z0-9._~/-]*)?\Z",
        ),
    ] = "/openapi.json"
    api_title: Annotated[str, _form("Title of the API in that document.", "a text")] = "HTTP API"
    api_version: Annotated[str, _form("Version of the API in that document; it is the operator's own.", "a text")] = (
        "1.0.0"
    )
    cors_origins: Annotated[
        list[_Origin], _form("`Origin` values of browsers whose pages may read answers (CORS); `*` is any.", _ORIGINS)
    ] = []
    cors_credentials: Annotated[bool, _form("Whether such pages may send cookies; not with `*`.", "true or false")] = (
        False
    )
    cors_max_age: Annotated[
        int, _count("Time that a browser may remember the answer to a preflight.", "seconds", least=0)
    ] = 600


class InboxSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[inbox]`: durable pushes that wait for a user."""

    max_messages: Annotated[int, _count("Messages kept for a user.", "messages")] = 1000
    max_bytes: Annotated[int, _count("Data kept for a user.", "bytes")] = 1_048_576
    max_age: Annotated[float, _seconds("Age at which a message is dropped.", most=315_360_000.0)] = 604_800.0


class OfflineSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[offline]`: the `ws_offline` chain."""

    yield_after: Annotated[float, _seconds("Time after which a plugin's hook no longer holds up the next one.")] = 1.0
    cancel_after: Annotated[float, _seconds("Time after which a plugin's hook is cancelled.")] = 30.0


class DatabaseSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[db]`: the database of the plugins."""

    url: Annotated[
        str, _form("Tortoise ORM database URL.", "a URL such as sqlite://msanic.db", r"^[a-z][a-z0-9+]*://")
    ] = "sqlite://msanic.db"
    migrate: Annotated[
        bool,
        _form("`true`: the start applies migrations that are missing. `false`: it is refused then.", "true or false"),
    ] = False
    outbox_interval: Annotated[
        float, _seconds("Longest time between two looks for messages of transactions that have committed.")
    ] = 1.0


class RedisSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[redis]`: the Redis engine, which several workers and nodes share."""

    url: Annotated[
        str,
        _form(
            "Redis or Valkey; `redis+sentinel://` and `redis+cluster://` list several hosts. Empty: the memory engine.",
            "a URL such as redis://127.0.0.1:6379/0",
            r"^(|(rediss?|unix|rediss?\+(sentinel|cluster))://\S+)\Z",
        ),
    ] = ""
    prefix: Annotated[
        str, _form("Begin of every key and channel.", "letters, digits, . _ -", r"^[A-Za-z0-9._-]{1,64}\Z")
    ] = "msanic"
    lease: Annotated[
        float, _seconds("Time without a sign of life after which a process counts as dead.", most=3600.0)
    ] = 10.0
    timeout: Annotated[float, _seconds("Limit for an answer of Redis; then the connection is given up.")] = 2.0
    patience: Annotated[
        float, _seconds("Time that a call waits for Redis to come back, from the moment on that it was away.")
    ] = 5.0


class PluginsSettings(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[plugins]`: which installed plugins are used. `[plugins.NAME]` are the settings of one plugin."""

    load: Annotated[
        list[str] | None, _form("Names of the plugins to use; unset: all installed ones.", "a list of plugin names")
    ] = None
    block: Annotated[list[str], _form("Names of plugins not to use.", "a list of plugin names")] = []


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings: one attribute per section, and the `[plugins.NAME]` tables as they are written."""

    server: ServerSettings
    auth: AuthSettings
    ws: WebSocketSettings
    http: HttpSettings
    inbox: InboxSettings
    offline: OfflineSettings
    db: DatabaseSettings
    redis: RedisSettings
    plugins: PluginsSettings
    plugin_tables: dict[str, dict[str, Any]] = {}


SECTIONS: Mapping[str, type[_Section]] = {
    "server": ServerSettings,
    "auth": AuthSettings,
    "ws": WebSocketSettings,
    "http": HttpSettings,
    "inbox": InboxSettings,
    "offline": OfflineSettings,
    "db": DatabaseSettings,
    "redis": RedisSettings,
    PLUGINS: PluginsSettings,
}
