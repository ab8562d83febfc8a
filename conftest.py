"""For all tests, including those of the plugins: real services, no skips in CI, and no process left after the tests.

With TESTS_NO_SKIP=1, as in CI, a skipped test counts as failed.
"""

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest_plugins = ["msanic_core.testing.fixtures"]

NO_SKIP = os.environ.get("TESTS_NO_SKIP") == "1"
PR_SET_CHILD_SUBREAPER = 36
GRACE = 2.0
"""Seconds in which processes may end by themselves after the last test."""

left_behind = pytest.StashKey[list[str]]()


def pytest_collection_finish() -> None:
    """Exclude the objects that exist before the first test, which are nearly all objects, from garbage collection.

    Many tests collect garbage. Without this each collection takes half a second.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures with TESTS_NO_SKIP=1."""
    report = yield
    if NO_SKIP and report.skipped:
        report.outcome = "failed"
        # An expected failure has this attribute, and pytest then does not count the report as failed.
        vars(report).pop("wasxfail", None)
        report.longrepr = f"skipped, and nothing may be skipped here: {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Become the parent of every process whose own parent has ended, so that no process of a test is overlooked.

    Not in a worker of pytest-xdist: processes that it leaves become children of the process that has started the
    workers.
    """
    config.stash[left_behind] = []
    if is_worker(config):
        return
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


# The last wrapper: fixtures are torn down inside it, and the summary is written after it.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Fail the run if processes are alive after the teardown of all fixtures, and kill them."""
    yield
    if is_worker(session.config):
        return
    deadline = time.monotonic() + GRACE
    while (found := list(living())) and time.monotonic() < deadline:
        time.sleep(0.02)
    session.config.stash[left_behind] = [description(pid) for pid in found]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if found and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the processes that were left."""
    if lines := config.stash[left_behind]:
        terminalreporter.section("processes that outlived the tests", red=True)
        for line in lines:
            terminalreporter.line(line)


def is_worker(config: pytest.Config) -> bool:
    """Whether pytest-xdist has started this process."""
    return hasattr(config, "workerinput")


def living(parent: int | None = None) -> Iterator[int]:
    """The living descendants of a process, by default of this one. Zombies do not count."""
    for file in Path(f"/proc/{parent or os.getpid()}/task").glob("*/children"):
        # Both reads fail if the process ends at this moment.
        with suppress(FileNotFoundError, ProcessLookupError):
            for pid in map(int, file.read_text().split()):
                if ") Z " not in Path(f"/proc/{pid}/stat").read_text():
                    yield pid
                yield from living(pid)


def description(pid: int) -> str:
    """The command line of a process, and the test that has started it."""
    with suppress(FileNotFoundError, ProcessLookupError):
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").replace("\0", " ")
        environment = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
        tests = [line.partition("=")[2] for line in environment if line.startswith("PYTEST_CURRENT_TEST=")]
        return f"{pid}: {command!r}, started by {tests[0] if tests else 'a test that it does not tell'}"
    return f"{pid}: has ended meanwhile"
