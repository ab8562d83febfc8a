"""For every test, the plugins' included: real services, and with TESTS_NO_SKIP=1, as in CI, no test is skipped."""

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["msanic_core.testing.fixtures"]

NO_SKIP = os.environ.get("TESTS_NO_SKIP") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures where nothing may be missing."""
    report = yield
    if NO_SKIP and report.skipped:
        report.outcome = "failed"
        # An expected failure has this, and pytest counts no report with it as failed.
        vars(report).pop("wasxfail", None)
        report.longrepr = f"skipped, and nothing may be skipped here: {report.longrepr}"
    return report
