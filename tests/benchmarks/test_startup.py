from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import startup
from benchmarks.exchanges import Exchange
from benchmarks.servers import ServerError
from benchmarks.startup import Starter, starters
from benchmarks.targets import Process, Target
from tests.support.programs import CORE, LISTENS, environments, python

# It listens for some time before it answers, and then answers with 503 for some time.
IS_READY_LATER = f"""
import time{LISTENS}
begun = time.monotonic()
time.sleep(0.2)
while True:
    connection, _ = listener.accept()
    head = connection.recv(1000)
    known = head.startswith(b"GET /livez ") and time.monotonic() > begun + 0.4
    connection.sendall(b"HTTP/1.1 " + (b"200 OK" if known else b"503 Later") + b"\\r\\n\\r\\n")
    connection.close()
"""


def starter_of(source: str) -> Starter:
    target = Target("some", "Some server", lambda _, port, __: python(source, port), {"start": Exchange()})
    (starter,) = starters([target], environments())
    return starter


def test_a_server_is_started_when_it_answers() -> None:
    starter = starter_of(IS_READY_LATER)
    assert (starter.subject, starter.title) == ("some", "Some server")
    assert starter.seconds(CORE) > 0.4


def test_a_server_that_does_not_start() -> None:
    with pytest.raises(ServerError, match="ended with code 3"):
        starter_of("import sys; sys.exit(3)").seconds(CORE)


def test_only_some_targets_are_started() -> None:
    target = Target("some", "Some", lambda *_: Process(()), {"command": Exchange()})
    assert starters([target], environments()) == []


def test_programs_are_started_up_to_their_end() -> None:
    target = Target("core-ten", "Ten", lambda *_: Process(()), {})
    by_subject = {starter.subject: starter for starter in starters([target], environments())}
    assert 0 < by_subject["python"].seconds(CORE) < 20
    assert 0 < by_subject["help"].seconds(CORE) < 20


def test_a_program_that_fails(tmp_path: Path) -> None:
    program = tmp_path / "msanic-core"
    program.write_text("#!/bin/sh\necho out of paper >&2\nexit 3\n")
    program.chmod(0o755)
    target = Target("core-ten", "Ten", lambda *_: Process(()), {})
    here = replace(environments(), core_ten_python=tmp_path / "python")
    by_subject = {starter.subject: starter for starter in starters([target], here)}
    with pytest.raises(ServerError, match="ended with 3: out of paper"):
        by_subject["help"].seconds(CORE)
    with pytest.raises(ServerError, match="cannot be started"):
        by_subject["python"].seconds(CORE)


def test_a_program_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_TIMEOUT", 0.5)
    program = tmp_path / "msanic-core"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o755)
    target = Target("core-ten", "Ten", lambda *_: Process(()), {})
    here = replace(environments(), core_ten_python=tmp_path / "python")
    by_subject = {starter.subject: starter for starter in starters([target], here)}
    with pytest.raises(ServerError, match=r"did not end within 0\.5 s"):
        by_subject["help"].seconds(CORE)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
