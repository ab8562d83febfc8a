"""Starts a server under test on a core of its own, waits until it is ready, reads what it uses, and stops it."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchmarks.targets import Process

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.001
# Below the range from which the system takes the ports of outgoing connections, the load generator's among them.
_PORTS = range(20_000, 32_000)


class ServerError(Exception):
    """A server did not start or did not live; the text says so and holds the last lines it wrote."""


class Server:
    """A running program in a session of its own, with the processes it started.

    `helper` is another server that it needs, and whose CPU time is not its own. `second` is another node of the same
    server: what the two use is counted together.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        port: int,
        output: IO[bytes],
        helper: "Server | None" = None,
        second: "Server | None" = None,
        cores: Collection[int] = (),
    ) -> None:
        self.port = port
        self.cores = cores
        self.helper = helper
        self.second = second
        self._process = process
        self._output = output
        self._pids = [process.pid]

    def wait_until_ready(self, timeout: float, words: str = "") -> None:
        """Return when `words` were written and the port accepts connections.

        Raises `ServerError` when that takes longer than `timeout` s.
        """
        self.wait_until(lambda: words in self._written() and accepts(self.port), timeout)
        self.find_processes()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Ask until the answer is yes. Raises `ServerError` if it ends before, or needs longer than `timeout` s."""
        deadline = time.monotonic() + timeout
        while not ready():
            if (end := _end_of(self._process.pid)) is not None:
                raise ServerError(f"ended with {end} before it was ready{self.last_words()}")
            if time.monotonic() > deadline:
                raise ServerError(f"was not ready within {timeout:g} s{self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def find_processes(self) -> None:
        """Look for the processes that belong to the server now: CPU time and memory are theirs together."""
        self._pids = _pids_of(self._process.pid)
        if self.second is not None:
            self._pids += _pids_of(self.second._process.pid)

    def cpu_seconds(self) -> float:
        """Give the CPU time used so far, in seconds, as the system counts it: in ticks, mostly of 10 ms."""
        return sum(cpu_seconds_of(pid) for pid in self._pids)

    def private_kib(self) -> int:
        """Give the memory that would be free without the server: Private_Clean + Private_Dirty, in KiB."""
        return sum(_private_kib(pid) for pid in self._pids)

    def settle(self, timeout: float) -> None:
        """Return when the server has next to nothing to do any more, at the latest after `timeout` s."""
        deadline = time.monotonic() + timeout
        used = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            before, used = used, self.cpu_seconds()
            if used - before < 0.015:
                return

    def last_words(self, lines: int = 8) -> str:
        """Give the last lines it wrote, each on a line of its own after a line break."""
        text = self._written().strip().splitlines()
        others = self.second.last_words(lines) if self.second else ""
        return others + "".join(f"\n    {line}" for line in text[-lines:])

    def stop(self) -> None:
        """Ask it to stop, make it stop, and leave nothing of it."""
        # Those in sessions of their own are not in the group, and cannot be found once their parent has ended.
        others = _open_others(self._process.pid)
        # Not by a method of Popen: that would take note of an end, and the process would be waited for too early.
        os.kill(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        try:
            while _end_of(self._process.pid) is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        finally:
            others += _open_others(self._process.pid)
            kill_group(self._process)
            for descriptor in others:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                os.close(descriptor)

    def _written(self) -> str:
        # Not from the file's position: that is the program's own, too.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


@contextmanager
def running(
    process: Process,
    port: int,
    *cores: int,
    timeout: float = 30.0,
    helper: Server | None = None,
    second: Server | None = None,
) -> Iterator[Server]:
    """Run a program on these cores, in an empty directory, until the block ends; it is ready when `port` accepts."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, tempfile.TemporaryFile() as output:
        started = start(process.command, cores, Path(directory), process.environment, output)
        server = Server(started, port, output, helper, second, cores)
        try:
            server.wait_until_ready(timeout, process.ready)
            yield server
        finally:
            server.stop()


def start(
    command: Sequence[str], cores: Collection[int], directory: Path, environment: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program bound to cores. Raises `ServerError` when there is no such program."""
    try:
        return subprocess.Popen(
            command,
            cwd=directory,
            env=clean_environment() | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    except OSError as error:
        raise ServerError(f"cannot be started: {error}") from error


def clean_environment() -> dict[str, str]:
    """Give this process's environment without what would change how a server runs, such as PYTHONUNBUFFERED."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MSANIC_"))}


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads its group, and all of its group, and wait for it."""
    # The group is killed before its leader is waited for: until then no other process can get its number.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def accepts(port: int) -> bool:
    """Say whether a connection to the port of this machine is accepted."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Find a port that nobody listens on."""
    # Not always the first one: another run on this machine may have found it free a moment ago.
    for port in random.sample(_PORTS, 100):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"found no free port from {_PORTS.start} to {_PORTS.stop - 1}")


def cpu_seconds_of(pid: int) -> float:
    """Give the CPU time a process has used so far, in seconds; 0 if it is gone."""
    try:
        user, system = _stat(pid)[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(user) + int(system)) / _TICKS


def core_seconds(cores: Collection[int]) -> float:
    """Give the time for which cores have worked for anybody, or were taken from this machine, in seconds."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores}:
            user, nice, system, _, _, _, _, steal = (int(field) for field in fields[:8])
            ticks += user + nice + system + steal
    return ticks / _TICKS


def _end_of(pid: int) -> str | None:
    """Say how a child has ended, None if it runs; it is left to be waited for."""
    result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if result is None:
        return None
    return f"{'code' if result.si_code == os.CLD_EXITED else 'signal'} {result.si_status}"


def _pids_of(leader: int) -> list[int]:
    """Give the processes of a session and their children: those may lead sessions of their own, as workers do."""
    found = {pid: _parent_and_session_of(pid) for pid in _all_pids()}
    ours = {pid for pid, (_, session) in found.items() if session == leader}
    while more := {pid for pid, (parent, _) in found.items() if parent in ours} - ours:
        ours |= more
    return sorted(ours)


def _open_others(leader: int) -> list[int]:
    """Give descriptors of a server's processes but for the first: a number may be somebody else's a moment later."""
    descriptors = []
    for pid in _pids_of(leader):
        with suppress(ProcessLookupError):
            if pid != leader:
                descriptors.append(os.pidfd_open(pid))
    return descriptors


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Give the fields of proc_pid_stat(5) from the third on: the second, a name in parentheses, may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent_and_session_of(pid: int) -> tuple[int, int]:
    try:
        _, parent, _, session = _stat(pid)[:4]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return int(parent), int(session)


def _private_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
