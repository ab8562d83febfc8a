"""Only for PostgreSQL: its processes, its user, its directories."""

import asyncio
import os
from pathlib import Path

import pytest

from msanic_core.testing import PostgresProcess
from msanic_core.testing.postgres_server import postgres_program


def test_its_other_processes_are_gone_with_it(postgres: PostgresProcess) -> None:
    children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children").read_text().split()
    assert children
    asyncio.run(postgres.kill())
    for pid in children:
        # A dead process stays a zombie if process 1 does not wait for its adopted children.
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_it_does_not_run_as_root(postgres: PostgresProcess) -> None:
    assert os.stat(f"/proc/{postgres.pid}").st_uid != 0
    assert postgres.directory.stat().st_mode & 0o077 == 0


def test_only_who_has_the_password_gets_in(postgres: PostgresProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "password", "wrong")
    assert asyncio.run(postgres.answers()) is False


def test_the_newest_of_debians_versions_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for version in ("9.6", "15", "17", "8"):
        program = tmp_path / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch()
    monkeypatch.setattr("msanic_core.testing.postgres_server.DEBIAN", tmp_path)
    assert postgres_program("postgres") == str(tmp_path / "17" / "bin" / "postgres")


def test_without_it_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("msanic_core.testing.postgres_server.DEBIAN", tmp_path)
    with pytest.raises(RuntimeError, match="install the package postgresql of the system"):
        postgres_program("postgres")
