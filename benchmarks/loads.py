"""Runs the load generator on a core of its own, and reads what it prints: `ready`, `begin`, `end`, and a result."""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.servers import Server, core_seconds, cpu_seconds_of, kill_group

Result = dict[str, float]
"""The numbers that the load generator printed, by name."""


class Cores(NamedTuple):
    """Numbers of the cores that are used: one has the server, another everything else."""

    server: int
    load: int
    spare: int | None = None
    """For a server that is to have two; None where the machine has only two in all."""


class LoadError(Exception):
    """The load generator found a wrong answer, lost a connection, or did not end; the text holds its last lines."""


class Load:
    """A running load generator."""

    def __init__(self, process: "subprocess.Popen[bytes]", stderr: IO[bytes], deadline: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._stderr = stderr
        self._deadline = deadline
        self._unread = b""

    def wait_for(self, mark: str) -> None:
        """Return when it prints this line. Raises `LoadError` when it prints another one, or ends."""
        line = self._line()
        if line != mark:
            raise LoadError(f"load: expected {mark!r}, got {line!r}{self._last_words()}")

    def cpu_seconds(self) -> float:
        """Give the CPU time it has used so far, in seconds."""
        return cpu_seconds_of(self._process.pid)

    def release(self) -> None:
        """Let go of the connections that it holds."""
        self._stdin.write(b"\n")
        self._stdin.flush()

    def result(self) -> Result:
        """Wait for its end and give its result. Raises `LoadError` for anything else than success."""
        line = self._line()
        try:
            code = self._process.wait(self._remaining())
        except subprocess.TimeoutExpired:
            raise LoadError(f"load did not end in time{self._last_words()}") from None
        if code:
            raise LoadError(f"load ended with {code}{self._last_words()}")
        try:
            values = json.loads(line)
        except ValueError:
            raise LoadError(f"load: expected a result, got {line!r}{self._last_words()}") from None
        return {name: float(value) for name, value in values.items() if name != "mode"}

    def _line(self) -> str:
        while b"\n" not in self._unread:
            readable, _, _ = select.select([self._stdout], [], [], self._remaining())
            if not readable:
                raise LoadError(f"load printed nothing in time{self._last_words()}")
            read = os.read(self._stdout.fileno(), 65_536)
            if not read:
                raise LoadError(f"load ended with {self._process.wait()}{self._last_words()}")
            self._unread += read
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()

    def _remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _last_words(self, lines: int = 4) -> str:
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace").strip().splitlines()
        return "".join(f"\n    {line}" for line in text[-lines:])


@contextmanager
def loading(binary: Path, core: int, arguments: Sequence[str], timeout: float) -> Iterator[Load]:
    """Run the load generator on one core until the block ends, for `timeout` s at most."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [binary, *arguments],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        with process:
            try:
                yield Load(process, stderr, time.monotonic() + timeout)
            finally:
                kill_group(process)


def measure(
    binary: Path, cores: Cores, arguments: Sequence[str], server: Server, timeout: float, core: int | None = None
) -> Result:
    """Put load on a server; adds to the result, for the time between `begin` and `end`, what worked on the cores.

    `cpu_seconds` is what the server used, `load_seconds` what `binary` did, which runs on `core` or on that of the
    load, and `others_seconds` what neither they nor the server's helper did. Raises `LoadError` for a wrong answer, a
    lost connection, and what takes longer than `timeout` s.
    """
    ports = ["--port", str(server.port)]
    if server.second is not None:
        ports += ["--trigger-port", str(server.second.port)]
    with loading(binary, cores.load if core is None else core, [*arguments, *ports], timeout) as load:
        load.wait_for("ready")
        server.find_processes()
        load.wait_for("begin")
        before = _usage(load, server, cores)
        load.wait_for("end")
        after = _usage(load, server, cores)
        used, loaded, helped, all_in_all = (now - then for now, then in zip(after, before, strict=True))
        # All count in ticks, which may fall on different sides of the two moments.
        others = max(0.0, round(all_in_all - used - loaded - helped, 2))
        return load.result() | {"cpu_seconds": used, "load_seconds": loaded, "others_seconds": others}


def _usage(load: Load, server: Server, cores: Cores) -> tuple[float, float, float, float]:
    """CPU time so far: of the server, of the load, of what the server needs, of everything on the cores."""
    helped = server.helper.cpu_seconds() if server.helper else 0.0
    return server.cpu_seconds(), load.cpu_seconds(), helped, core_seconds({*server.cores, cores.load})
