"""The services that tests get are real, and where nothing may be skipped nothing is."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from msanic_core.testing import DatabaseProcess, fixtures
from tests.support.workers import is_alive


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


def run_pytest(directory: Path, test: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on one test, with a copy of this repository's conftest.py."""
    shutil.copy(Path(__file__).parent.parent / "conftest.py", directory)
    (directory / "test_it.py").write_text(test)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(directory), str(directory)]
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("mark", ["skip(reason='no server')", "xfail(reason='not yet')", "xfail(strict=True)"])
@pytest.mark.parametrize(("no_skip", "exit_code"), [("1", 1), ("0", 0)])
def test_what_is_skipped_or_expected_to_fail(tmp_path: Path, mark: str, no_skip: str, exit_code: int) -> None:
    test = f"import pytest\n\n@pytest.mark.{mark}\ndef test_it():\n    assert False\n"
    assert run_pytest(tmp_path, test, TESTS_NO_SKIP=no_skip).returncode == exit_code


LEAVES_PROCESSES = """
import subprocess

def test_it():
    subprocess.Popen(["sleep", "3601"])
    subprocess.Popen(["sleep", "3602"], start_new_session=True)
    subprocess.Popen(["setsid", "--fork", "sleep", "3603"]).wait()
    subprocess.Popen(["sleep", "0.1"])
"""


def test_processes_that_outlive_the_tests_fail_the_run_and_are_named(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, LEAVES_PROCESSES, PYTHONWARNINGS="ignore")
    assert run.returncode == 1
    left = re.findall(r"^(\d+): 'sleep (\d+)', started by test_it\.py::test_it \(call\)$", run.stdout, re.MULTILINE)
    assert {seconds for _, seconds in left} == {"3601", "3602", "3603"}
    assert not [pid for pid, _ in left if is_alive(int(pid))]


def test_processes_that_end_soon_after_the_tests_are_no_failure(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, 'import subprocess\n\ndef test_it():\n    subprocess.Popen(["sleep", "0.5"])\n')
    assert run.returncode == 0, run.stdout
