"""The three ways to run Redis: one server, Sentinel, a cluster; each gives pipelines and a subscription's connection.

redis-py's own repeated attempts are off: after which error what is done again is decided here, in one place.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from msanic_core.errors import ConfigError

_DEFAULT_PORTS = {"sentinel": 26379, "cluster": 6379}


class Store:
    """A way to Redis. Nothing is connected before it is used."""

    def __init__(self, client: "Redis | RedisCluster", database: int, shown: str, options: dict[str, Any]) -> None:
        self._client: Any = client
        self.database = database
        self.shown = shown
        """The address, without a password."""
        self._options = options
        self._subscriptions: ConnectionPool | None = None

    def pipeline(self) -> Any:
        """A pipeline of redis-py, without a transaction."""
        return self._client.pipeline(transaction=False)

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
        """A connection of its own that has asked for these channels; end it with `unsubscribe`."""
        if isinstance(self._client, RedisCluster):
            # What is published on any server of a cluster reaches all of them.
            await self._client.initialize()
            node = self._client.get_random_node()
            self._subscriptions = ConnectionPool(host=node.host, port=int(node.port), **self._options)
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
        await self._client.aclose()


class _Address(NamedTuple):
    kind: str
    hosts: list[tuple[str, int]]
    path: list[str]
    options: dict[str, Any]
    shown: str


def open_store(url: str, timeout: float) -> Store:
    """The way to the Redis that a URL names; `timeout` in seconds, of connecting and of each answer.

    `redis://`, `rediss://`, `unix://` as redis-py has them; `redis+sentinel://[user:password@]HOST[:PORT],.../SERVICE
    [/DATABASE]` and `redis+cluster://[user:password@]HOST[:PORT],...`, with `rediss+` for TLS. Raises `ConfigError`.
    """
    common: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    try:
        if "+" not in url.partition("://")[0]:
            return _single(url, common)
        address = _parse(url)
        return _OPENERS[address.kind](address, common)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"redis.url cannot be read: {error}") from error


def _single(url: str, common: dict[str, Any]) -> Store:
    client = Redis.from_url(url, **common)
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    database = int(client.connection_pool.connection_kwargs.get("db") or 0)
    return Store(client, database, shown, {})


def _sentinel(address: _Address, common: dict[str, Any]) -> Store:
    if not address.path:
        raise ValueError("after the hosts comes the name of the service, as in redis+sentinel://a,b,c/mymaster/0")
    database = int(address.path[1]) if len(address.path) > 1 else 0
    options = {**common, **address.options}
    sentinel = Sentinel(address.hosts, sentinel_kwargs=common, **options)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(address.path[0], db=database)
    return Store(client, database, address.shown, {})


def _cluster(address: _Address, common: dict[str, Any]) -> Store:
    options = {**common, **address.options}
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    client = RedisCluster(startup_nodes=nodes, cluster_error_retry_attempts=0, **options)
    return Store(client, 0, address.shown, options)


_OPENERS: dict[str, Callable[[_Address, dict[str, Any]], Store]] = {"sentinel": _sentinel, "cluster": _cluster}


def _parse(url: str) -> _Address:
    """Take a URL with several hosts apart, which `urlsplit` alone cannot."""
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, _, places = parts.netloc.rpartition("@")
    hosts = []
    for place in places.split(","):
        one = urlsplit(f"//{place}")
        if not one.hostname:
            raise ValueError("it names no host")
        hosts.append((one.hostname, one.port or _DEFAULT_PORTS[kind]))
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if scheme == "rediss":
        options["ssl"] = True
    if login:
        user, _, password = login.partition(":")
        options |= {"username": unquote(user) or None, "password": unquote(password) or None}
    path = [unquote(part) for part in parts.path.split("/") if part]
    return _Address(kind, hosts, path, options, f"{parts.scheme}://{places}{parts.path}")
