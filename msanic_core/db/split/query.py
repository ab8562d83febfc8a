"""Queries over parts of a split model: rows, values, counts, aggregates, changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Generic, TypeVar

from pypika_tortoise.enums import Order
from tortoise import Model
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import FieldError, OperationalError
from tortoise.expressions import Aggregate, Q
from tortoise.queryset import QuerySet

from msanic_core.db.split.aggregate import aggregated
from msanic_core.db.split.naming import Calendar
from msanic_core.db.split.parts import forget, parts_for_reading
from msanic_core.db.split.rows import Selection, counted, instances, row_values
from msanic_core.db.split.split_table import PartModel, RowT, SplitTable
from msanic_core.db.split.tables import in_transaction, is_missing_table
from msanic_core.db.split.union import Branches
from msanic_core.errors import SplitError

T = TypeVar("T")

_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """Which parts: those with values from `start` on and before `end`, or those of `keys`. None is no limit."""

    start: date | None = None
    end: date | None = None
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SplitQuery(Generic[RowT]):
    """A query over the parts that exist when it runs. It never changes: each method gives a new query.

    Awaited, it gives a list of rows. `async for` gives the rows one by one, part after part, and keeps few in memory.
    The errors are Tortoise's, for unknown fields and for the database.
    """

    table: SplitTable[RowT]
    span: Span
    filters: tuple[Q, ...] = ()
    orderings: tuple[str, ...] = ()
    most: int | None = None
    skipped: int = 0
    connection: BaseDBAsyncClient | None = None

    def filter(self, *conditions: Q, **fields: Any) -> SplitQuery[RowT]:
        """Keep the rows for which all conditions hold, written as Tortoise's."""
        return replace(self, filters=(*self.filters, Q(*conditions, **fields)))

    def exclude(self, *conditions: Q, **fields: Any) -> SplitQuery[RowT]:
        """Leave out the rows for which all conditions hold."""
        return replace(self, filters=(*self.filters, ~Q(*conditions, **fields)))

    def order_by(self, *orderings: str) -> SplitQuery[RowT]:
        """Order by fields, "-" before a name for descending. With a limit, the split field first is quickest."""
        return replace(self, orderings=orderings)

    def limit(self, most: int) -> SplitQuery[RowT]:
        """Give at most this number of rows."""
        if most < 0:
            raise SplitError(f"limit({most}): a limit is not negative")
        return replace(self, most=most)

    def offset(self, skipped: int) -> SplitQuery[RowT]:
        """Skip this number of rows. The database reads them all the same: a filter by the split field is quicker."""
        if skipped < 0:
            raise SplitError(f"offset({skipped}): an offset is not negative")
        return replace(self, skipped=skipped)

    def using_db(self, connection: BaseDBAsyncClient) -> SplitQuery[RowT]:
        """Use this connection; the default is that of the task's transaction, or the model's."""
        return replace(self, connection=connection)

    def __await__(self) -> Generator[Any, None, list[RowT]]:
        """Give the rows."""
        return self._rows().__await__()

    async def first(self) -> RowT | None:
        """Give the first row, or None."""
        rows = await self.limit(1)._rows()
        return rows[0] if rows else None

    async def values(self, *fields: str) -> list[dict[str, Any]]:
        """Give a dict for each row, with these fields or with all."""
        return await self._run(lambda client, parts: row_values(self._selection(client, parts), fields))

    async def count(self) -> int:
        """Count the rows; limit and offset are ignored."""
        return await self._run(lambda client, parts: counted(self._branches(client, parts)))

    async def exists(self) -> bool:
        """Say whether there is a row."""
        return bool(await replace(self.limit(1), orderings=()).values(self.table.model._meta.pk_attr))

    async def aggregate(self, *group_by: str, **results: Aggregate) -> list[dict[str, Any]]:
        """Give one dict for each group, with the fields of `group_by` and the results: Count, Sum, Min, Max, Avg.

        `await query.aggregate("device", n=Count("id"), top=Max("value"))`. Without `group_by` there is one dict. Limit,
        offset and order (by any of the names) apply to the groups. Raises `SplitError` for other functions and for
        `distinct`, which cannot be combined from the parts.
        """
        return await self._run(
            lambda client, parts: aggregated(
                self._branches(client, parts), group_by, results, self.orderings, self.most, self.skipped
            )
        )

    async def update(self, **values: Any) -> int:
        """Change the rows, all or none, and give their number. The split field cannot be changed.

        MariaDB does not count rows that had these values already. Limit, offset and order are refused.
        """
        if self.table.field in values:
            raise SplitError(
                f"{self.table.name}.{self.table.field} says in which part a row is, and is not changed: "
                "delete the row and create it anew"
            )
        return await self._change(lambda queryset: queryset.update(**values))

    async def delete(self) -> int:
        """Delete the rows, all or none, and give their number. Whole parts go quicker with `drop_before`.

        Limit, offset and order are refused.
        """
        return await self._change(lambda queryset: queryset.delete())

    async def __aiter__(self) -> AsyncIterator[RowT]:
        """Give the rows in the order of the split field, or of parts and ids: no other, no limit and no offset."""
        if self.most is not None or self.skipped or len(self.orderings) > 1 or not self._goes_by_parts():
            raise SplitError(
                f"`async for` gives all rows, in the order of {self.table.field} or without: await the query "
                "for another order, a limit or an offset"
            )
        client = self._client()
        for part in await self._parts(client):
            try:
                async for row in self._part_rows(client, part):
                    yield row
            except OperationalError as error:
                if in_transaction(client) or not is_missing_table(error):
                    raise
                forget(self.table, client)  # the part was dropped meanwhile, with its rows

    async def _part_rows(self, client: BaseDBAsyncClient, part: PartModel[RowT]) -> AsyncIterator[RowT]:
        """Give the rows of a part, read in chunks; each chunk begins after the last row of the one before."""
        key, field = part.model._meta.pk_attr, self.orderings[0].lstrip("-") if self.orderings else ""
        down, beyond = ("-", "lt") if self._descending() else ("", "gt")
        query = self._queryset(client, part).order_by(*([f"{down}{field}"] if field else []), f"{down}{key}")
        rows = await query.limit(_CHUNK)
        while rows:
            for row in rows:
                yield row
            if len(rows) < _CHUNK:
                return
            last = rows[-1]
            following = Q(**{f"{key}__{beyond}": last.pk})
            if field:
                value = getattr(last, field)
                # The first condition can use an index.
                further = Q(**{f"{field}__{beyond}": value}) | following
                following = Q(Q(**{f"{field}__{beyond}e": value}), further)
            rows = await query.filter(following).limit(_CHUNK)

    async def _rows(self) -> list[RowT]:
        return await self._run(lambda client, parts: instances(self._selection(client, parts)))

    async def _change(self, change: Callable[[QuerySet[RowT]], Awaitable[int]]) -> int:
        if self.most is not None or self.skipped or self.orderings:
            raise SplitError("update and delete are for all rows of the query: leave out limit, offset and order_by")

        async def run(client: BaseDBAsyncClient, parts: list[PartModel[RowT]]) -> int:
            if len(parts) == 1:
                return await change(self._queryset(client, parts[0]))
            async with client._in_transaction() as transaction:
                return sum([await change(self._queryset(transaction, part)) for part in parts])

        return await self._run(run)

    async def _run(self, work: Callable[[BaseDBAsyncClient, list[PartModel[RowT]]], Awaitable[T]]) -> T:
        """Do the work on the parts, and once more if one of them was dropped or detached meanwhile."""
        client = self._client()
        try:
            return await work(client, await self._parts(client))
        except OperationalError as error:
            if in_transaction(client) or not is_missing_table(error):
                raise
        forget(self.table, client)
        return await work(client, await self._parts(client))

    def _client(self) -> BaseDBAsyncClient:
        return self.connection or self.table.model._meta.db

    async def _parts(self, client: BaseDBAsyncClient) -> list[PartModel[RowT]]:
        """Give the parts that exist, in the order in which they are read."""
        splitting, span = self.table.splitting, self.span
        if not isinstance(splitting, Calendar):
            return await parts_for_reading(self.table, span.keys, client)
        wanted = splitting.names_between(span.start, span.end)
        parts = await parts_for_reading(self.table, wanted, client)
        if wanted is None:
            parts = [part for part in parts if splitting.meets(part.name, span.start, span.end)]
        return parts[::-1] if self._descending() else parts

    def _descending(self) -> bool:
        return self.orderings[:1] == (f"-{self.table.field}",)

    def _goes_by_parts(self) -> bool:
        """Say whether all rows of one part come before all of the next."""
        if not self.orderings:
            return True
        first = self.orderings[0].removeprefix("-")
        return isinstance(self.table.splitting, Calendar) and first == self.table.field

    def _branches(self, client: BaseDBAsyncClient, parts: Sequence[PartModel[RowT]]) -> Branches[RowT]:
        # Parts by time are sorted, so only the first and the last can be edges. Parts by key have no edges.
        edges = [number in (0, len(parts) - 1) and self._is_edge(part) for number, part in enumerate(parts)]
        return Branches(client, parts, edges, lambda part, edge: self._bounded(client, part, edge=edge))

    def _is_edge(self, part: PartModel[RowT]) -> bool:
        splitting, span = self.table.splitting, self.span
        return isinstance(splitting, Calendar) and not splitting.lies_within(part.name, span.start, span.end)

    def _queryset(self, client: BaseDBAsyncClient, part: PartModel[RowT]) -> QuerySet[RowT]:
        return self._bounded(client, part, edge=self._is_edge(part))

    def _bounded(self, client: BaseDBAsyncClient, part: PartModel[RowT], *, edge: bool) -> QuerySet[RowT]:
        query = QuerySet(part.model).using_db(client).filter(*self.filters)
        if not edge:
            return query
        field = self.table.field
        bounds: Mapping[str, date | None] = {f"{field}__gte": self.span.start, f"{field}__lt": self.span.end}
        return query.filter(**{name: value for name, value in bounds.items() if value is not None})

    def _selection(self, client: BaseDBAsyncClient, parts: list[PartModel[RowT]]) -> Selection[RowT]:
        return Selection(
            self.table,
            self._branches(client, parts),
            tuple(_ordering(self.table, ordering) for ordering in self.orderings),
            self.most,
            self.skipped,
            self._goes_by_parts(),
        )


def _ordering(table: SplitTable[Model], ordering: str) -> tuple[str, Order]:
    name = ordering.removeprefix("-")
    if name not in table.model._meta.fields_db_projection:
        raise FieldError(f"Unknown field {name} for model {table.name}: parts are ordered by its own fields")
    return name, Order.desc if ordering.startswith("-") else Order.asc
