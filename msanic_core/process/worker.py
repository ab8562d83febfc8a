"""A worker's side of the supervisor: what it inherits, how it says that it is ready, how it learns that it is alone.

The two are joined by a socket. The worker writes its banner there once, when it accepts connections, and then the end
of the stream. The supervisor writes nothing: the end of its stream is its death, whatever the cause.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress

VARIABLE = "MSANIC_CORE_WORKER"
"""Holds what a worker inherits. In the environment, since the command that runs it is the supervisor's own."""

STOP_MARGIN = 5.0
"""Seconds that a worker may take to end beyond its `drain_timeout`; then it is killed."""


class Worker:
    """One of several workers: this process."""

    def __init__(self, number: int, listener: socket.socket, supervisor: socket.socket) -> None:
        self.number = number
        """From 1 on; the worker that takes the place of another has its number."""
        self.listener = listener
        self._supervisor = supervisor

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> "Worker | None":
        """Take what a supervisor has handed over out of the environment; None if none has."""
        inherited = environ.pop(VARIABLE, None)
        if inherited is None:
            return None
        number, *descriptors = map(int, inherited.split(","))
        for descriptor in descriptors:
            # Programs that plugins run must not keep the port.
            os.set_inheritable(descriptor, False)
        listener, supervisor = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        listener.setblocking(False)
        return cls(number, listener, supervisor)

    @staticmethod
    def variable(number: int, listener: socket.socket, supervisor: socket.socket) -> dict[str, str]:
        """The environment from which `from_environment` makes a worker, where it inherits the two sockets."""
        return {VARIABLE: f"{number},{listener.fileno()},{supervisor.fileno()}"}

    def watch(self, limit: float) -> None:
        """Stop this process when the supervisor has died: by SIGTERM, and after `limit` seconds by SIGKILL.

        Watches in a thread: a plugin may block the event loop, or be loading still.
        """
        threading.Thread(target=self._watch, args=(limit,), name="supervisor watch", daemon=True).start()

    def ready(self, banner: str) -> None:
        """Tell the supervisor that connections are accepted."""
        with suppress(OSError):  # it has died, which the watch sees
            self._supervisor.sendall(banner.encode())
            self._supervisor.shutdown(socket.SHUT_WR)

    def _watch(self, limit: float) -> None:
        with suppress(ConnectionResetError):
            self._supervisor.recv(1)
        sys.stderr.write(f"msanic-core: worker {self.number} (pid {os.getpid()}) stops: its supervisor has died\n")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(limit)
        os.kill(os.getpid(), signal.SIGKILL)
