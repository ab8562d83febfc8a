"""The services that tests get are real, and where nothing may be skipped nothing is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from msanic_core.testing import DatabaseProcess, fixtures


def test_redis_answers_and_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert client.dbsize() == 0
        client.set("key", "value")
        assert client.get("key") == b"value"


@pytest.mark.parametrize("server", [fixtures.postgres_server, fixtures.mariadb_server])
def test_a_database_that_is_not_installed_is_skipped_and_says_what_to_install(
    server: Callable[[pytest.TempPathFactory], Iterator[DatabaseProcess]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise RuntimeError(f"no {name}: install it")

    monkeypatch.setattr("msanic_core.testing.fixtures.postgres_program", missing)
    monkeypatch.setattr("msanic_core.testing.fixtures.mariadb_program", missing)
    with pytest.raises(pytest.skip.Exception, match=r"no (postgres|mariadbd): install it"):
        next(server(tmp_path_factory))


@pytest.mark.parametrize("mark", ["skip(reason='no server')", "xfail(reason='not yet')", "xfail(strict=True)"])
@pytest.mark.parametrize(("no_skip", "exit_code"), [("1", 1), ("0", 0)])
def test_what_is_skipped_or_expected_to_fail(tmp_path: Path, mark: str, no_skip: str, exit_code: int) -> None:
    shutil.copy(Path(__file__).parent.parent / "conftest.py", tmp_path)
    test = f"import pytest\n\n@pytest.mark.{mark}\ndef test_it():\n    assert False\n"
    (tmp_path / "test_it.py").write_text(test)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = {**os.environ, "TESTS_NO_SKIP": no_skip}
    assert subprocess.run(command, env=environment, capture_output=True).returncode == exit_code
