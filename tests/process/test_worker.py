"""A worker's side: what it inherits, and what it does when its supervisor dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from msanic_core.process.worker import VARIABLE, Worker

WATCHES = """
import os, signal, sys, time
from msanic_core.process.worker import Worker

worker = Worker.from_environment(os.environ)
{first}
worker.watch({limit})
worker.ready("here")
{then}
"""


@contextmanager
def started(
    first: str = "", then: str = "time.sleep(60)", limit: float = 60
) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """A worker with little to do, and the supervisor's end of the socket between them."""
    ours, theirs = socket.socketpair()
    source = WATCHES.format(first=first, then=then, limit=limit)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            pass_fds=(listener.fileno(), theirs.fileno()),
            env={**os.environ, **Worker.variable(3, listener, theirs)},
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        ours.settimeout(30)
        with process:
            try:
                yield process, ours
            finally:
                process.kill()


@contextmanager
def handed_over() -> Iterator[tuple[Worker, socket.socket]]:
    """A worker in this process, and the supervisor's end."""
    ours, theirs = socket.socketpair()
    with ours, socket.create_server(("127.0.0.1", 0)) as listener:
        for sock in (theirs, listener):
            os.set_inheritable(sock.fileno(), True)
        environ = {"PATH": "/bin", **Worker.variable(3, listener, theirs)}
        theirs.detach()
        listener.detach()
        worker = Worker.from_environment(environ)
        assert environ == {"PATH": "/bin"}, "programs that are run from here are no workers"
        assert worker is not None
        with worker.listener, worker._supervisor:
            yield worker, ours


def test_what_a_supervisor_hands_over() -> None:
    with handed_over() as (worker, supervisor):
        assert worker.number == 3
        assert worker.listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not worker.listener.getblocking()
        assert not worker.listener.get_inheritable()
        assert not worker._supervisor.get_inheritable()
        worker.ready("one line\nanother")
        assert supervisor.recv(100) == b"one line\nanother"
        assert supervisor.recv(100) == b"", "the end of the stream"


def test_to_be_ready_when_the_supervisor_has_died_is_no_error() -> None:
    with handed_over() as (worker, supervisor):
        supervisor.close()
        worker.ready("here")


def test_without_a_supervisor() -> None:
    environ = {"PATH": "/bin"}
    assert Worker.from_environment(environ) is None
    assert VARIABLE not in environ


def test_a_worker_lives_while_its_supervisor_does() -> None:
    with started(then="print('still here', file=sys.stderr)") as (process, ours):
        assert ours.recv(10) == b"here"
        assert process.wait(30) == 0


def test_a_worker_stops_when_its_supervisor_dies() -> None:
    with started(first="signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))") as (process, ours):
        assert ours.recv(10) == b"here"
        ours.close()
        assert process.wait(30) == 5
        assert process.stderr is not None
        said = f"msanic-core: worker 3 (pid {process.pid}) stops: its supervisor has died\n"
        assert process.stderr.read() == said


def test_a_worker_that_does_not_stop_is_killed() -> None:
    with started(first="signal.signal(signal.SIGTERM, signal.SIG_IGN)", limit=0.1) as (process, ours):
        assert ours.recv(10) == b"here"
        ours.close()
        assert process.wait(30) == -signal.SIGKILL
