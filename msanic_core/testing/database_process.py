"""What PostgreSQL and MariaDB have in common when a test runs a server of its own: set-up, start, kill and log."""

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
    """A running database server, with its data and its log in `directory`; what is committed outlives a kill.

    It belongs to no event loop: tests with a loop each may share one. Names of databases are letters, digits and `_`.
    """

    product: ClassVar[str]
    """Its name in errors."""

    user: ClassVar[str] = "tests"
    """Who logs in: a superuser."""

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
        """Tortoise URL of a database that is always there: for statements about the server, not for tables."""

    @abstractmethod
    async def execute(self, *statements: str) -> None:
        """Execute statements, each by itself, on a connection of its own. Raises the driver's errors."""

    @abstractmethod
    async def create_database(self, name: str) -> str:
        """Create an empty database and return its Tortoise URL. One of that name is dropped first."""

    @abstractmethod
    async def drop_database(self, name: str) -> None:
        """Drop a database if it is there; who is connected to it is cut off."""

    @abstractmethod
    def installation_command(self) -> Sequence[str]:
        """What to run to make the files of an empty server."""

    @abstractmethod
    def server_command(self) -> Sequence[str]:
        """What to run to serve them."""

    @abstractmethod
    async def answers(self) -> bool:
        """Whether one can log in."""

    @property
    def pid(self) -> int:
        """Its process id, also when it has ended."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running.poll() is None

    async def start(self) -> None:
        """Start it again after its end, on the same port, and wait until one can log in.

        Raises `RuntimeError` with the server's log when it does not start.
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
        # Who was quicker to take the port may never say anything.
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                return await self.answers()
        except TimeoutError:
            return False

    async def kill(self) -> None:
        """End it and the processes it has started by SIGKILL, if it runs; returns when they are gone."""
        _end(self._running)

    async def install(self) -> None:
        """Make the files of an empty server. Raises `RuntimeError` with what the installation has written."""
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
        """What the server has written."""
        return self._log.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those it has started, and wait until they are gone."""
    if process.poll() is None:
        # PostgreSQL's outlive it for a moment and keep it from starting again. Stopped, it makes no new ones.
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
    """Kill a process that is no child of this one, and wait until it is gone."""
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
    """Set a server up and start it on a free port; in the end it is killed and its directory removed."""
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
            # Somebody else was quicker to take the port.
            if attempt == _TRIES or "Address already in use" not in str(error):
                raise
            process.port = free_port()
