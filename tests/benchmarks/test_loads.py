import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import loads
from benchmarks.loads import LoadError, loading
from benchmarks.servers import Server, free_port, running
from tests.support.load import Load
from tests.support.programs import CORE, CORES, ECHOES, FALSIFIES, LISTENS, python

REQUEST = b"hello ########"
OPTIONS = ["--sockets", "4", "--depth", "2", "--seconds", "0.2", "--request", REQUEST.hex(), "--reply", REQUEST.hex()]


@pytest.fixture
def echo() -> Iterator[Server]:
    port = free_port()
    with running(python(ECHOES, port), port, CORE) as server:
        yield server


def test_a_measurement(load: Load, echo: Server) -> None:
    result = loads.measure(load.binary, CORES, ["command", *OPTIONS], echo, 30)
    assert result["answers"] > 0
    assert result["wrong"] == 0
    assert 0 < result["cpu_seconds"] < 5
    assert 0 <= result["load_seconds"] < 5
    assert result["others_seconds"] >= 0


SAYS_WHAT_IT_IS_TOLD = """
import json, os, sys
for mark in ("ready", "begin", "end"):
    print(mark, flush=True)
words = sys.argv[1:]
print(json.dumps({"core": min(os.sched_getaffinity(0)), **dict(zip(words[::2], words[1::2]))}))
"""


def test_the_load_is_told_the_ports_and_where_to_run(load: Load) -> None:
    ports = free_port(), free_port()
    with (
        running(python(ECHOES, ports[0]), ports[0], CORE) as second,
        running(python(ECHOES, ports[1]), ports[1], CORE, second=second) as server,
    ):
        arguments = ["-c", SAYS_WHAT_IT_IS_TOLD]
        told = loads.measure(Path(sys.executable), CORES, arguments, server, 30, core=CORES.server)
        assert (told["--port"], told["--trigger-port"], told["core"]) == (ports[1], ports[0], CORES.server)
        told = loads.measure(Path(sys.executable), CORES, arguments, second, 30)
        assert (told["--port"], told["core"]) == (ports[0], CORES.load)
        assert "--trigger-port" not in told


def test_a_wrong_answer_is_told(load: Load) -> None:
    port = free_port()
    with (
        running(python(FALSIFIES, port), port, CORE) as server,
        pytest.raises(LoadError, match=r"ended with 1\n +load: wrong answer"),
    ):
        loads.measure(load.binary, CORES, ["command", *OPTIONS], server, 30)


def test_a_lost_server_is_told(load: Load) -> None:
    port = free_port()
    ends = f"{LISTENS}\nlistener.accept()\nlistener.accept()[0].close()\nimport time; time.sleep(60)"
    with (
        running(python(ends, port), port, CORE) as server,
        pytest.raises(LoadError, match=r"load ended with 1\n +load: "),
    ):
        loads.measure(load.binary, CORES, ["command", *OPTIONS], server, 30)


def test_a_wrong_option_is_told(load: Load, echo: Server) -> None:
    with pytest.raises(LoadError, match="--sideways"):
        loads.measure(load.binary, CORES, ["command", "--sideways"], echo, 30)


def test_connections_are_held_until_they_are_released(load: Load, echo: Server) -> None:
    with loading(load.binary, CORE, ["hold", "--sockets", "3", "--port", str(echo.port)], 30) as holding:
        holding.wait_for("ready")
        assert holding._process.poll() is None
        holding.release()
        assert holding.result() == {"connections": 3}


def test_another_line_than_expected_is_told(load: Load, echo: Server) -> None:
    with (
        loading(load.binary, CORE, ["command", *OPTIONS, "--port", str(echo.port)], 30) as commanding,
        pytest.raises(LoadError, match="expected 'end', got 'ready'"),
    ):
        commanding.wait_for("end")


def test_one_that_does_not_end_is_ended(load: Load, echo: Server) -> None:
    with loading(load.binary, CORE, ["hold", "--port", str(echo.port)], 0.3) as holding:
        holding.wait_for("ready")
        begun = time.monotonic()
        with pytest.raises(LoadError, match="nothing in time"):
            holding.wait_for("end")
        assert time.monotonic() - begun < 20
        process = holding._process
    assert process.returncode == -9
