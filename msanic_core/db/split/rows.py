"""Rows of several parts in one order, read from as few parts as possible."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pypika_tortoise.enums import Order
from tortoise.queryset import ValuesQuery

from msanic_core.db.split.split_table import RowT, SplitTable
from msanic_core.db.split.union import PART, Branch, Branches, Orderings, Statement

R = TypeVar("R")

_ROWS_AT_ONCE = 2_000
_FIRST = 2
_GROWTH = 16


@dataclass(frozen=True, slots=True)
class Selection(Generic[RowT]):
    """Which rows a query wants: `limit` rows (None: all) from `offset` on, in this order.

    `by_parts`: in this order, all rows of one part come before all rows of the next.
    """

    table: SplitTable[RowT]
    branches: Branches[RowT]
    orderings: Sequence[tuple[str, Order]]
    limit: int | None
    offset: int
    by_parts: bool

    def columns(self, name_of: Callable[[str], str]) -> Orderings:
        """Give the order, by the names of the columns in the statement."""
        return [(name_of(name), order, self.table.model._meta.fields_map[name]) for name, order in self.orderings]


Fetch = Callable[[Sequence[Branch], "int | None", int], Awaitable[list[R]]]


async def instances(selection: Selection[RowT]) -> list[RowT]:
    """Give the rows, each as an instance of its part's model."""
    client, models = selection.branches.client, [part.model for part in selection.branches.parts]
    columns = selection.columns(lambda name: selection.table.model._meta.fields_db_projection[name])

    async def fetch(branches: Sequence[Branch], limit: int | None, offset: int) -> list[RowT]:
        statement = Statement(client)
        _, rows = await client.execute_query(statement.select(branches, columns, limit, offset), statement.values)
        found: list[RowT] = []
        for number, row in enumerate(rows):
            if number % _ROWS_AT_ONCE == _ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)
            found.append(models[row[PART]]._init_from_db(**row))
        return found

    return await _gather(selection, selection.branches.shaped(lambda part: part, numbered=True), fetch)


async def row_values(selection: Selection[RowT], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Give a dict for each row, with these fields; no fields means all."""
    client = selection.branches.client
    fields = fields or [
        name
        for name in selection.table.model._meta.fields_map
        if name in selection.table.model._meta.fields_db_projection
    ]
    hidden = [name for name, _ in selection.orderings if name not in fields]
    columns = selection.columns(lambda name: name)
    queries: list[ValuesQuery[Any]] = []

    def write(part: Any) -> ValuesQuery[Any]:
        queries.append(part.values(*fields, *hidden))
        return queries[-1]

    async def fetch(branches: Sequence[Branch], limit: int | None, offset: int) -> list[dict[str, Any]]:
        statement = Statement(client)
        sql = statement.select(branches, columns, limit, offset)
        rows = await client.execute_query_dict(sql, statement.values)
        convert = [(name, queries[0].resolve_to_python_value(selection.table.model, name)) for name in fields]
        return [{name: to_python(row[name]) for name, to_python in convert} for row in rows]

    return await _gather(selection, selection.branches.shaped(write), fetch)


async def counted(branches: Branches[RowT]) -> int:
    """Count the rows of all parts in one statement."""
    if not branches.parts:
        return 0
    statement = Statement(branches.client)
    sql = statement.total(branches.shaped(lambda part: part.count()))
    _, rows = await branches.client.execute_query(sql, statement.values)
    return sum(int(next(iter(dict(row).values()))) for row in rows)


async def _gather(selection: Selection[RowT], branches: list[Branch], fetch: Fetch[R]) -> list[R]:
    """Fetch from all parts in one statement, or, if the order allows, from more and more parts until it is enough."""
    if selection.limit == 0 or not branches:
        return []
    if not selection.by_parts or (selection.limit is None and not selection.offset):
        return await fetch(branches, selection.limit, selection.offset)
    found: list[R] = []
    offset, size, done = selection.offset, 1 if selection.offset else _FIRST, 0
    while done < len(branches) and (selection.limit is None or len(found) < selection.limit):
        wanted = None if selection.limit is None else selection.limit - len(found)
        rows = await fetch(branches[done : done + size], wanted, offset)
        found += rows
        if offset and not rows:
            # The offset covers all of this part. Go on part by part until it is used up.
            part, edge = selection.branches.parts[done], selection.branches.edges[done]
            offset -= await selection.branches.queryset(part, edge).count()
            done += 1
        else:
            # The first parts are often enough. If not, growing steps keep the number of statements low.
            offset, size, done = 0, size * _GROWTH, done + size
    return found
