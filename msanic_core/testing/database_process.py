"""The common part of PostgreSQL and MariaDB servers in tests: set-up, start, kill and log."""

import asyncio
import os
import pwd
import select
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from msanic_core.testing.ports import free_port

_TIMEOUT = 60.0
_ANSWER_TIMEOUT = 1.0
_POLL = 0.01
_TRIES = 10


class DatabaseProcess(ABC):
    """A running database server. Its data and its log are in `directory`. Committed data survives a kill.

    It belongs to no event loop, so tests with different loops may share it. Names of databases consist of letters,
    digits and `_`.
    """

    product: ClassVar[str]
    """The name of the product, for errors."""

    user: ClassVar[str] = "tests"
    """The name of the superuser that logs in."""

    def __init__(self, directory: Path, password: str, owner: str | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.password = password
        self._owner = owner
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The Tortoise URL of a database that always exists: for statements about the server, not for tables."""

    @abstractmethod
    async def execute(self, *statements: str) -> None:
        """Execute statements one by one on a new connection. Raises the driver's errors."""

    @abstractmethod
    async def create_database(self, name: str) -> str:
        """Create an empty database and return its Tortoise URL. An existing one with this name is dropped first."""

    @abstractmethod
    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and close all connections to it."""

    @abstractmethod
    def installation_command(self) -> Sequence[str]:
        """The command that makes the files of an empty server."""

    @abstractmethod
    def server_command(self) -> Sequence[str]:
        """The command that runs the server on these files."""

    @abstractmethod
    async def answers(self) -> bool:
        """Whether the server accepts a login."""

    @property
    def pid(self) -> int:
        """The process id, also after the process has ended."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._running.poll() is None

    async def start(self) -> None:
        """Start the server again on the same port, and wait until it accepts a login.

        Raises `RuntimeError` with the server's log if it does not start.
        """
        self._process = self._spawn(self.server_command())
        try:
            async with asyncio.timeout(_TIMEOUT):
                while not await self._answers_soon():
                    if not self.is_running:
                        raise RuntimeError(f"{self.product} did not start on port {self.port}:\n{self.log_text()}")
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            await self.kill()
            raise RuntimeError(f"{self.product} does not answer on port {self.port}:\n{self.log_text()}") from None
        except BaseException:
            await self.kill()
            raise

    async def _answers_soon(self) -> bool:
        # Another process may have taken the port, and may never answer.
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                return await self.answers()
        except TimeoutError:
            return False

    async def kill(self) -> None:
        """Kill the server and the processes that it has started, if it runs. Returns when they have ended."""
        _end(self._running)

    async def install(self) -> None:
        """Make the files of an empty server. Raises `RuntimeError` with the output of the installation."""
        installation = self._spawn(self.installation_command())
        try:
            async with asyncio.timeout(_TIMEOUT):
                while installation.poll() is None:
                    await asyncio.sleep(_POLL)
        finally:
            _end(installation)
        if installation.returncode:
            raise RuntimeError(f"{self.product} could not be set up:\n{self.log_text()}")

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        identity: dict[str, Any] = {}
        if self._owner is not None:
            identity = {"user": self._owner, "group": pwd.getpwnam(self._owner).pw_gid, "extra_groups": []}
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory, **identity
            )

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "started by `running`"
        return self._process

    def log_text(self) -> str:
        """The server's log."""
        return self._log.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its descendants, and wait until they have ended."""
    if process.poll() is None:
        # PostgreSQL's child processes survive it for a moment, and then it cannot start again. Stop it first, so that
        # it starts no more children.
        process.send_signal(signal.SIGSTOP)
        descendants = _descendants(process.pid)
        process.kill()
        for pid in descendants:
            _kill(pid)
    process.wait()


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [each for child in map(int, children) for each in (child, *_descendants(child))]


def _kill(pid: int) -> None:
    """Kill a process that is not our child, and wait until it has ended."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [])
        finally:
            os.close(descriptor)


_Server = TypeVar("_Server", bound=DatabaseProcess)


@asynccontextmanager
async def running(process: _Server) -> AsyncIterator[_Server]:
    """Set up a server and start it on a free port. At the end of the block, kill it and remove its directory."""
    try:
        await process.install()
        await _start(process)
        try:
            yield process
        finally:
            await process.kill()
    finally:
        shutil.rmtree(process.directory)


async def _start(process: DatabaseProcess) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            return await process.start()
        except RuntimeError as error:
            # Another process has taken the port.
            if attempt == _TRIES or "Address already in use" not in str(error):
                raise
            process.port = free_port()
