"""One statement over the tables of several parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pypika_tortoise.context import SqlContext
from pypika_tortoise.enums import Order
from pypika_tortoise.queries import QueryBuilder
from pypika_tortoise.terms import Field, Parameterizer, ValueWrapper
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.fields.base import Field as ModelField

PART = "part__"
"""The column that says from which part a row is."""
_MOST_TERMS = 400
"""SQLite takes 500 in one statement."""
_ALL = 2**63 - 1

Orderings = Sequence[tuple[str, Order, ModelField[Any]]]
"""The columns to order by, with what they hold."""


class Union:
    """The rows of several queries with the same columns, in one statement with its parameters."""

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._client = client
        self._context: SqlContext = client.query_class.SQL_CONTEXT.copy(parameterizer=Parameterizer())
        self._terms: list[str] = []

    @property
    def values(self) -> list[Any]:
        """The parameters of what was added so far."""
        assert self._context.parameterizer is not None
        return self._context.parameterizer.values

    def add(self, query: QueryBuilder, *, numbered: bool = False) -> None:
        """Add a query; `numbered` with the column `PART`, counting from 0."""
        number = len(self._terms)
        if numbered:
            term: Any = ValueWrapper(number, allow_parametrize=False).as_(PART)
            query._select_other(term)
        # The terms of a union have neither a limit of their own nor an order, which is for the limit.
        bare = query._limit is None
        if bare:
            query._orderbys = []
        sql = query.get_sql(self._context)
        self._terms.append(sql if bare else f"SELECT * FROM ({sql}) {self.quoted(f't{number}')}")

    def sql(self) -> str:
        """Write the union."""
        groups = [" UNION ALL ".join(self._terms[i : i + _MOST_TERMS]) for i in range(0, len(self._terms), _MOST_TERMS)]
        if len(groups) == 1:
            return groups[0]
        return " UNION ALL ".join(f"SELECT * FROM ({group}) {self.quoted(f'g{i}')}" for i, group in enumerate(groups))

    def ordered(self, orderings: Orderings, limit: int | None, offset: int | None) -> str:
        """Write the union in order, from `offset` on, `limit` rows of it."""
        terms = [self._ordering(*ordering) for ordering in orderings]
        sql = self.sql()
        if terms:
            sql = f"SELECT * FROM ({sql}) {self.quoted('u')} ORDER BY {', '.join(terms)}"
        if limit is None and offset and self._client.capabilities.requires_limit:
            limit = _ALL
        if limit is not None:
            sql += f" LIMIT {limit:d}"
        if offset:
            sql += f" OFFSET {offset:d}"
        return sql

    def quoted(self, name: str) -> str:
        """Write a name as the database wants it."""
        mark = self._context.quote_char
        return f"{mark}{name.replace(mark, 2 * mark)}{mark}"

    def _ordering(self, column: str, order: Order, field: ModelField[Any]) -> str:
        term: Any = Field(column)
        if cast := field.get_for_dialect(self._client.capabilities.dialect, "function_cast"):
            term = cast(field, term)
        return f"{term.get_sql(self._context)} {order.value}"
