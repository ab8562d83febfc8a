"""Whether the Redis engine starts, and what it says when it does not."""

import asyncio
from pathlib import Path

import pytest

from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions
from msanic_core.errors import ConfigError, StoreUnavailableError
from msanic_core.testing import redis_process
from tests.support.nodes import Node
from tests.support.redis_parts import LIMITS, healthy, nodes


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+sentinel://127.0.0.1:1/x", "redis+cluster://127.0.0.1:1"]
)
def test_without_redis_there_is_no_start(url: str) -> None:
    async def run() -> None:
        engine = RedisEngine(RedisOptions(url, patience=0.1, timeout=0.2), LIMITS)
        with pytest.raises(StoreUnavailableError, match=r"correct redis\.url") as caught:
            await engine.start("a", Node(), [])
        assert url in str(caught.value)

    asyncio.run(run())


def test_a_redis_that_starts_a_moment_later_is_waited_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as process:
            await process.kill()
            async with nodes(process.url, patience=30.0) as start:
                starting = asyncio.create_task(start("a"))
                await asyncio.sleep(0.2)
                assert not starting.done()
                await process.restart()
                assert healthy(await starting)

    asyncio.run(run())


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path, configuration=["user ada on >right ~* &* +@all"]) as process:
            url = f"redis://ada:secret@127.0.0.1:{process.port}/0"
            engine = RedisEngine(RedisOptions(url, patience=0.1), LIMITS)
            with pytest.raises(StoreUnavailableError, match=r"(?i)password") as caught:
                await engine.start("a", Node(), [])
            assert "secret" not in str(caught.value)

    asyncio.run(run())


def test_a_user_who_may_not_do_what_is_needed_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        configuration = ["user ada on >x ~* &* +@all -info"]
        async with redis_process(tmp_path, configuration=configuration) as process:
            engine = RedisEngine(RedisOptions(f"redis://ada:x@127.0.0.1:{process.port}/0", patience=0.1), LIMITS)
            with pytest.raises(StoreUnavailableError, match="info"):
                await engine.start("a", Node(), [])

    asyncio.run(run())


def test_an_unreadable_address_is_told_before_anything_begins() -> None:
    async def run() -> None:
        with pytest.raises(ConfigError):
            RedisEngine(RedisOptions("nothing"), LIMITS)

    asyncio.run(run())


def test_a_redis_that_may_drop_things_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        configuration = ["maxmemory-policy allkeys-lru"]
        async with redis_process(tmp_path, configuration=configuration) as process, nodes(process.url) as start:
            await start("a")

    asyncio.run(run())
    assert "maxmemory-policy is allkeys-lru" in caplog.text
