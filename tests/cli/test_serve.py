import errno
import gc
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from msanic_core.cli import main
from msanic_core.cli.serve import listen_problem
from msanic_core.config import settings_from


def test_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "msanic_core", "serve", "--port", str(port), "--auth", "anonymous"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f"msanic-core: error: 127.0.0.1:{port} is already in use; stop the program that has it, or choose another "
        "port with --port"
    )
    assert "Traceback" not in run.stderr


def test_the_garbage_collector_is_back_after_a_start_that_failed() -> None:
    assert gc.isenabled()
    assert main(["serve", "--set", "server.port=none"]) == 2
    assert gc.isenabled()


def test_serves_with_the_settings_until_sigterm(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["serve", "--port", "0", "--auth", "anonymous", "--db", "sqlite://:memory:", "--set", "plugins.load="]
    with subprocess.Popen([sys.executable, "-m", "msanic_core", *argv], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            url = next(
                (found[0] for line in server.stderr if (found := re.search(r"ws://127\.0\.0\.1:\d+/ws", line))), None
            )
            assert url is not None
            assert main(["call", "sys.ping", "--url", url, "--user", "ann"]) == 0
            server.terminate()
            rest = server.stderr.read()
            server.wait()
        finally:
            server.kill()
    assert server.returncode == 0, rest
    assert json.loads(capsys.readouterr().out)["cmd"] == "sys.ping"


@pytest.mark.parametrize(
    ("error", "server", "text"),
    [
        (OSError(errno.EADDRINUSE, ""), {"host": "::1"}, "[::1]:8800 is already in use; "),
        (OSError(errno.EADDRNOTAVAIL, ""), {"host": "192.0.2.1"}, "192.0.2.1 is no address of this machine; "),
        (socket.gaierror(socket.EAI_NONAME, ""), {"host": "no.example"}, "no.example is no known host or address; "),
        (OSError(errno.EACCES, ""), {"port": 80}, "cannot listen on 127.0.0.1:80: ports below 1024 need privileges; "),
    ],
)
def test_why_it_cannot_listen(error: OSError, server: dict[str, object], text: str) -> None:
    problem = listen_problem(error, settings_from({"server": server}).server)
    assert problem is not None
    assert text in problem
    assert "set server.host" in problem or "--port" in problem


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.EMFILE])
def test_other_errors_are_not_explained_away(number: int) -> None:
    assert listen_problem(OSError(number, os.strerror(number)), settings_from({}).server) is None


def test_redis_that_is_away_is_said_and_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
    argv = ["serve", "--port", "0", "--redis", url, "--set", "redis.patience=0.1", "--set", "plugins.load="]
    run = subprocess.run([sys.executable, "-m", "msanic_core", *argv], capture_output=True, text=True, timeout=60)
    assert run.returncode == os.EX_TEMPFAIL
    last = run.stderr.splitlines()[-1]
    assert last.endswith(f"({url}); start Redis, or correct redis.url (--redis)")
    assert "Traceback" not in run.stderr
