"""Counts and aggregates over several parts: each part gives its own, and the statement puts them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import FieldError
from tortoise.expressions import Aggregate
from tortoise.functions import Avg, Count, Max, Min, Sum
from tortoise.queryset import QuerySet

from msanic_core.db.split_union import Union
from msanic_core.errors import SplitError

if TYPE_CHECKING:
    from msanic_core.db.split import SplitModel

M = TypeVar("M", bound="SplitModel")

_TOGETHER: dict[type[Aggregate], str] = {Count: "SUM", Sum: "SUM", Min: "MIN", Max: "MAX"}


async def counted(client: BaseDBAsyncClient, parts: Sequence[QuerySet[M]]) -> int:
    """Count the rows of all parts in one statement."""
    if not parts:
        return 0
    union = Union(client)
    for part in parts:
        query = part.count()
        query._make_query()
        union.add(query.query)
    _, rows = await client.execute_query(union.sql(), union.values)
    return sum(int(next(iter(dict(row).values()))) for row in rows)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the statement: what each part gives for it, and how those are put together."""

    name: str
    within: Aggregate
    together: str


async def aggregated(
    client: BaseDBAsyncClient,
    parts: Sequence[QuerySet[M]],
    group_by: Sequence[str],
    results: Mapping[str, Aggregate],
    orderings: Sequence[str],
    limit: int | None,
    offset: int,
) -> list[dict[str, Any]]:
    """Give the groups, ordered by names of theirs."""
    columns = [column for name, result in results.items() for column in _columns(name, result)]
    if unknown := [name for name in orderings if name.removeprefix("-") not in {*group_by, *results}]:
        raise FieldError(f"order_by({', '.join(unknown)}): groups are ordered by what they are made of and give")
    if averages := [name for name in orderings if isinstance(results.get(name.removeprefix("-")), Avg)]:
        raise SplitError(f"order_by({', '.join(averages)}): averages are made after the groups are ordered")
    if not parts:
        return [] if group_by else [_result({}, group_by, results, None)]
    union = Union(client)
    for part in parts:
        annotated = part.annotate(**{column.name: column.within for column in columns})
        query = annotated.group_by(*group_by).values(*group_by, *(column.name for column in columns))
        query._make_query()
        union.add(query.query)
    sql = _statement(union, group_by, columns, orderings, limit, offset, client)
    rows = await client.execute_query_dict(sql, union.values)
    # What a query of one part would do to make values of what the database gives.
    return [_result(row, group_by, results, query) for row in rows]


def _columns(name: str, result: Aggregate) -> list[_Column]:
    if type(result) not in {*_TOGETHER, Avg} or result.distinct:
        raise SplitError(f"{name}: parts can be put together for Count, Sum, Min, Max and Avg, without distinct")
    if not isinstance(result, Avg):
        return [_Column(name, result, _TOGETHER[type(result)])]
    # The average of averages is not the average.
    of: Any = result.field
    return [
        _Column(f"{name}__sum", Sum(of, _filter=result.filter), "SUM"),
        _Column(f"{name}__count", Count(of, _filter=result.filter), "SUM"),
    ]


def _statement(
    union: Union,
    group_by: Sequence[str],
    columns: Sequence[_Column],
    orderings: Sequence[str],
    limit: int | None,
    offset: int,
    client: BaseDBAsyncClient,
) -> str:
    groups = [union.quoted(name) for name in group_by]
    selected = groups + [
        f"{column.together}({union.quoted(column.name)}) {union.quoted(column.name)}" for column in columns
    ]
    sql = f"SELECT {', '.join(selected)} FROM ({union.sql()}) {union.quoted('u')}"
    if groups:
        sql += f" GROUP BY {', '.join(groups)}"
    if orderings:
        terms = [f"{union.quoted(name.removeprefix('-'))} {'DESC' if name[0] == '-' else 'ASC'}" for name in orderings]
        sql += f" ORDER BY {', '.join(terms)}"
    if limit is None and offset and client.capabilities.requires_limit:
        limit = 2**63 - 1
    if limit is not None:
        sql += f" LIMIT {limit:d}"
    return f"{sql} OFFSET {offset:d}" if offset else sql


def _result(
    row: Mapping[str, Any], group_by: Sequence[str], results: Mapping[str, Aggregate], query: Any
) -> dict[str, Any]:
    found = {name: query.resolve_to_python_value(query.model, name)(row[name]) for name in group_by}
    for name, result in results.items():
        if isinstance(result, Avg):
            count = int(row.get(f"{name}__count") or 0)
            found[name] = row[f"{name}__sum"] / count if count else None
        elif isinstance(result, Count):
            found[name] = int(row.get(name) or 0)
        else:
            value = row.get(name)
            to_python = query.resolve_to_python_value(query.model, name) if query and value is not None else None
            found[name] = to_python(value) if to_python else value
    return found
