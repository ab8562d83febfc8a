"""The echo servers, each started once for all files, and clients of them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.protocol.echo_server import LOOPS
from tests.support.peer import MAX_FRAGMENTS, MAX_MESSAGE, Peer, meeting


@contextmanager
def echo_server(errors: Path, *options: str) -> Iterator[int]:
    """Run the server in a process of its own; at the end it must be alive and have had nothing to complain about."""
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("echo_server.py")), "0", *options]
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    try:
        assert process.stdout is not None
        ready, _, port = process.stdout.readline().decode().partition(" ")
        assert ready == "ready", errors.read_text()
        yield int(port)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert errors.read_text() == ""


@pytest.fixture(scope="session", params=LOOPS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that takes big messages."""
    with echo_server(tmp_path_factory.mktemp("echo") / "stderr", "--loop", request.param) as listening:
        yield listening


@pytest.fixture(scope="session", params=LOOPS)
def limited_port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with small limits and little patience."""
    limits = {"--max-message": MAX_MESSAGE, "--max-fragments": MAX_FRAGMENTS, "--close-timeout": 0.2}
    options = [str(part) for pair in limits.items() for part in pair]
    with echo_server(tmp_path_factory.mktemp("echo") / "stderr", "--loop", request.param, *options) as listening:
        yield listening


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    with meeting(port) as connected:
        yield connected


@pytest.fixture
def limited(limited_port: int) -> Iterator[Peer]:
    with meeting(limited_port) as connected:
        yield connected
