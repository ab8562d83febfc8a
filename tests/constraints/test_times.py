"""Times with their zones."""

import pytest

from msanic_core.constraints import AwareDatetime, TimeRange
from tests.support.constraints import problem_with

NOON = "2026-03-29T12:00:00+02:00"


@pytest.mark.parametrize("value", [NOON, "2026-03-29T10:00:00Z", "2026-03-29 10:00:00.5-05:00"])
def test_times(value: str) -> None:
    assert problem_with(AwareDatetime, value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2026-03-29T12:00:00", "data: expected datetime with a timezone component"),
        ("2026-02-30T12:00:00Z", "data: invalid RFC3339 encoded datetime"),
        ("tea", "data: invalid RFC3339 encoded datetime"),
        (1, "data: expected datetime, got int"),
    ],
)
def test_what_is_no_time(value: object, problem: str) -> None:
    assert problem_with(AwareDatetime, value) == problem


@pytest.mark.parametrize(
    "value", [{}, {"start": NOON}, {"end": NOON}, {"start": NOON, "end": "2026-03-29T10:00:00.000001Z"}]
)
def test_ranges(value: dict[str, str]) -> None:
    assert problem_with(TimeRange, value) == ""


@pytest.mark.parametrize("end", [NOON, "2026-03-29T10:00:00Z", "2026-03-29T11:59:59+02:00"])
def test_a_range_that_ends_before_it_starts(end: str) -> None:
    assert problem_with(TimeRange, {"start": NOON, "end": end}) == "data: start must be before end"
