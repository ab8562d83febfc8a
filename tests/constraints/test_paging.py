"""Pages of lists."""

import pytest

from msanic_core.constraints import Paging, TimePaging
from tests.support.constraints import problem_with


def test_the_offset() -> None:
    assert (Paging().offset, Paging(page=3, size=50).offset) == (0, 100)


@pytest.mark.parametrize("order", [[], ["created"], ["-created", "name_2"], ["_id"]])
def test_orders(order: list[str]) -> None:
    assert problem_with(Paging, {"order": order}) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"page": 0}, "data.page: expected int >= 1"),
        ({"page": 1_000_001}, "data.page: expected int <= 1000000"),
        ({"size": 0}, "data.size: expected int >= 1"),
        ({"size": 101}, "data.size: expected int <= 100"),
        ({"order": ["a"] * 11}, "data.order: expected array of length <= 10"),
        *(
            (
                {"order": [field]},
                "data.order[0]: expected the name of a field, with - before it for the other way round",
            )
            for field in ("", "a b", "--a", "a;drop", "a\n", "name desc", "1")
        ),
    ],
)
def test_what_is_no_page(value: dict[str, object], problem: str) -> None:
    assert problem_with(Paging, value) == problem


def test_a_page_of_a_time() -> None:
    noon = "2026-03-29T12:00:00Z"
    assert problem_with(TimePaging, {"page": 2, "start": noon, "end": "2026-03-29T12:00:01Z"}) == ""
    assert problem_with(TimePaging, {"page": 2, "start": noon, "end": noon}) == "data: start must be before end"
    assert problem_with(TimePaging, {"page": 0}) == "data.page: expected int >= 1"
