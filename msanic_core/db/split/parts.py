"""The parts of a split table: which exist, the model class of each, and making one when it is first needed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from pypika_tortoise.queries import Table
from tortoise import Model
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.fields import BigIntField
from tortoise.manager import Manager

from msanic_core.db.split.dialects import tables_of
from msanic_core.db.split.naming import DETACHED, Calendar, check_template
from msanic_core.db.split.split_table import PartModel, RowT, SplitTable
from msanic_core.db.split.tables import in_transaction, root_of

_MOST_KNOWN = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part as the database knows it.

    `start`: the moment in UTC at which it begins. `end`: the first moment after it. Both are None for parts by key.
    `rows`: the database's estimate. `bytes`: with indexes. Both are None if the database would have to read the table.
    """

    name: str
    table: str
    start: datetime | None
    end: datetime | None
    rows: int | None
    bytes: int | None


class _Known:
    """The parts that were found lately on one connection; another process may have dropped one since."""

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._connection_name = client.connection_name
        self._parts: OrderedDict[tuple[SplitTable[Model], str], PartModel[Model]] = OrderedDict()
        self.making: defaultdict[SplitTable[Model], asyncio.Lock] = defaultdict(asyncio.Lock)

    def get(self, table: SplitTable[RowT], name: str) -> PartModel[RowT] | None:
        if found := self._parts.get((table, name)):
            self._parts.move_to_end((table, name))
        return cast("PartModel[RowT] | None", found)

    def add(self, table: SplitTable[RowT], name: str) -> PartModel[RowT]:
        if part := self.get(table, name):
            return part
        made = _part_model(table, name)
        self._parts[table, name] = made
        if len(self._parts) > _MOST_KNOWN:
            self._drop(next(iter(self._parts)))
        return made

    def forget(self, table: SplitTable[Model]) -> None:
        for key in [key for key in self._parts if key[0] is table]:
            self._drop(key)

    def _drop(self, key: tuple[SplitTable[Model], str]) -> None:
        part = self._parts.pop(key)
        # Tortoise never forgets its statements for a table; a table that is made anew may have other columns.
        EXECUTOR_CACHE.pop((self._connection_name, part.model._meta.schema, part.table), None)


# What is known ends with the connection. A transaction that can roll back the making of a table has its own entry.
_KNOWN: WeakKeyDictionary[BaseDBAsyncClient, _Known] = WeakKeyDictionary()


async def parts_for_reading(
    table: SplitTable[RowT], wanted: Sequence[str] | None, client: BaseDBAsyncClient
) -> list[PartModel[RowT]]:
    """Give the parts that exist, of the wanted ones (None: of all), by name.

    Asks the database unless it has seen all the wanted parts before. In a transaction it always asks: an error about a
    part that was dropped would end the transaction.
    """
    if wanted is not None and not in_transaction(client):
        known = _known(client)
        found = [part for name in wanted if (part := known.get(table, name))]
        if len(found) == len(wanted):
            return found
    names = await existing(table, client)
    keeper = _keeper(client)
    return [keeper.add(table, name) for name in sorted(names if wanted is None else names & {*wanted})]


async def part_for_writing(table: SplitTable[RowT], name: str, client: BaseDBAsyncClient) -> PartModel[RowT]:
    """Give a part, making its table if it is not there.

    On SQLite a rollback of the transaction of `client` removes the table; elsewhere it stays, empty.
    """
    for holder in _within(client):
        if part := _known(holder).get(table, name):
            return part
    tables = tables_of(client)
    if tables.transactional and in_transaction(client):
        # Without our lock: its holder may be waiting for this transaction to give the connection back.
        await _make(table, name, client)
    else:
        async with _known(root_of(client)).making[table]:
            if part := _known(root_of(client)).get(table, name):
                return part
            await _make(table, name, client)
    return _keeper(client).add(table, name)


def forget(table: SplitTable[Model], client: BaseDBAsyncClient) -> None:
    """Forget the known parts of a table, so that the database is asked again: one of them is gone."""
    for holder in _within(client):
        _known(holder).forget(table)


async def existing(table: SplitTable[Model], client: BaseDBAsyncClient) -> set[str]:
    """Ask the database for the names of all parts."""
    prefix = table.table_of("")
    names = {each.removeprefix(prefix) for each in await tables_of(client).names(prefix)}
    return {name for name in names if table.splitting.is_part(name)}


async def described(table: SplitTable[Model], client: BaseDBAsyncClient, *, detached: bool) -> list[Part]:
    """Ask the database for all parts with their sizes, by name; with `detached` for the detached ones."""
    prefix, splitting = table.table_of(""), table.splitting
    parts = []
    for each, size in (await tables_of(client).sizes(prefix)).items():
        name = each.removeprefix(prefix)
        if name.endswith(DETACHED) is detached and splitting.is_part(name := name.removesuffix(DETACHED)):
            start, end = splitting.bounds(name) if isinstance(splitting, Calendar) else (None, None)
            parts.append(Part(name, each, start, end, size.rows, size.bytes))
    return sorted(parts, key=lambda part: part.name)


async def _make(table: SplitTable[Model], name: str, client: BaseDBAsyncClient) -> None:
    check_template(table.template, len(name))
    first_id = None
    if isinstance(table.splitting, Calendar) and isinstance(table.model._meta.pk, BigIntField):
        first_id = table.splitting.first_id(name)
    await tables_of(client).make(table.template, table.table_of(name), first_id)


def _known(client: BaseDBAsyncClient) -> _Known:
    if (known := _KNOWN.get(client)) is None:
        known = _KNOWN[client] = _Known(client)
    return known


def _keeper(client: BaseDBAsyncClient) -> _Known:
    """Give where to remember a part: one that a transaction has made or sees may be gone after a rollback."""
    return _known(client if tables_of(client).transactional else root_of(client))


def _within(client: BaseDBAsyncClient) -> Iterator[BaseDBAsyncClient]:
    """Give the connection and those that its transaction is nested in, from the inside."""
    yield client
    while in_transaction(client):
        client = client._parent
        yield client


def _part_model(table: SplitTable[RowT], name: str) -> PartModel[RowT]:
    """Derive the class of a part's rows: the template's class with another table. It never changes afterwards.

    Not by a class statement: Tortoise would then bind the fields, which the template shares, to the new class.
    """
    model = table.model
    meta = copy(model._meta)
    meta.db_table = table.table_of(name)
    meta.basetable = Table(name=meta.db_table, schema=meta.schema)
    basequery: Any = meta.db.query_class.from_(meta.basetable)
    meta.basequery = basequery
    meta.basequery_all_fields = basequery.select(*meta.db_fields)
    meta.manager = Manager()
    contents = {"_meta": meta, "__module__": model.__module__, "__qualname__": model.__qualname__, "part_name": name}
    part = type.__new__(type(model), model.__name__, (model,), contents)
    meta._model = meta.manager._model = part
    return PartModel(name, part, meta.db_table)
