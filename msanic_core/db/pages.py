"""Lists in pages. A client chooses order and fields, among those that the plugin allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, overload

import msgspec
from typing_extensions import TypeVar

from msanic_core.codes import ReplyCode
from msanic_core.errors import CommandError

if TYPE_CHECKING:
    from tortoise.models import Model
    from tortoise.queryset import QuerySet

ItemT = TypeVar("ItemT", default=dict[str, Any])
StructT = TypeVar("StructT", bound=msgspec.Struct)

MAX_PAGE = 1_000_000
"""The highest page a client may ask for. The database reads all rows before it; with `page_after` it does not."""

_MAX_ID = 2**63 - 1
_SHOWN = 40


class Page(msgspec.Struct, Generic[ItemT], frozen=True):
    """One page of a list. `total`: rows on all pages, None if it was not asked for. `page` counts from 1.

    An HTTP handler may return it: the items become `data` of the answer, and `total` its `total`.
    """

    items: list[ItemT]
    total: int | None
    page: int
    size: int


class PageAfter(msgspec.Struct, Generic[ItemT], frozen=True):
    """Some rows of a list. `next`: what to give as `after` for the following rows, None if there are none."""

    items: list[ItemT]
    next: int | None
    size: int


@overload
async def page(
    queryset: QuerySet[Any],
    *,
    fields: Sequence[str],
    orders: Sequence[str] = (),
    page: int = 1,
    size: int = 20,
    order: str | Sequence[str] = "",
    select: str | Sequence[str] = "",
    default_order: Sequence[str] = (),
    max_size: int = 100,
    with_total: bool = True,
) -> Page[dict[str, Any]]: ...


@overload
async def page(
    queryset: QuerySet[Any],
    *,
    as_type: type[StructT],
    orders: Sequence[str] = (),
    page: int = 1,
    size: int = 20,
    order: str | Sequence[str] = "",
    default_order: Sequence[str] = (),
    max_size: int = 100,
    with_total: bool = True,
) -> Page[StructT]: ...


async def page(
    queryset: QuerySet[Any],
    *,
    fields: Sequence[str] = (),
    as_type: type[msgspec.Struct] | None = None,
    orders: Sequence[str] = (),
    page: int = 1,
    size: int = 20,
    order: str | Sequence[str] = "",
    select: str | Sequence[str] = "",
    default_order: Sequence[str] = (),
    max_size: int = 100,
    with_total: bool = True,
) -> Page[Any]:
    """Give one page of a queryset, its items as `Model.to_dict` gives them, or as `Model.to_struct` with `as_type`.

    The plugin's: `fields`: the columns an item may have, and has if the client does not choose; or `as_type`: a Struct
    whose fields are the columns of an item. `orders`: the columns the list may be ordered by. `default_order`: the
    order if the client gives none, such as ["-created_at"]; by default the highest primary key first. `max_size`: items
    per page at most. `with_total`: False saves counting, which reads all rows of the queryset.

    The client's: `page`, 1 to `MAX_PAGE`; `size`, 1 to `max_size`; `order`, such as "-created_at,title" with "-" for
    descending; `select`, such as "id,title", not with `as_type`; each of the two may be a list, as `constraints.Paging`
    has it. Raises `CommandError` with `INVALID`, naming the parameter and what is allowed, for anything else in them.

    Rows that are equal in the order are ordered by the primary key, so that no row is on two pages. Raises `ValueError`
    if `fields`, `as_type`, `orders` or `default_order` names something that is no column of the model, or if there is
    no field.
    """
    model = queryset.model
    check_columns(model, [*orders, *(name.removeprefix("-") for name in default_order)])
    selected = _selected(model, fields, as_type, select)
    check_number("page", page, 1, MAX_PAGE)
    check_number("size", size, 1, max_size)
    ordering = parse_order(order, orders) or default_order or [f"-{model._meta.pk_attr}"]
    total = await queryset.count() if with_total else None
    rows = queryset.order_by(*unique_order(ordering, model._meta.pk_attr)).limit(size).offset((page - 1) * size)
    return Page(_items(await rows.values(*selected), as_type), total, page, size)


@overload
async def page_after(
    queryset: QuerySet[Any],
    *,
    fields: Sequence[str],
    after: int | None = None,
    size: int = 20,
    select: str | Sequence[str] = "",
    newest_first: bool = True,
    max_size: int = 100,
) -> PageAfter[dict[str, Any]]: ...


@overload
async def page_after(
    queryset: QuerySet[Any],
    *,
    as_type: type[StructT],
    after: int | None = None,
    size: int = 20,
    newest_first: bool = True,
    max_size: int = 100,
) -> PageAfter[StructT]: ...


async def page_after(
    queryset: QuerySet[Any],
    *,
    fields: Sequence[str] = (),
    as_type: type[msgspec.Struct] | None = None,
    after: int | None = None,
    size: int = 20,
    select: str | Sequence[str] = "",
    newest_first: bool = True,
    max_size: int = 100,
) -> PageAfter[Any]:
    """Give the rows after a given one, by the primary key, a number. The end of a large table is as fast as its start.

    `after`: the client's, the `next` of the page it has; None at the start. `newest_first`: the highest keys come
    first. The other arguments, and the errors, are those of `page`. When rows are inserted or deleted between two
    calls, no other row is skipped or comes twice.
    """
    model = queryset.model
    key = model._meta.pk_attr
    selected = _selected(model, fields, as_type, select)
    check_number("size", size, 1, max_size)
    if after is not None:
        check_number("after", after, 0, _MAX_ID)
        queryset = queryset.filter(**{f"{key}__{'lt' if newest_first else 'gt'}": after})
    rows = queryset.order_by(f"-{key}" if newest_first else key).limit(size + 1)
    items = await rows.values(*dict.fromkeys([*selected, key]))
    following = items[size - 1][key] if len(items) > size else None
    del items[size:]
    if key not in selected:
        for item in items:
            del item[key]
    return PageAfter(_items(items, as_type), following, size)


def parse_order(text: str | Sequence[str], allowed: Sequence[str]) -> list[str]:
    """Read "-created_at,title", or a list, as ["-created_at", "title"]. A "+" is ignored: in URLs it becomes a space.

    Raises `CommandError` with `INVALID` for a name that is not allowed, or comes twice.
    """
    directions = []
    for part in _parts(text):
        name = part[1:].lstrip() if part[:1] in {"-", "+"} else part
        directions.append((name, "-" if part.startswith("-") else ""))
    _check_names("order", [name for name, _ in directions], allowed)
    return [f"{sign}{name}" for name, sign in directions]


def parse_select(text: str | Sequence[str], allowed: Sequence[str]) -> list[str]:
    """Read "id,title" as ["id", "title"]; an empty text means all names. Errors are those of `parse_order`."""
    names = _parts(text)
    _check_names("select", names, allowed)
    return names or list(allowed)


def unique_order(ordering: Sequence[str], key: str) -> list[str]:
    """Add the primary key to an order that lacks it, in the direction of the last field."""
    if any(part.lstrip("-") == key for part in ordering):
        return list(ordering)
    return [*ordering, f"-{key}" if ordering and ordering[-1].startswith("-") else key]


def check_number(parameter: str, value: int, lowest: int, highest: int) -> None:
    """Raise `CommandError` with `INVALID` unless a client's number is from `lowest` to `highest`."""
    if not lowest <= value <= highest:
        hint = f"{parameter}: {_shown(value)} is not allowed; allowed: {lowest} to {highest}"
        raise CommandError(ReplyCode.INVALID, hint)


def check_columns(model: type[Model], names: Iterable[str]) -> None:
    """Raise `ValueError` if one of the names is no column of the model."""
    columns = model._meta.fields_db_projection
    for name in names:
        if name not in columns:
            raise ValueError(f"{model.__name__} has no column {name!r}; it has {', '.join(columns)}")


def _selected(
    model: type[Model], fields: Sequence[str], as_type: type[msgspec.Struct] | None, select: str | Sequence[str]
) -> list[str]:
    """The columns of an item."""
    if as_type is not None and (fields or select):
        raise ValueError("as_type names the columns of an item: leave out fields and select")
    allowed = fields if as_type is None else as_type.__struct_fields__
    check_columns(model, allowed)
    if not allowed:
        raise ValueError("fields names no column: say which an item may have")
    return parse_select(select, allowed)


def _items(rows: list[dict[str, Any]], as_type: type[msgspec.Struct] | None) -> list[Any]:
    return rows if as_type is None else [as_type(**row) for row in rows]


def _parts(text: str | Sequence[str]) -> list[str]:
    if not isinstance(text, str):
        return list(text)
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _check_names(parameter: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    seen = set()
    for name in names:
        if name not in allowed:
            choice = ", ".join(allowed) or "nothing"
            raise CommandError(ReplyCode.INVALID, f"{parameter}: {_shown(name)} is not allowed; allowed: {choice}")
        if name in seen:
            raise CommandError(ReplyCode.INVALID, f"{parameter}: {_shown(name)} is there twice")
        seen.add(name)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
