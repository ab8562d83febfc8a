import asyncio
from pathlib import Path

from benchmarks.split_tables import GOAL, QUERIES, measure, report


def test_every_query_gives_the_same_from_parts_as_from_one_table(tmp_path: Path) -> None:
    found = asyncio.run(measure(f"sqlite://{tmp_path}/rows.db", rows=600, repeats=1))
    assert [title for title, *_ in found] == [query.title for query in QUERIES]
    assert all(whole > 0 and split > 0 for _, whole, split, _ in found)


def test_the_report_marks_a_goal_that_is_missed() -> None:
    text = report("SQLite", [("good", 0.002, 0.002, GOAL), ("bad", 0.001, 0.002, 2.0)])
    assert "| good | 2.00 | 2.00 | 1.30 |" in text
    assert "| bad | 1.00 | 2.00 | 2.00 (goal: 1.3) |" in text
