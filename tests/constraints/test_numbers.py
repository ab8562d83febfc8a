"""Ranges of numbers."""

from msanic_core.constraints import NonNegativeInt, PositiveInt
from tests.support.constraints import problem_with


def test_bounds() -> None:
    assert problem_with(PositiveInt, 1) == ""
    assert problem_with(PositiveInt, 0) == "data: expected int >= 1"
    assert problem_with(NonNegativeInt, 0) == ""
    assert problem_with(NonNegativeInt, -1) == "data: expected int >= 0"
    assert problem_with(NonNegativeInt, 1.5) == "data: expected int, got float"
