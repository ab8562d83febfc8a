"""The scripts as a whole; what each does is tested with the module that runs it."""

import asyncio
from importlib.resources import files

from redis.asyncio import Redis

from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.scripts import Script


def loaded() -> dict[str, Script]:
    return {value.name: value for value in vars(scripts).values() if isinstance(value, Script)}


def test_every_file_is_a_script_or_part_of_one() -> None:
    names = {path.name.removesuffix(".lua") for path in files("msanic_core.engine.redis").joinpath("lua").iterdir()}
    included = {
        line.removeprefix("--# ")
        for script in loaded().values()
        for line in script.text.splitlines()
        if line.startswith("--# ")
    }
    assert names == {*loaded(), *included}
    assert len(scripts.texts()) == len(loaded())


def test_redis_knows_each_by_the_name_that_is_sent(redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url, decode_responses=True) as client:
            for script in loaded().values():
                assert await client.script_load(script.text) == script.sha

    asyncio.run(run())


def test_every_script_says_what_it_does_takes_and_returns() -> None:
    for script in loaded().values():
        comment = script.text.splitlines()
        head = "\n".join(line for line in comment if line.startswith("--"))
        assert "-- KEYS" in head, script.name
        assert "-- ARGV" in head, script.name
        assert "-- Returns" in head, script.name
