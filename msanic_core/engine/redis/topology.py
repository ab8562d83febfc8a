"""The three ways to run Redis: one server, Sentinel, a cluster. Each gives pipelines and connections to subscribe.

redis-py's own retries are off: `pipeline.py` and `subscription.py` decide what is done again after which error.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from msanic_core.errors import ConfigError

ERRORS = (OSError, RedisClusterException, RedisError)
"""What redis-py raises."""


class Store:
    """A client of Redis. It connects when it is first used."""

    def __init__(
        self,
        client: "Redis | RedisCluster",
        database: int,
        shown: str,
        options: dict[str, Any],
        sentinels: Sequence[Redis] = (),
    ) -> None:
        self._client: Any = client
        self.database = database
        self.shown = shown
        """The address, without a password."""
        self._options = options
        self._sentinels = sentinels
        self._subscriptions: ConnectionPool | None = None

    def pipeline(self) -> Any:
        """A pipeline of redis-py, without a transaction."""
        return self._client.pipeline(transaction=False)

    async def renew(self) -> None:
        """After an error: forget which server of a cluster has which slots. redis-py asks a Sentinel anew by itself."""
        if isinstance(self._client, RedisCluster):
            with suppress(*ERRORS):
                await self._client.aclose()

    async def load(self, scripts: Sequence[str]) -> None:
        """Make scripts known to every server that may run them."""
        where = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self._client, RedisCluster) else {}
        for text in scripts:
            await self._client.execute_command("SCRIPT LOAD", text, **where)

    async def info(self, section: str) -> dict[str, Any]:
        """A section of `INFO` of a server."""
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            node = self._client.get_random_node()
            async with Redis(host=node.host, port=int(node.port), **self._options) as client:
                facts: dict[str, Any] = await client.info(section)
        else:
            facts = await self._client.info(section)
        return facts

    async def subscribe(self, *channels: str) -> AbstractConnection:
        """A separate connection that is subscribed to these channels; end it with `unsubscribe`."""
        if isinstance(self._client, RedisCluster):
            # A message that is published on one server of a cluster reaches all servers.
            await self._client.initialize()
            node = self._client.get_random_node()
            self._subscriptions = Redis(host=node.host, port=int(node.port), **self._options).connection_pool
        else:
            self._subscriptions = self._client.connection_pool
        connection: AbstractConnection = await self._subscriptions.get_connection()
        try:
            await connection.send_command("SUBSCRIBE", *channels)
            for _ in channels:
                await connection.read_response()
        except BaseException:
            await self.unsubscribe(connection)
            raise
        return connection

    async def unsubscribe(self, connection: AbstractConnection) -> None:
        """Close a connection of `subscribe`."""
        assert self._subscriptions is not None, "there is one only after `subscribe`"
        await connection.disconnect(nowait=True)
        await self._subscriptions.release(connection)

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._client, *self._sentinels):
            await client.aclose()


class _Address(NamedTuple):
    hosts: list[tuple[str, int]]
    path: list[str]
    options: dict[str, Any]
    shown: str


def open_store(url: str, timeout: float) -> Store:
    """A client of the Redis that a URL names; `timeout` in seconds, for connecting and for each answer.

    `redis://`, `rediss://`, `unix://` as redis-py has them; `redis+sentinel://[user:password@]HOST[:PORT],.../SERVICE
    [/DATABASE]` and `redis+cluster://[user:password@]HOST[:PORT],...`, with `rediss+` for TLS. Raises `ConfigError`.
    """
    common: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    scheme, _, rest = url.partition("://")
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise ConfigError(f"redis.url cannot be read: before :// comes one of {', '.join(_OPENERS)}")
    if "@" in rest[len(_netloc(url)) :] or "#" in rest:
        # Otherwise a part of the password would be taken for the host, and shown.
        raise ConfigError("redis.url cannot be read: in its password, write / as %2F, ? as %3F, # as %23 and @ as %40")
    try:
        return opener(url, common)
    except _UrlError as error:
        raise ConfigError(f"redis.url cannot be read: {error}") from None
    except (ValueError, TypeError):
        # The texts of these errors may contain the password.
        raise ConfigError(
            "redis.url cannot be read: a port, a database number or an option after ? is not valid, see "
            "Redis.from_url of redis-py"
        ) from None


class _UrlError(ValueError):
    """What is wrong with a URL, in words that contain no secret."""


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _single(url: str, common: dict[str, Any]) -> Store:
    parts = urlsplit(url)
    if parts.scheme != "unix" and not parts.hostname:
        raise _UrlError("it names no host")
    if parts.scheme != "unix" and not parts.path.strip("/").isdigit() and parts.path.strip("/"):
        raise _UrlError("after the host comes the number of the database, as in redis://localhost:6379/0")
    client = Redis.from_url(url, **common)
    _check_options(client.connection_pool)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    database = int(client.connection_pool.connection_kwargs.get("db") or 0)
    return Store(client, database, shown, {})


def _check_options(pool: ConnectionPool) -> None:
    """Raise `TypeError` for an option that connections do not have."""
    pool.make_connection()  # type: ignore[no-untyped-call]


def _sentinel(url: str, common: dict[str, Any]) -> Store:
    address = _parse(url, 26379)
    if not 1 <= len(address.path) <= 2:
        raise _UrlError("after the hosts comes the name of the service, as in redis+sentinel://a,b,c/mymaster/0")
    database = int(address.path[1]) if len(address.path) > 1 else 0
    options = {**common, **address.options}
    sentinel = Sentinel(address.hosts, sentinel_kwargs=common, **options)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(address.path[0], db=database)
    _check_options(client.connection_pool)
    return Store(client, database, address.shown, {}, sentinel.sentinels)


def _cluster(url: str, common: dict[str, Any]) -> Store:
    address = _parse(url, 6379)
    if address.path not in ([], ["0"]):
        raise _UrlError("a cluster has no databases but 0")
    options = {**common, **address.options}
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    client = RedisCluster(startup_nodes=nodes, **options)
    return Store(client, 0, address.shown, options)


_OPENERS: dict[str, Callable[[str, dict[str, Any]], Store]] = {
    "redis": _single,
    "rediss": _single,
    "unix": _single,
    "redis+sentinel": _sentinel,
    "rediss+sentinel": _sentinel,
    "redis+cluster": _cluster,
    "rediss+cluster": _cluster,
}


def _parse(url: str, default_port: int) -> _Address:
    """Split a URL with several hosts; `urlsplit` alone cannot."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    login, at, places = parts.netloc.rpartition("@")
    hosts = []
    for place in places.split(","):
        one = urlsplit(f"//{place}")
        if not one.hostname:
            raise _UrlError("it names no host")
        hosts.append((one.hostname, one.port or default_port))
    options: dict[str, Any] = dict(parse_url(f"{scheme}://{login}{at}localhost?{parts.query}"))
    for name in ("host", "connection_class"):
        options.pop(name, None)
    if scheme == "rediss":
        options["ssl"] = True
    path = [unquote(part) for part in parts.path.split("/") if part]
    return _Address(hosts, path, options, f"{parts.scheme}://{places}{parts.path}")
