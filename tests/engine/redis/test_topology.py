"""Addresses of Redis: every form, and errors that help without showing a password."""

import asyncio
import gc
import traceback
from pathlib import Path

import pytest

from msanic_core.engine.redis.topology import Store, open_store
from msanic_core.errors import ConfigError
from msanic_core.testing import cluster_setup, redis_process, sentinel_setup


@pytest.mark.parametrize(
    ("url", "shown", "database"),
    [
        ("redis://localhost", "redis://localhost", 0),
        ("redis://:se%2Fcret@localhost:7000/3", "redis://localhost:7000/3", 3),
        ("redis://ada:secret@[::1]:7000/3?client_name=secret", "redis://[::1]:7000/3", 3),
        ("rediss://ada:secret@host/?ssl_cert_reqs=none", "rediss://host/", 0),
        ("unix://ada:secret@/run/redis.sock?db=2", "unix:///run/redis.sock", 2),
        ("redis+sentinel://ada:secret@a,b:7000,[::1]/main/4", "redis+sentinel://a,b:7000,[::1]/main/4", 4),
        ("rediss+sentinel://:secret@a/main", "rediss+sentinel://a/main", 0),
        ("redis+cluster://:secret@a,b:7000/0", "redis+cluster://a,b:7000/0", 0),
        ("rediss+cluster://:secret@a", "rediss+cluster://a", 0),
    ],
)
def test_forms(url: str, shown: str, database: int) -> None:
    store = open_store(url, 1.0)
    assert (store.shown, store.database) == (shown, database)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "rediss+cluster"),
        ("localhost:6379", "redis, rediss, unix"),
        ("http://ada:secret@localhost", "redis, rediss, unix"),
        ("redis+sentinels://ada:secret@localhost", "redis+sentinel"),
        ("redis://", "no host"),
        ("redis://ada:secret@", "no host"),
        ("redis://localhost/main", "number of the database"),
        ("redis://localhost:port", "port"),
        ("redis://localhost:70000", "port"),
        ("redis://[::1", "port"),
        ("redis://localhost?databas=secret", "option"),
        ("redis://localhost?socket_timeout=secret", "option"),
        ("redis://ada:12345/secret@localhost", "%2F"),
        ("redis://ada:12345#secret@localhost", "%2F"),
        ("redis://ada:12345?secret@localhost", "%2F"),
        ("redis+sentinel://ada:12345/secret@localhost/main", "%2F"),
        ("redis+sentinel://a,b", "mymaster"),
        ("redis+sentinel://a,b/main/x", "database"),
        ("redis+sentinel://a,b/main/0/1", "mymaster"),
        ("redis+sentinel://a,,b/main", "no host"),
        ("redis+sentinel://a:port/main", "port"),
        ("redis+sentinel://a/main?option=secret", "option"),
        ("redis+cluster://a/1", "databases"),
        ("redis+cluster://a?option=secret", "option"),
    ],
)
def test_what_is_no_address(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, 1.0)
    assert str(caught.value).startswith("redis.url")
    assert words in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert "secret" not in told
    assert "12345" not in told


async def use(store: Store) -> None:
    """Everything that a store can do."""
    try:
        assert (await store.info("server"))["redis_version"]
        await store.load(["return 1"])
        connection = await store.subscribe("a", "b")
        pipeline = store.pipeline()
        pipeline.execute_command("SET", "{x}", "1")
        pipeline.execute_command("PUBLISH", "b", "hello")
        pipeline.execute_command("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 1, "{x}")
        answers = await pipeline.execute(raise_on_error=False)
        assert answers[0] in (True, b"OK")
        assert answers[2] == 1
        assert await connection.read_response(timeout=10) == [b"message", b"b", b"hello"]
        await store.unsubscribe(connection)
        await store.renew()
        pipeline = store.pipeline()
        pipeline.execute_command("GET", "{x}")
        assert await pipeline.execute() == [b"1"]
    finally:
        await store.close()
    gc.collect()


def test_one_server_with_a_password(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path, configuration=["user ada on >p/w%d ~* &* +@all"]) as process:
            await use(open_store(f"redis://ada:p%2Fw%25d@127.0.0.1:{process.port}/1", 2.0))

    asyncio.run(run())


@pytest.mark.filterwarnings("error")
def test_sentinel(tmp_path: Path) -> None:
    async def run() -> None:
        async with sentinel_setup(tmp_path) as setup:
            await use(open_store(setup.url, 2.0))

    asyncio.run(run())


def test_cluster(tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster_setup(tmp_path) as setup:
            await use(open_store(setup.url, 2.0))

    asyncio.run(run())
