"""Statements over the tables of several parts, made from one query that Tortoise writes for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from pypika_tortoise.enums import Order
from pypika_tortoise.terms import Field, LiteralValue, Parameterizer
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.fields.base import Field as ModelField
from tortoise.queryset import AwaitableQuery, QuerySet

from msanic_core.db.split.split_table import PartModel, RowT

PART = "part__"
"""The column with the number of a row's part: the position in the statement, from 0 on."""
_VALUE, _NUMBER = "\0", "\1"
_MOST_TERMS = 400
"""Terms of a UNION; SQLite allows 500 in one statement."""
_MOST_NUMBERS = 100
"""Numbers in one sum; MariaDB allows a few hundred."""
_ALL = 2**63 - 1

Orderings = Sequence[tuple[str, Order, ModelField[Any]]]
"""The columns to order by, with their fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A query that differs between tables only in their names. Marks stand for the values and for a part's number."""

    sql: str
    values: Sequence[Any]
    table: str


@dataclass(frozen=True, slots=True)
class Branches(Generic[RowT]):
    """The parts of a query. Only parts at the edges of its range, marked in `edges`, must compare the split field."""

    client: BaseDBAsyncClient
    parts: Sequence[PartModel[RowT]]
    edges: Sequence[bool]
    queryset: Callable[[PartModel[RowT], bool], QuerySet[RowT]]

    def shaped(self, write: Callable[[QuerySet[RowT]], AwaitableQuery[Any]], *, numbered: bool = False) -> list[Branch]:
        """Write the query, once for the edges and once for the others: writing takes longer than searching a table."""
        shapes: dict[bool, Shape] = {}
        for part, edge in zip(self.parts, self.edges, strict=True):
            if edge not in shapes:
                query: Any = write(self.queryset(part, edge))
                query._make_query()
                if numbered:
                    query.query._select_other(LiteralValue(_NUMBER).as_(PART))
                shapes[edge] = _shape(self.client, query.query, part.table)
        return [
            Branch(shapes[edge], part.table, number)
            for number, (part, edge) in enumerate(zip(self.parts, self.edges, strict=True))
        ]


@dataclass(frozen=True, slots=True)
class Branch:
    """The query of one part in a statement."""

    shape: Shape
    table: str
    number: int


def _shape(client: BaseDBAsyncClient, query: Any, table: str) -> Shape:
    parameterizer = Parameterizer(placeholder_factory=lambda _: _VALUE)
    sql = query.get_sql(client.query_class.SQL_CONTEXT.copy(parameterizer=parameterizer))
    return Shape(sql, parameterizer.values, _quoted(client, table))


class Statement:
    """Builds the text of a statement, and collects its parameters."""

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self.values: list[Any] = []
        self._client = client
        self._dialect = client.capabilities.dialect
        self._texts: dict[Shape, str] = {}

    def select(
        self, branches: Sequence[Branch], orderings: Orderings = (), limit: int | None = None, offset: int = 0
    ) -> str:
        """Write the rows of all branches in this order, `limit` of them from `offset` on."""
        order = f" ORDER BY {', '.join(self._ordering(*ordering) for ordering in orderings)}" if orderings else ""
        if len(branches) == 1:
            return self._branch(branches[0]) + order + self.limits(limit, offset)
        if limit is not None:
            terms = [self._table(self._branch(branch) + order + self.limits(limit + offset, 0)) for branch in branches]
        elif self._dialect == "postgres":
            # Without a limit PostgreSQL would start parallel workers, which cost more than they save here. The limit is
            # written as a number: for a parameter PostgreSQL expects a tenth of the rows.
            terms = [self._table(f"{self._branch(branch)}{order} LIMIT {_ALL}") for branch in branches]
        else:
            terms = [self._branch(branch) for branch in branches]
        sql = self._union(terms)
        if order:
            sql = f"SELECT * FROM ({sql}) {self.quoted('u')}{order}"
        return sql + self.limits(limit, offset)

    def union(self, branches: Sequence[Branch]) -> str:
        """Write the rows of all branches, in no order."""
        return self._union([self._branch(branch) for branch in branches])

    def total(self, branches: Sequence[Branch]) -> str:
        """Write the sum of the one number that each branch gives, in as few rows as a database takes."""
        numbers = [f"({self._branch(branch)})" for branch in branches]
        return self._union(
            [f"SELECT {' + '.join(numbers[i : i + _MOST_NUMBERS])}" for i in range(0, len(numbers), _MOST_NUMBERS)]
        )

    def limits(self, limit: int | None, offset: int) -> str:
        """Write LIMIT and OFFSET."""
        if limit is None and offset and self._client.capabilities.requires_limit:
            limit = _ALL
        sql = "" if limit is None else f" LIMIT {self.place(limit)}"
        return f"{sql} OFFSET {self.place(offset)}" if offset else sql

    def place(self, value: Any) -> str:
        """Add a parameter and write its place."""
        self.values.append(value)
        return {"postgres": f"${len(self.values)}", "sqlite": "?"}.get(self._dialect, "%s")

    def quoted(self, name: str) -> str:
        """Write a name as the database wants it."""
        return _quoted(self._client, name)

    def _branch(self, branch: Branch) -> str:
        shape = branch.shape
        text = self._texts.get(shape)
        if text is None:
            first, *others = shape.sql.split(_VALUE)
            places = [self.place(value) for value in shape.values]
            text = "".join([first, *(place + piece for place, piece in zip(places, others, strict=True))])
            self._texts[shape] = text
        elif self._dialect != "postgres":
            # PostgreSQL's places have numbers and can be used again. The others need the values once more.
            self.values.extend(shape.values)
        return text.replace(shape.table, self.quoted(branch.table)).replace(_NUMBER, str(branch.number))

    def _table(self, sql: str) -> str:
        # A term of a UNION cannot have ORDER BY and LIMIT, a table in it can.
        return f"SELECT * FROM ({sql}) {self.quoted('t')}"

    def _union(self, terms: Sequence[str]) -> str:
        groups = [" UNION ALL ".join(terms[i : i + _MOST_TERMS]) for i in range(0, len(terms), _MOST_TERMS)]
        if len(groups) == 1:
            return groups[0]
        return " UNION ALL ".join(f"SELECT * FROM ({group}) {self.quoted(f'g{i}')}" for i, group in enumerate(groups))

    def _ordering(self, column: str, order: Order, field: ModelField[Any]) -> str:
        term: Any = Field(column)
        if cast := field.get_for_dialect(self._dialect, "function_cast"):
            term = cast(field, term)
        return f"{term.get_sql(self._client.query_class.SQL_CONTEXT)} {order.value}"


def _quoted(client: BaseDBAsyncClient, name: str) -> str:
    mark = client.query_class.SQL_CONTEXT.quote_char
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"
