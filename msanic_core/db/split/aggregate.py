"""Aggregates over several parts: each part computes its own, and the statement combines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tortoise.exceptions import FieldError
from tortoise.expressions import Aggregate
from tortoise.functions import Avg, Count, Max, Min, Sum
from tortoise.queryset import QuerySet, ValuesQuery

from msanic_core.db.split.split_table import RowT
from msanic_core.db.split.union import Branches, Statement
from msanic_core.errors import SplitError

_TOGETHER: dict[type[Aggregate], str] = {Count: "SUM", Sum: "SUM", Min: "MIN", Max: "MAX"}


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the statement: the aggregate that each part computes, and the function that combines them."""

    name: str
    within: Aggregate
    together: str


async def aggregated(
    branches: Branches[RowT],
    group_by: Sequence[str],
    results: Mapping[str, Aggregate],
    orderings: Sequence[str],
    limit: int | None,
    offset: int,
) -> list[dict[str, Any]]:
    """Give the groups, ordered by fields of `group_by` and names of `results`."""
    columns = [column for name, result in results.items() for column in _columns(name, result)]
    if unknown := [name for name in orderings if name.removeprefix("-") not in {*group_by, *results}]:
        raise FieldError(f"order_by({', '.join(unknown)}): groups are ordered by what they are made of and give")
    if averages := [name for name in orderings if isinstance(results.get(name.removeprefix("-")), Avg)]:
        raise SplitError(f"order_by({', '.join(averages)}): averages are made after the groups are ordered")
    if not branches.parts:
        return [] if group_by else [_result({}, group_by, results, None)]
    queries: list[ValuesQuery[Any]] = []

    def write(part: QuerySet[RowT]) -> ValuesQuery[Any]:
        annotated = part.annotate(**{column.name: column.within for column in columns})
        queries.append(annotated.group_by(*group_by).values(*group_by, *(column.name for column in columns)))
        return queries[-1]

    statement = Statement(branches.client)
    groups = [statement.quoted(name) for name in group_by]
    names = [(column.together, statement.quoted(column.name)) for column in columns]
    given = [f"{together}({name}) {name}" for together, name in names]
    union = statement.union(branches.shaped(write))
    sql = f"SELECT {', '.join(groups + given)} FROM ({union}) {statement.quoted('u')}"
    if groups:
        sql += f" GROUP BY {', '.join(groups)}"
    order = [f"{statement.quoted(name.removeprefix('-'))} {'DESC' if name[0] == '-' else 'ASC'}" for name in orderings]
    if order:
        sql += f" ORDER BY {', '.join(order)}"
    sql += statement.limits(limit, offset)
    rows = await branches.client.execute_query_dict(sql, statement.values)
    return [_result(row, group_by, results, queries[0]) for row in rows]


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


def _result(
    row: Mapping[str, Any], group_by: Sequence[str], results: Mapping[str, Aggregate], query: Any
) -> dict[str, Any]:
    found = {name: query.resolve_to_python_value(query.model, name)(row[name]) for name in group_by}
    for name, result in results.items():
        if isinstance(result, Avg):
            count = int(row.get(f"{name}__count") or 0)
            total = f"{name}__sum"
            found[name] = query.resolve_to_python_value(query.model, total)(row[total]) / count if count else None
        elif isinstance(result, Count):
            found[name] = int(row.get(name) or 0)
        else:
            value = row.get(name)
            to_python = query.resolve_to_python_value(query.model, name) if query and value is not None else None
            found[name] = to_python(value) if to_python else value
    return found
