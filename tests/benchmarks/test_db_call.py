"""The benchmark of a command's database call works, and says what it measured."""

import asyncio
from pathlib import Path

from benchmarks.db_call import CALLS_MEASURED, Found, measure, report


def test_all_calls_are_measured(tmp_path: Path) -> None:
    found = asyncio.run(measure(f"sqlite://{tmp_path}/rows.db", calls=70, rounds=2))
    assert [each.title for each in found] == [call.title for call in CALLS_MEASURED]
    for each in found:
        assert each.bare > 0
        assert 0 < each.inside < each.with_call
        assert 0 < each.without < each.with_call


def test_the_report_marks_what_misses_the_goal() -> None:
    text = report("SQLite", [Found("a", 100.0, 105.0, 120.0, 10.0, 1.05, 1.1)])
    assert text.splitlines()[-1] == "| a | 100 | 105 | 1.050 | 120 | 10 | 1.100 (goal: 1.1) |"
