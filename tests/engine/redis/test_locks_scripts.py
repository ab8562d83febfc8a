"""The scripts of locks, called as `Locks` calls them."""

from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from msanic_core.engine.redis import scripts
from tests.support.locks import KEY, Bench, on_redis


class Scripts:
    """The scripts as they are called, for a node that waits or does not."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, token: str, node: str = "node", *, waits: bool = False) -> list[Any]:
        keys = [KEY, f"{KEY}:fence", f"{KEY}:waiting"]
        answer: list[Any] = await self._redis.eval(scripts.LOCK.text, 3, *keys, token, 5000, node, int(waits))
        return answer

    async def renew(self, token: str, milliseconds: int) -> Any:
        return await self._redis.eval(scripts.RENEW.text, 1, KEY, token, milliseconds)

    async def release(self, token: str) -> Any:
        return await self._redis.eval(scripts.UNLOCK.text, 2, KEY, f"{KEY}:waiting", token, "channel:", "x")

    async def line(self) -> list[Any]:
        return list(await self._redis.zrange(f"{KEY}:waiting", 0, -1))


def test_every_script_may_be_repeated(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        does = Scripts(bench.redis)
        first = await does.take("mine")
        await bench.redis.pexpire(KEY, 1000)
        assert await does.take("mine") == first
        assert await bench.redis.pttl(KEY) > 1000
        refused, left = await does.take("theirs")
        assert refused == b"0"
        assert 1000 < left <= 5000
        assert [await does.renew("mine", 9000), await does.renew("mine", 9000), await does.renew("theirs", 1)] == [
            1,
            1,
            0,
        ]
        assert await bench.redis.pttl(KEY) > 5000
        assert [await does.release("theirs"), await does.release("mine"), await does.release("mine")] == [0, 1, 0]
        assert await does.renew("mine", 9000) == 0
        assert int((await does.take("theirs"))[0]) > int(first[0])

    on_redis(tmp_path, test)


def test_the_line_of_nodes(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        does = Scripts(bench.redis)
        await does.take("1", "a")
        await does.take("2", "b")
        assert await does.line() == []
        for token, node in (("2", "b"), ("3", "c"), ("2", "b")):
            await does.take(token, node, waits=True)
        assert await does.line() == [b"b", b"c"]
        await does.release("1")
        assert await bench.redis.get(KEY) == b"for b"
        assert (await does.take("4", "c"))[0] == b"0"
        # The node that takes the lock no longer waits, although its turn was over and it asked again.
        await does.take("5", "b", waits=False)
        await does.take("3", "c", waits=True)
        await bench.redis.delete(KEY)
        await does.take("3", "c", waits=True)
        assert await does.line() == []

    on_redis(tmp_path, test)
