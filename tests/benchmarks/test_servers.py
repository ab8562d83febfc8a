import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import servers
from benchmarks.servers import Server, ServerError, accepts, clean_environment, core_seconds, free_port, running
from benchmarks.targets import Process
from tests.support.programs import CORE, LISTENS, python

SAYS_WHERE_IT_IS = f"""
import json, os
{LISTENS}
while True:
    connection, _ = listener.accept()
    state = {{"cores": sorted(os.sched_getaffinity(0)), "files": os.listdir("."), "session": os.getsid(0)}}
    connection.sendall(json.dumps(state).encode())
    connection.close()
"""

# A child of it works and holds memory from the time when the port is asked: the first connection only sees it ready.
# What it shares with its parent from the fork on, some MiB, is private to neither.
WORKS_IN_A_CHILD = f"""
import os, time
{LISTENS}
listener.accept()
connection, _ = listener.accept()
if os.fork() == 0:
    memory = os.urandom(20_000_000)
    begun = time.process_time()
    while time.process_time() < begun + 0.2: pass
    connection.shutdown(socket.SHUT_RDWR)
while True: time.sleep(1)
"""

WORKS_IN_A_SESSION_OF_ITS_OWN = WORKS_IN_A_CHILD.replace("    memory =", "    os.setsid()\n    memory =")

IS_READY_LATER = f"""
import sys, time
{LISTENS}
print("not yet", flush=True)
time.sleep(0.3)
print("at last", flush=True)
time.sleep(60)
"""

REFUSES_TO_END = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
{LISTENS}
os.fork()
while True: time.sleep(1)
"""

# It ends when it is asked to, and its child, in a session of its own, does not.
LEAVES_A_CHILD = f"""
import os, signal, sys, time
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    while True: time.sleep(1)
while os.getsid(child) != child: pass
{LISTENS}
while True:
    connection, _ = listener.accept()
    connection.sendall(str(child).encode())
    connection.close()
"""

ENDS_WITH_WORDS = """
import sys
for number in range(20):
    print("line", number, file=sys.stderr)
sys.exit(7)
"""


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        return sock.makefile("rb").read()


def state(port: int) -> Any:
    return json.loads(ask(port))


def living(session: int) -> list[int]:
    """The processes of a session, without those that only wait to be taken note of."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 10
    while living(session):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_is_bound_to_its_core_in_an_empty_directory() -> None:
    port = free_port()
    with running(python(SAYS_WHERE_IT_IS, port), port, CORE):
        seen = state(port)
    assert seen["cores"] == [CORE]
    assert seen["files"] == []
    assert not accepts(port)


def test_a_server_may_have_more_cores() -> None:
    port = free_port()
    cores = os.sched_getaffinity(0)
    with running(python(SAYS_WHERE_IT_IS, port), port, *cores) as server:
        assert state(port)["cores"] == sorted(cores)
        assert set(server.cores) == cores


def test_a_server_is_ready_when_it_says_so() -> None:
    port = free_port()
    begun = time.monotonic()
    with running(replace(python(IS_READY_LATER, port), ready="at last"), port, CORE):
        assert time.monotonic() - begun > 0.3


def test_two_nodes_are_counted_together() -> None:
    ports = free_port(), free_port()
    with (
        running(python(WORKS_IN_A_CHILD, ports[0]), ports[0], CORE) as second,
        running(python(SAYS_WHERE_IT_IS, ports[1]), ports[1], CORE, second=second) as first,
    ):
        cpu, memory = first.cpu_seconds(), first.private_kib()
        assert ask(ports[0]) == b""
        first.find_processes()
        assert 0.15 < first.cpu_seconds() - cpu < 5
        assert 15_000 < first.private_kib() - memory < 40_000


@pytest.mark.parametrize("source", [WORKS_IN_A_CHILD, WORKS_IN_A_SESSION_OF_ITS_OWN])
def test_cpu_time_and_memory_are_those_of_all_its_processes(source: str) -> None:
    port = free_port()
    with running(python(source, port), port, CORE) as server:
        cpu, core, memory = server.cpu_seconds(), core_seconds([CORE]), server.private_kib()
        assert ask(port) == b""
        assert server.cpu_seconds() - cpu < 0.1
        server.find_processes()
        assert 0.15 < server.cpu_seconds() - cpu < 5
        assert core_seconds([CORE]) - core > 0.15
        assert 15_000 < server.private_kib() - memory < 40_000


def test_nothing_is_left_of_one_that_refuses_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_STOP_SECONDS", 0.1)
    port = free_port()
    with running(python(REFUSES_TO_END, port), port, CORE) as server:
        session = server._process.pid
        while len(living(session)) < 2:
            time.sleep(0.01)
    wait_until_gone(session)


def test_nothing_is_left_of_its_children_in_sessions_of_their_own() -> None:
    port = free_port()
    with running(python(LEAVES_A_CHILD, port), port, CORE):
        child = int(ask(port))
        assert living(child) == [child]
    wait_until_gone(child)


def test_nothing_is_left_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    session = 0

    def interrupted() -> None:
        nonlocal session
        with running(python(SAYS_WHERE_IT_IS, port), port, CORE):
            session = state(port)["session"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    wait_until_gone(session)


def test_one_that_ends_at_once_leaves_its_last_words() -> None:
    port = free_port()
    with pytest.raises(ServerError) as error, running(python(ENDS_WITH_WORDS, port), port, CORE):
        pass
    assert str(error.value).startswith("ended with code 7 before it was ready\n")
    assert "line 19" in str(error.value)
    assert "line 2\n" not in str(error.value)


def test_one_that_is_never_ready() -> None:
    port = free_port()
    with (
        pytest.raises(ServerError, match=r"not ready within 0\.2 s"),
        running(python("import time; time.sleep(60)"), port, CORE, timeout=0.2),
    ):
        pass


def test_a_program_that_does_not_exist() -> None:
    with pytest.raises(ServerError, match="cannot be started"), running(Process(("no-such-program",)), 1, CORE):
        pass


def test_settling_ends_when_the_work_ends() -> None:
    class Working(Server):
        used = iter([0.0, 0.1, 0.2, 0.21, 9.9])

        def __init__(self) -> None:
            pass

        def cpu_seconds(self) -> float:
            return next(self.used)

    Working().settle(60)
    assert list(Working.used) == [9.9]


def test_free_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port()
    monkeypatch.setattr(servers, "_PORTS", [first] * 100)
    assert free_port() == first
    with socket.create_server(("127.0.0.1", first)):
        monkeypatch.setattr(servers, "_PORTS", range(first, first + 100))
        assert {free_port() for _ in range(1000)}.isdisjoint({first})


def test_settings_of_this_process_do_not_reach_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("MSANIC_WS__RATE", "1")
    monkeypatch.setenv("KEPT", "1")
    clean = clean_environment()
    assert clean["KEPT"] == "1"
    assert not {"PYTHONDONTWRITEBYTECODE", "MSANIC_WS__RATE"} & set(clean)
