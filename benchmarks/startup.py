"""The time from starting a program to its first answer, or to its end."""

import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import Environments
from benchmarks.servers import Server, ServerError, free_port, kill_group, start
from benchmarks.targets import Process, Target

NAME = "start"
TITLE = "Start, up to the first answer or to the end"
TEN = "core-ten"
_PATHS = {"sanic": "/bench/json?name=ada"}
"""What is asked for first; where nothing is said, the core's sign of life."""
_TIMEOUT = 30.0
_POLL_SECONDS = 0.001


@dataclass(frozen=True)
class Starter:
    """Something that is started, and how long that takes, in seconds; raises `ServerError` if it fails."""

    subject: str
    title: str
    seconds: Callable[[int], float]
    """Start it on this core."""


def starters(targets: list[Target], environments: Environments) -> list[Starter]:
    """Give what is started: servers up to their first answer, and programs up to their end, to compare with."""
    found = [
        Starter(target.name, target.title, _to_answer(target, environments))
        for target in targets
        if NAME in target.exchanges
    ]
    if any(target.name == TEN for target in targets):
        python = environments.core_ten_python
        found += [
            Starter("help", "`msanic-core --help`", _to_end(str(python.parent / "msanic-core"), "--help")),
            Starter("python", "`python -c pass`", _to_end(str(python), "-c", "pass")),
        ]
    return found


def _to_end(*command: str) -> Callable[[int], float]:
    return lambda core: _seconds_to_end(Process(command), core)


def _to_answer(target: Target, environments: Environments) -> Callable[[int], float]:
    def seconds(core: int) -> float:
        port = free_port()
        return _seconds_to_answer(target.start(environments, port, 0), port, _PATHS.get(target.name, "/livez"), core)

    return seconds


def _seconds_to_answer(process: Process, port: int, path: str, core: int) -> float:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        started = start(process.command, [core], Path(directory), process.environment, output)
        server = Server(started, port, output)
        try:
            server.wait_until(lambda: _answers(port, path), _TIMEOUT)
            return time.perf_counter() - begun
        finally:
            server.stop()


def _answers(port: int, path: str) -> bool:
    """Say whether a request for this path is answered with status 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as sock:
            sock.sendall(request.encode())
            return sock.makefile("rb").readline().split()[1:2] == [b"200"]
    except OSError:
        return False


def _seconds_to_end(process: Process, core: int) -> float:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        program = start(process.command, [core], Path(directory), process.environment, output)
        try:
            # Not `wait`: with a timeout it looks every 50 ms only.
            while (code := program.poll()) is None:
                if time.perf_counter() - begun > _TIMEOUT:
                    raise ServerError(f"{process.command[0]} did not end within {_TIMEOUT:g} s")
                time.sleep(_POLL_SECONDS)
        finally:
            if program.returncode is None:
                kill_group(program)
        seconds = time.perf_counter() - begun
        if code:
            output.seek(0)
            raise ServerError(f"{process.command[0]} ended with {code}: {output.read().decode(errors='replace')}")
        return seconds
