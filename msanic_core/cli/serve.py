"""Run the server with all installed plugins until SIGTERM or SIGINT. With several workers, SIGHUP replaces them."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from msanic_core.cli import options, output

if TYPE_CHECKING:
    from msanic_core.config.sections import ServerSettings

SUMMARY = "run the server"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this verb."""
    options.add_settings_arguments(parser, workers=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the server. The exit code is the server's, or 1 if it cannot listen."""
    from msanic_core.process.worker import STOP_MARGIN, Worker

    worker = Worker.from_environment(os.environ)
    settings, _ = options.read_settings(arguments)
    try:
        if worker is None and settings.server.workers > 1:
            from msanic_core.process.supervisor import supervise

            # Migrate before the workers start, because their time to start is limited.
            if settings.db.migrate and (code := _migrate(arguments)):
                return code
            return supervise(settings)
        if worker is not None:
            worker.watch(settings.server.drain_timeout + STOP_MARGIN)

        from msanic_core.node.lifecycle import RunningNode
        from msanic_core.node.node import make_node
        from msanic_core.process.run import run as run_process

        return run_process(settings, make_node, RunningNode.start, worker)
    except OSError as error:
        problem = listen_problem(error, settings.server)
        if problem is None:
            raise
        output.error(problem)
        return 1


def _migrate(arguments: argparse.Namespace) -> int:
    """Run `db migrate` with the same settings in another process, because a supervisor loads no plugins."""
    program = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    flags = [] if arguments.config is None else ["--config", str(arguments.config)]
    flags += [part for key, _, value in arguments.overrides for part in ("--set", f"{key}={value}")]
    return subprocess.run(
        [sys.executable, *program, "db", "migrate", *flags], stdout=sys.stderr, check=False
    ).returncode


def listen_problem(error: OSError, server: ServerSettings) -> str | None:
    """Say why the server cannot listen on the address, and what helps; None if `error` has another cause."""
    address = f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {address}: {server.host} is no known host or address; set server.host (--host)"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is already in use; stop the program that has it, or choose another port with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {address}: {server.host} is no address of this machine; set server.host (--host)"
    if error.errno == errno.EACCES and 0 < server.port < 1024:
        return f"cannot listen on {address}: ports below 1024 need privileges; choose another port with --port"
    return None
