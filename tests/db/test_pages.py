import asyncio
from contextlib import suppress
from typing import Any, assert_type

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msanic_core.codes import ReplyCode
from msanic_core.db.pages import MAX_PAGE, Page, PageAfter, page, page_after, parse_order, parse_select, unique_order
from msanic_core.errors import CommandError
from tests.support.clients import in_loop
from tests.support.orm import tables
from tests.support.orm_models import Author, Note, Token

ORDERS = ("created_at", "title", "rank")
FIELDS = ("id", "title", "rank")


def refused(parameter: str, value: str, allowed: str) -> Any:
    return pytest.raises(CommandError, match=rf"^{parameter}: {value} is not allowed; allowed: {allowed}$")


async def make_notes(count: int) -> None:
    """Notes 1 to count, of which each three in a row have the same rank."""
    await Note.bulk_create([Note(title=f"note {number:03}", rank=number // 3) for number in range(1, count + 1)])


@in_loop
async def test_the_pages_of_a_list(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(25)
        first = await page(Note.all(), fields=FIELDS, size=10)
        assert (first.total, first.page, first.size, len(first.items)) == (25, 1, 10, 10)
        assert first.items[0] == {"id": 25, "title": "note 025", "rank": 8}
        last = await page(Note.all(), fields=FIELDS, size=10, page=3)
        assert [item["id"] for item in last.items] == [5, 4, 3, 2, 1]
        beyond = await page(Note.all(), fields=FIELDS, size=10, page=MAX_PAGE)
        assert beyond == Page([], 25, MAX_PAGE, 10)
        uncounted = await page(Note.filter(rank=2), fields=["id"], with_total=False)
        assert uncounted == Page([{"id": 8}, {"id": 7}, {"id": 6}], None, 1, 20)
        assert (await page(Note.filter(rank=2), fields=["id"])).total == 3


class Shown(msgspec.Struct):
    title: str
    rank: int


@in_loop
async def test_the_items_are_of_the_type_that_is_asked_for(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(3)
        found = await page(Note.all(), as_type=Shown, orders=ORDERS, order="title", size=2)
        assert assert_type(found, Page[Shown]) == Page([Shown("note 001", 0), Shown("note 002", 0)], 3, 1, 2)
        more = await page_after(Note.all(), as_type=Shown, size=2)
        assert assert_type(more, PageAfter[Shown]) == PageAfter([Shown("note 003", 1), Shown("note 002", 0)], 2, 2)
        plain = await page(Note.all(), fields=["id"])
        assert len(assert_type(plain, Page[dict[str, Any]]).items) == 3


@in_loop
async def test_a_type_is_as_strict_as_names_of_fields() -> None:
    class Unknown(msgspec.Struct):
        titel: str

    both: Any = {"as_type": Shown, "fields": ["title"]}
    chosen: Any = {"as_type": Shown, "select": "title"}
    async with tables("sqlite://:memory:"):
        for call in (page, page_after):
            with pytest.raises(ValueError, match=r"^Note has no column 'titel'; it has id, created_at, "):
                await call(Note.all(), as_type=Unknown)
            for arguments in (both, chosen):
                with pytest.raises(ValueError, match=r"^as_type names the columns of an item: leave out fields and"):
                    await call(Note.all(), **arguments)


@in_loop
async def test_deleted_rows_are_on_no_page(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(3)
        await Note.filter(id=2).delete()
        assert await page(Note.all(), fields=["id"]) == Page([{"id": 3}, {"id": 1}], 2, 1, 20)
        assert (await page(Note.with_deleted(), fields=["id"])).total == 3


@in_loop
async def test_no_row_is_on_two_pages_whatever_the_order(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(20)
        for order in ("rank", "-rank", "-rank,title", "title,-rank", ""):
            seen: set[int] = set()
            for number in range(1, 8):
                part = await page(Note.all(), fields=["id"], orders=ORDERS, order=order, size=3, page=number)
                seen |= {item["id"] for item in part.items}
            assert len(seen) == 20
        ranked = await page(Note.all(), fields=["id"], orders=ORDERS, order="-rank", size=4)
        assert ranked == await page(Note.all(), fields=["id"], orders=ORDERS, order=["-rank"], size=4)
        assert [item["id"] for item in ranked.items] == [20, 19, 18, 17]
        chosen = await page(Note.all().order_by("title"), fields=["id"], default_order=["rank", "-title"], size=4)
        assert [item["id"] for item in chosen.items] == [2, 1, 5, 4]


@in_loop
async def test_a_client_chooses_fields(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(1)
        chosen = await page(Note.all(), fields=FIELDS, select=" rank , title")
        assert chosen.items == [{"rank": 0, "title": "note 001"}]
        with refused("select", "'author_id'", "id, title, rank"):
            await page(Note.all(), fields=FIELDS, select="id,author_id")


@in_loop
async def test_another_primary_key(database_url: str) -> None:
    async with tables(database_url):
        tokens = [await Token.create(text="same") for _ in range(5)]
        found = []
        for number in (1, 2, 3):
            part = await page(Token.all(), fields=["id"], orders=["text"], order="text", size=2, page=number)
            found += [item["id"] for item in part.items]
        assert sorted(found) == sorted(token.pk for token in tokens)


@in_loop
async def test_the_rows_after_another(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(7)
        found: list[int] = []
        after = None
        while True:
            part = await page_after(Note.all(), fields=["title", "id"], after=after, size=3)
            found += [item["id"] for item in part.items]
            if part.next is None:
                break
            after = part.next
            await Note.create(title="new")
        assert found == [7, 6, 5, 4, 3, 2, 1]
        oldest = await page_after(Note.filter(id__lte=7), fields=["title"], size=7, newest_first=False, after=0)
        assert oldest == PageAfter([{"title": f"note {number:03}"} for number in range(1, 8)], None, 7)
        assert await page_after(Note.all(), fields=["id"], after=1) == PageAfter([], None, 20)


@pytest.mark.parametrize(
    ("arguments", "parameter", "value", "allowed"),
    [
        ({"page": 0}, "page", "0", "1 to 1000000"),
        ({"page": MAX_PAGE + 1}, "page", "1000001", "1 to 1000000"),
        ({"size": 0}, "size", "0", "1 to 100"),
        ({"size": 101}, "size", "101", "1 to 100"),
        ({"size": 11, "max_size": 10}, "size", "11", "1 to 10"),
        ({"size": -(10**200)}, "size", f"-1{'0' * 38}…", "1 to 100"),
        ({"order": "id"}, "order", "'id'", "created_at, title, rank"),
        ({"order": "-password"}, "order", "'password'", "created_at, title, rank"),
        ({"order": "author__password"}, "order", "'author__password'", "created_at, title, rank"),
        ({"order": "--title"}, "order", "'-title'", "created_at, title, rank"),
        ({"order": "title,"}, "order", "''", "created_at, title, rank"),
        ({"order": "x" * 500}, "order", f"'{'x' * 39}…", "created_at, title, rank"),
        ({"order": "title", "orders": []}, "order", "'title'", "nothing"),
        ({"select": "*"}, "select", r"'\*'", "id, title, rank"),
        ({"select": "author"}, "select", "'author'", "id, title, rank"),
        ({"select": ","}, "select", "''", "id, title, rank"),
    ],
)
@in_loop
async def test_what_a_client_may_not_ask_for(arguments: Any, parameter: str, value: str, allowed: str) -> None:
    async with tables("sqlite://:memory:"):
        with refused(parameter, value, allowed) as caught:
            await page(Note.all(), **{"fields": FIELDS, "orders": ORDERS, **arguments})
        assert caught.value.code == ReplyCode.INVALID


@pytest.mark.parametrize(
    ("arguments", "parameter", "value", "allowed"),
    [
        ({"after": -1}, "after", "-1", "0 to 9223372036854775807"),
        ({"after": 2**63}, "after", "9223372036854775808", "0 to 9223372036854775807"),
        ({"size": 101}, "size", "101", "1 to 100"),
        ({"select": "rank"}, "select", "'rank'", "id"),
    ],
)
@in_loop
async def test_what_a_client_may_not_ask_for_after_a_row(
    arguments: Any, parameter: str, value: str, allowed: str
) -> None:
    async with tables("sqlite://:memory:"):
        with refused(parameter, value, allowed):
            await page_after(Note.all(), **{"fields": ["id"], **arguments})


@in_loop
async def test_the_largest_numbers_are_no_error_of_the_database(database_url: str) -> None:
    async with tables(database_url):
        await make_notes(1)
        assert (await page(Note.all(), fields=["id"], page=MAX_PAGE, size=1000, max_size=1000)).items == []
        assert (await page_after(Note.all(), fields=["id"], after=2**63 - 1)).items == [{"id": 1}]
        assert (await page_after(Note.all(), fields=["id"], after=2**63 - 1, newest_first=False)).items == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"fields": ["titel"]}, "'titel'"),
        ({"fields": ["author"]}, "'author'"),
        ({"fields": ["author__name"]}, "'author__name'"),
        ({"fields": ["id"], "orders": ["author__name"]}, "'author__name'"),
        ({"fields": ["id"], "default_order": ["-titel"]}, "'titel'"),
    ],
)
@in_loop
async def test_what_is_no_column_may_not_be_allowed(arguments: Any, name: str) -> None:
    async with tables("sqlite://:memory:"):
        with pytest.raises(ValueError, match=f"^Note has no column {name}; it has id, created_at, "):
            await page(Note.all(), **arguments)


@in_loop
async def test_no_fields_are_not_all_fields() -> None:
    async with tables("sqlite://:memory:"):
        await Author.create(name="ann")
        for call in (page, page_after):
            with pytest.raises(ValueError, match=r"^fields names no column: say which an item may have$"):
                await call(Author.all(), fields=[])


def test_reading_an_order() -> None:
    assert parse_order("-created_at,title", ORDERS) == ["-created_at", "title"]
    assert parse_order(" + title , - rank ", ORDERS) == ["title", "-rank"]
    assert parse_order("", ORDERS) == parse_order("  ", ORDERS) == []
    with pytest.raises(CommandError, match=r"^order: 'title' is there twice$"):
        parse_order("title,-title", ORDERS)


def test_reading_a_selection() -> None:
    assert parse_select("", FIELDS) == list(FIELDS)
    assert parse_select("rank", FIELDS) == ["rank"]
    with pytest.raises(CommandError, match=r"^select: 'id' is there twice$"):
        parse_select("id,id", FIELDS)


def test_an_order_that_leaves_no_two_rows_equal() -> None:
    assert unique_order(["title", "-rank"], "id") == ["title", "-rank", "-id"]
    assert unique_order(["-title", "rank"], "id") == ["-title", "rank", "id"]
    assert unique_order(["title", "-id"], "id") == ["title", "-id"]
    assert unique_order([], "id") == ["id"]


def test_a_page_on_the_wire() -> None:
    encoded = msgspec.json.encode(Page([{"id": 1}], None, 1, 20))
    assert encoded == b'{"items":[{"id":1}],"total":null,"page":1,"size":20}'
    assert msgspec.json.encode(PageAfter([], 7, 20)) == b'{"items":[],"next":7,"size":20}'


# Names that the table has, that it has not, and what else could become SQL.
NAMES = st.sampled_from(
    [
        "id",
        "title",
        "rank",
        "password",
        "author",
        "author__password",
        "notes__title",
        "pk",
        "1",
        '"',
        "'",
        "`",
        "-",
        "+",
    ]
)
TEXTS = st.lists(st.one_of(NAMES, st.text(max_size=8)), max_size=4).flatmap(
    lambda parts: st.lists(st.sampled_from(["", "-", "+", " "]), min_size=len(parts), max_size=len(parts)).map(
        lambda signs: ",".join(sign + part for sign, part in zip(signs, parts, strict=True))
    )
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, st.sets(st.sampled_from(ORDERS)), st.sets(st.sampled_from(FIELDS), min_size=1))
def test_no_text_reaches_more_than_is_allowed(order: str, select: str, orders: set[str], fields: set[str]) -> None:
    with suppress(CommandError):
        names = [name.removeprefix("-") for name in parse_order(order, sorted(orders))]
        assert set(names) <= orders
        assert len(set(names)) == len(names)
    with suppress(CommandError):
        names = parse_select(select, sorted(fields))
        assert set(names) <= fields
        assert names


def test_no_text_is_an_error_of_the_database(database_url: str) -> None:
    async def run() -> None:
        async with tables(database_url):
            await make_notes(2)

            @settings(max_examples=100, deadline=None, database=None)
            @given(TEXTS, TEXTS)
            def collect(order: str, select: str) -> None:
                asked.append((order, select))

            asked: list[tuple[str, str]] = []
            collect()
            answered = 0
            for order, select in asked:
                with suppress(CommandError):
                    found = await page(Note.all(), fields=FIELDS, orders=ORDERS, order=order, select=select)
                    answered += 1
                    assert all(set(item) <= set(FIELDS) for item in found.items)
                    assert found.total == 2
            assert 0 < answered < len(asked)

    asyncio.run(run())
