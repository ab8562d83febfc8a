"""Only for MariaDB: who can log in, and a start that is cancelled."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from msanic_core.testing import MariadbProcess, mariadb_process
from msanic_core.testing.mariadb_server import mariadb_program


def test_only_who_has_the_password_gets_in(mariadb: MariadbProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("tests", "root", ""):
        monkeypatch.setattr(MariadbProcess, "user", user)
        monkeypatch.setattr(mariadb, "password", "")
        assert asyncio.run(mariadb.answers()) is False


def running_in(directory: Path) -> list[str]:
    """The command lines of the processes that name a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return [line for line in found if str(directory) in line]


def test_nothing_is_left_of_an_installation_that_was_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        task = asyncio.create_task(mariadb_process(tmp_path).__aenter__())
        while not any("--bootstrap" in line for line in running_in(tmp_path)):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not running_in(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_it_the_error_says_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="install the package mariadb-server of the system"):
        mariadb_program("no-such-program")
