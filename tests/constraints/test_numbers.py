"""Ranges of numbers."""

from msanic_core.constraints import NonNegativeInt, PositiveInt, RowId
from tests.support.constraints import problem_with


def test_bounds() -> None:
    assert problem_with(PositiveInt, 1) == ""
    assert problem_with(PositiveInt, 0) == "data: expected int >= 1"
    assert problem_with(NonNegativeInt, 0) == ""
    assert problem_with(NonNegativeInt, -1) == "data: expected int >= 0"
    assert problem_with(NonNegativeInt, 1.5) == "data: expected int, got float"
    assert problem_with(RowId, 2**63 - 1) == ""
    assert problem_with(RowId, 2**63) == "data: expected int <= 9223372036854775807"
    assert problem_with(RowId, 0) == "data: expected int >= 1"
