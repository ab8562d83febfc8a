"""Query strings become Structs."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from sanic import Blueprint, Request
from sanic.compat import Header

from msanic_core import CommandError
from msanic_core.constraints import AwareDatetime, Colour, Paging, Password, TimeRange
from msanic_core.http import query
from msanic_core.http.query_string import QueryDecoder
from tests.support.http import routes


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Search(msgspec.Struct, rename={"class_": "class"}):
    """One field of each kind that a query string can hold."""

    text: str
    number: int
    many: list[int]
    ratio: float = 0.5
    flag: bool = False
    day: date | None = None
    at: datetime | None = None
    price: Decimal = Decimal(0)
    key: UUID | None = None
    size: Size = Size.SMALL
    kind: Literal["a", "b"] = "a"
    level: Literal[1, 2] = 1
    wait: timedelta | None = None
    data: bytes = b""
    texts: list[str] = []
    numbers: set[int] = set()
    pair: tuple[float, ...] = ()
    class_: str | None = None
    optional: Annotated[int, Meta(ge=0)] | None = None
    colours: list[Colour] | None = None


# Sanic decodes heads as ISO 8859-1, and browsers send no half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))
SEARCHES = st.builds(
    Search,
    text=TEXTS,
    number=st.integers(),
    many=st.lists(st.integers(), max_size=5),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    day=st.none() | st.dates(),
    at=st.none() | MOMENTS,
    price=st.decimals(allow_nan=False, allow_infinity=False),
    key=st.none() | st.uuids(),
    size=st.sampled_from(Size),
    kind=st.sampled_from(["a", "b"]),
    level=st.sampled_from([1, 2]),
    wait=st.none() | st.timedeltas(timedelta(0), timedelta(days=1000)),
    data=st.binary(max_size=10),
    texts=st.lists(TEXTS, max_size=3),
    numbers=st.sets(st.integers(-(2**63), 2**63), max_size=3),
    pair=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3).map(tuple),
    class_=st.none() | TEXTS,
    optional=st.none() | st.integers(0, 2**70),
    colours=st.none() | st.lists(st.sampled_from(["#abc", "#102030"]), min_size=1, max_size=2),
)


def encoded(search: msgspec.Struct) -> str:
    """The query string of a Struct, as a browser's form would send it; None is left out."""
    values: Mapping[str, Any] = msgspec.to_builtins(search)
    present = {name: value for name, value in values.items() if value is not None}
    texts = {name: [str(each) for each in value] if isinstance(value, list | tuple | set) else _text(value)
             for name, value in present.items()}  # fmt: skip
    return urlencode(texts, doseq=True)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def request(query_string: str) -> Request:
    """A request as Sanic's parser makes it."""
    app: Any = SimpleNamespace(config=SimpleNamespace(), ctx=SimpleNamespace())
    return Request(f"/?{query_string}".encode(), Header(), "1.1", "GET", None, app)  # type: ignore[arg-type]


decode = QueryDecoder(Search)


@given(SEARCHES)
def test_what_is_encoded_comes_back(search: Search) -> None:
    assert decode(request(encoded(search))) == search


def test_it_comes_back_over_a_socket() -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/")
    @query
    async def handler(request: Request, query: Search) -> Search:
        return query

    search = Search("grüße & +%", -3, [1, 2], texts=["", "a=b"], at=datetime(2026, 3, 29, 12, tzinfo=UTC))

    async def main() -> None:
        async with routes(blueprint) as client:
            answer = await client.get(f"/shop/?{encoded(search)}&unknown=1")
            assert msgspec.convert(answer.json()["data"], Search) == search

    asyncio.run(main())


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A type with bounds."""

    page: Annotated[int, Meta(ge=1)] = 1
    colour: Colour = "#fff"
    secret: Password = ""
    ratios: list[float] = []
    on: bool = False
    at: AwareDatetime | None = None


@pytest.mark.parametrize(
    ("query_string", "hint"),
    [
        ("page=x", "query.page: expected int"),
        ("page=", "query.page: expected int"),
        ("page=0", "query.page: expected int >= 1"),
        ("page=1&page=2", "query.page: given 2 times, once is enough"),
        ("colour=red", "query.colour: expected a colour such as #1e90ff"),
        ("secret=hunter2", "query.secret: must have 8 to 128 characters"),
        ("ratios=1&ratios=x", "query.ratios[1]: expected float"),
        ("ratios=1&ratios=NaN", "query.ratios: expected a finite number"),
        ("ratios=-inf", "query.ratios: expected a finite number"),
        ("on=maybe", "query.on: expected bool"),
        ("at=2026-03-29T12:00:00", "query.at: expected datetime with a timezone component"),
        ("pages=1", "query: unknown field pages"),
        ("page=" + "9" * 5000, "query.page: integer value out of range"),
    ],
)
def test_what_does_not_fit(query_string: str, hint: str) -> None:
    with pytest.raises(CommandError) as caught:
        QueryDecoder(Strict)(request(query_string))
    assert (caught.value.code, caught.value.hint) == (12, hint)


def test_what_is_missing() -> None:
    with pytest.raises(CommandError, match="query: missing required field text"):
        decode(request("number=1"))
    assert decode(request("text=&number=1")) == Search("", 1, [])


def test_ready_made_types() -> None:
    assert QueryDecoder(Paging)(request("page=3&size=50&order=-created&order=name")) == Paging(
        page=3, size=50, order=["-created", "name"]
    )
    with pytest.raises(CommandError, match="query: start must be before end"):
        QueryDecoder(TimeRange)(request("start=2026-01-01T00:00:00Z&end=2025-01-01T00:00:00Z"))


class Inner(msgspec.Struct):
    """Types that are not possible in a query string."""


@pytest.mark.parametrize(("type_", "what"), [(Inner, "struct"), (dict[str, int], "dict"), (list[list[int]], "list")])
def test_types_that_no_query_string_holds(type_: Any, what: str) -> None:
    outer = msgspec.defstruct("Outer", [("inner", type_)])
    with pytest.raises(TypeError, match=f"its field 'inner' is or holds a {what}"):
        QueryDecoder(outer)
