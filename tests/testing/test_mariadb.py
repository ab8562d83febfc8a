"""What is MariaDB's own: who gets in, and a start that is given up."""

import asyncio
import os
from pathlib import Path

import pytest

from msanic_core.testing import MariadbProcess, mariadb_process
from msanic_core.testing.mariadb import mariadb_program


def test_only_who_has_the_password_gets_in(mariadb: MariadbProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("tests", "root", ""):
        monkeypatch.setattr(MariadbProcess, "user", user)
        monkeypatch.setattr(mariadb, "password", "")
        assert asyncio.run(mariadb.answers()) is False


def test_nothing_runs_after_a_start_that_was_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("mariadb-install-db", "mariadbd"):
        executable = tmp_path / program
        executable.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 3600\n")
        executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    async def run() -> None:
        task = asyncio.create_task(mariadb_process(tmp_path).__aenter__())
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not list(tmp_path.glob("mariadb-*/"))


def test_without_it_the_error_says_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="install the package mariadb-server of the system"):
        mariadb_program("no-such-program")
