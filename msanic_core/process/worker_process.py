"""A worker, seen from the supervisor: a process that is started, becomes ready, and ends."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

from msanic_core.process.worker import Worker


class WorkerProcess:
    """A worker process that has been started."""

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.pid = process.pid
        self._ready_at: float | None = None
        self._process = process
        self._reader = reader
        self._writer = writer
        self.end = loop.create_task(self._end())
        """Done when the process has ended. Its result: the exit code, or minus the number of the signal."""

    @classmethod
    async def start(cls, number: int, command: Sequence[str], listener: socket.socket) -> "WorkerProcess":
        """Run `command` as worker `number` on the listening socket. Raises `OSError` if it cannot be run."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(listener.fileno(), theirs.fileno()),
                    env={**os.environ, **Worker.variable(number, listener, theirs)},
                    # Ctrl-C goes to all processes of a terminal's session; only the supervisor must get it.
                    start_new_session=True,
                )
            except BaseException:
                writer.close()
                raise
        return cls(number, process, reader, writer)

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"

    async def ready(self) -> str | None:
        """Wait until it accepts connections. Returns its banner, or None if it has ended before."""
        # `_end` closes the stream: a child process of the worker may keep the other side open.
        banner = (await self._reader.read()).decode()
        if not banner:
            await asyncio.shield(self.end)
            return None
        self._ready_at = asyncio.get_running_loop().time()
        return banner

    def terminate(self) -> None:
        """Ask it to stop gracefully. A second call changes nothing."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self._signal(signal.SIGKILL)

    def ended_well(self) -> bool:
        """Whether it ended with exit code 0 or by SIGTERM.

        SIGTERM kills it before the worker has set its signal handler, and after the event loop has removed that.
        """
        return self.end.result() in {0, -signal.SIGTERM}

    def lived(self) -> float:
        """Seconds since it was ready; 0 if it never was."""
        return 0.0 if self._ready_at is None else asyncio.get_running_loop().time() - self._ready_at

    def how_it_ended(self) -> str:
        """The end of the process in words, for logs."""
        code = self.end.result()
        return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"

    async def _end(self) -> int:
        code = await self._process.wait()
        self._writer.close()
        return code

    def _signal(self, number: signal.Signals) -> None:
        # Not `Process.send_signal`: before Python 3.13 it polls for the exit code itself, and asyncio then misses it.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
