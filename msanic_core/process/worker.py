"""The supervisor, seen from a worker: what the worker inherits, how it reports that it is ready, when it must stop.

A socket connects the two. When the worker accepts connections, it writes its banner there and ends its stream. The
supervisor writes nothing: the end of its stream means that the supervisor has died.
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
"""The environment variable with what a worker inherits. Its command line is the same as the supervisor's."""

STOP_MARGIN = 5.0
"""Seconds after `drain_timeout` in which a worker must end; then it is killed."""


class Worker:
    """The current process, as one of several workers."""

    def __init__(self, number: int, listener: socket.socket, supervisor: socket.socket) -> None:
        self.number = number
        """From 1. A new worker in the place of an old one has the same number."""
        self.listener = listener
        self._supervisor = supervisor

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> "Worker | None":
        """Make the worker of this process and remove the variable; None if no supervisor has started the process."""
        inherited = environ.pop(VARIABLE, None)
        if inherited is None:
            return None
        number, *descriptors = map(int, inherited.split(","))
        for descriptor in descriptors:
            # Programs that plugins start must not inherit the port.
            os.set_inheritable(descriptor, False)
        listener, supervisor = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        listener.setblocking(False)
        return cls(number, listener, supervisor)

    @staticmethod
    def variable(number: int, listener: socket.socket, supervisor: socket.socket) -> dict[str, str]:
        """Make the variable for `from_environment`. The new process must inherit the two sockets."""
        return {VARIABLE: f"{number},{listener.fileno()},{supervisor.fileno()}"}

    def watch(self, limit: float) -> None:
        """Stop this process when the supervisor dies: with SIGTERM, and `limit` seconds later with SIGKILL.

        Runs in a thread: a plugin may block the event loop, or may still be loading.
        """
        threading.Thread(target=self._watch, args=(limit,), name="supervisor watch", daemon=True).start()

    def ready(self, banner: str) -> None:
        """Tell the supervisor that connections are accepted."""
        with suppress(OSError):  # the supervisor has died: `watch` stops this process
            self._supervisor.sendall(banner.encode())
            self._supervisor.shutdown(socket.SHUT_WR)

    def _watch(self, limit: float) -> None:
        with suppress(ConnectionResetError):
            self._supervisor.recv(1)
        sys.stderr.write(f"msanic-core: worker {self.number} (pid {os.getpid()}) stops: its supervisor has died\n")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(limit)
        os.kill(os.getpid(), signal.SIGKILL)
