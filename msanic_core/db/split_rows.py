"""Rows of several parts in one order, from as few of the parts as will do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pypika_tortoise.enums import Order
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.queryset import QuerySet, ValuesQuery

from msanic_core.db.split_union import PART, Orderings, Union

if TYPE_CHECKING:
    from msanic_core.db.split import SplitModel

M = TypeVar("M", bound="SplitModel")
R = TypeVar("R")

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """What is wanted: `limit` rows (None: all) from `offset` on, in this order, of the querysets of the parts.

    `by_parts`: in this order all rows of one part come before all of the next.
    """

    model: type[M]
    parts: Sequence[QuerySet[M]]
    orderings: Sequence[tuple[str, Order]]
    limit: int | None
    offset: int
    by_parts: bool

    def ordered(self) -> list[QuerySet[M]]:
        """Give the querysets in the order of the page."""
        names = [f"-{name}" if order is Order.desc else name for name, order in self.orderings]
        return [part.order_by(*names) for part in self.parts] if names else list(self.parts)


Fetch = Callable[[Sequence[QuerySet[M]], "int | None", int], Awaitable[list[R]]]


async def instances(client: BaseDBAsyncClient, page: Page[M]) -> list[M]:
    """Give the rows, each of the model of its part."""
    columns = _columns(page, lambda name: page.model._meta.fields_db_projection[name])

    async def fetch(parts: Sequence[QuerySet[M]], limit: int | None, offset: int) -> list[M]:
        if len(parts) == 1:
            return await _cut(parts[0], limit, offset)
        union = Union(client)
        for part in parts:
            query = _cut(part, None if limit is None else limit + offset, 0)
            query._make_query()
            union.add(query.query, numbered=True)
        _, rows = await client.execute_query(union.ordered(columns, limit, offset), union.values)
        models = [part.model for part in parts]
        found: list[M] = []
        for number, row in enumerate(rows):
            if number % _ROWS_AT_ONCE == _ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)
            found.append(models[row[PART]]._init_from_db(**row))
        return found

    return await _gather(page, fetch)


async def row_values(client: BaseDBAsyncClient, page: Page[M], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Give a dict for each row, with these fields, or with all if there are none."""
    fields = fields or [name for name in page.model._meta.fields_map if name in page.model._meta.fields_db_projection]
    hidden = [name for name, _ in page.orderings if name not in fields]
    columns = _columns(page, lambda name: name)

    async def fetch(parts: Sequence[QuerySet[M]], limit: int | None, offset: int) -> list[dict[str, Any]]:
        if len(parts) == 1:
            return await _cut(parts[0], limit, offset).values(*fields)
        union = Union(client)
        query: ValuesQuery[Any] | None = None
        for part in parts:
            query = _cut(part, None if limit is None else limit + offset, 0).values(*fields, *hidden)
            query._make_query()
            union.add(query.query)
        assert query is not None
        rows = await client.execute_query_dict(union.ordered(columns, limit, offset), union.values)
        convert = [(name, query.resolve_to_python_value(page.model, name)) for name in fields]
        return [{name: to_python(row[name]) for name, to_python in convert} for row in rows]

    return await _gather(page, fetch)


async def _gather(page: Page[M], fetch: Fetch[M, R]) -> list[R]:
    """Fetch from all parts in one statement, or, where the order allows, from more and more until there is enough."""
    parts = page.ordered()
    if page.limit == 0 or not parts:
        return []
    if not page.by_parts or (page.limit is None and not page.offset):
        return await fetch(parts, page.limit, page.offset)
    found: list[R] = []
    offset, size = page.offset, 1
    while parts and (page.limit is None or len(found) < page.limit):
        batch, parts = parts[:size], parts[size:]
        wanted = None if page.limit is None else page.limit - len(found)
        rows = await fetch(batch, wanted, offset)
        found += rows
        if offset and not rows:
            # Nothing, or not enough to be beyond the offset: one part at a time, until it is passed.
            offset -= await batch[0].count()
        else:
            # Twice as many each time: few statements, and few rows that are read for nothing.
            offset, size = 0, size * 2
    return found


def _columns(page: Page[M], column: Callable[[str], str]) -> Orderings:
    return [(column(name), order, page.model._meta.fields_map[name]) for name, order in page.orderings]


def _cut(query: QuerySet[M], limit: int | None, offset: int) -> QuerySet[M]:
    if limit is not None:
        query = query.limit(limit)
    return query.offset(offset) if offset else query
