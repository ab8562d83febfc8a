"""The parts of a split model: which there are, the model class of each, and making one when it is first needed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from pypika_tortoise.queries import Table
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.fields import BigIntField
from tortoise.manager import Manager

from msanic_core.db.split.dialects import tables_of
from msanic_core.db.split.naming import DETACHED, Calendar, check_template, table_of
from msanic_core.db.split.tables import in_transaction, root_of

if TYPE_CHECKING:
    from msanic_core.db.split.split_model import SplitModel

M = TypeVar("M", bound="SplitModel")

_MOST_KNOWN = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part as the database knows it.

    `start` and `end`: the moments in UTC it begins at and the first after it; None for parts by key. `rows` is the
    database's estimate, `bytes` with indexes; None where the database would have to read the table.
    """

    name: str
    table: str
    start: datetime | None
    end: datetime | None
    rows: int | None
    bytes: int | None


class _Known:
    """Model classes of parts that are there, the last used ones; another process may have dropped one meanwhile."""

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._connection_name = client.connection_name
        self._classes: OrderedDict[tuple[type[SplitModel], str], type[SplitModel]] = OrderedDict()
        self.making: defaultdict[type[SplitModel], asyncio.Lock] = defaultdict(asyncio.Lock)

    def get(self, model: type[M], name: str) -> type[M] | None:
        if found := self._classes.get((model, name)):
            self._classes.move_to_end((model, name))
        return cast("type[M] | None", found)

    def add(self, model: type[M], name: str) -> type[M]:
        if part := self.get(model, name):
            return part
        made = _part_class(model, name)
        self._classes[model, name] = made
        if len(self._classes) > _MOST_KNOWN:
            self._drop(next(iter(self._classes)))
        return made

    def forget(self, model: type[SplitModel]) -> None:
        for key in [key for key in self._classes if key[0] is model]:
            self._drop(key)

    def _drop(self, key: tuple[type[SplitModel], str]) -> None:
        meta = self._classes.pop(key)._meta
        # Tortoise keeps statements per table for ever; a table made anew may have other columns.
        EXECUTOR_CACHE.pop((self._connection_name, meta.schema, meta.db_table), None)


# Facts about what a connection leads to: they go with it. A transaction that can roll back a table has its own.
_KNOWN: WeakKeyDictionary[BaseDBAsyncClient, _Known] = WeakKeyDictionary()


async def parts_for_reading(model: type[M], wanted: Sequence[str] | None, client: BaseDBAsyncClient) -> list[type[M]]:
    """Give the model classes of the parts that are there, of those that are wanted (None: of all), by name.

    The database is asked unless all that is wanted is known; in a transaction always, which an error would end.
    """
    if wanted is not None and not in_transaction(client):
        known = _known(client)
        found = [part for name in wanted if (part := known.get(model, name))]
        if len(found) == len(wanted):
            return found
    names = await existing(model, client)
    keeper = _keeper(client)
    return [keeper.add(model, name) for name in sorted(names if wanted is None else names & {*wanted})]


async def part_for_writing(model: type[M], name: str, client: BaseDBAsyncClient) -> type[M]:
    """Give the model class of a part, making its table if it is not there.

    On SQLite the table belongs to the transaction of `client`; elsewhere it stays, empty, when that is rolled back.
    """
    for holder in _within(client):
        if part := _known(holder).get(model, name):
            return part
    tables = tables_of(client)
    if tables.transactional and in_transaction(client):
        # No lock of ours: who holds one may be waiting for this transaction to give the connection back.
        await _make(model, name, client)
    else:
        async with _known(root_of(client)).making[model]:
            if part := _known(root_of(client)).get(model, name):
                return part
            await _make(model, name, client)
    return _keeper(client).add(model, name)


def forget(model: type[SplitModel], client: BaseDBAsyncClient) -> None:
    """Ask the database for parts again: one that was known is not there any more."""
    for holder in _within(client):
        _known(holder).forget(model)


async def existing(model: type[SplitModel], client: BaseDBAsyncClient) -> set[str]:
    """Ask the database for the names of all parts."""
    prefix = table_of(model._meta.db_table, "")
    names = {table.removeprefix(prefix) for table in await tables_of(client).names(prefix)}
    return {name for name in names if model.split.is_part(name)}


async def described(model: type[SplitModel], client: BaseDBAsyncClient, *, detached: bool) -> list[Part]:
    """Ask the database for all parts with their sizes, by name; or for those that were detached."""
    template = model._meta.db_table
    prefix = table_of(template, "")
    parts = []
    for table, size in (await tables_of(client).sizes(prefix)).items():
        name = table.removeprefix(prefix)
        if name.endswith(DETACHED) is detached and model.split.is_part(name := name.removesuffix(DETACHED)):
            start, end = model.split.bounds(name) if isinstance(model.split, Calendar) else (None, None)
            parts.append(Part(name, table, start, end, size.rows, size.bytes))
    return sorted(parts, key=lambda part: part.name)


async def _make(model: type[SplitModel], name: str, client: BaseDBAsyncClient) -> None:
    template = model._meta.db_table
    check_template(template, len(name))
    counted = isinstance(model.split, Calendar) and isinstance(model._meta.pk, BigIntField)
    first_id = cast(Calendar, model.split).first_id(name) if counted else None
    await tables_of(client).make(template, table_of(template, name), first_id)


def _known(client: BaseDBAsyncClient) -> _Known:
    if (known := _KNOWN.get(client)) is None:
        known = _KNOWN[client] = _Known(client)
    return known


def _keeper(client: BaseDBAsyncClient) -> _Known:
    """Give where to note a part that was found: what a transaction made or sees may be gone after it."""
    return _known(client if tables_of(client).transactional else root_of(client))


def _within(client: BaseDBAsyncClient) -> Iterator[BaseDBAsyncClient]:
    """Give the connection and the transactions around it, from the inside."""
    yield client
    while in_transaction(client):
        client = client._parent
        yield client


def _part_class(model: type[M], name: str) -> type[M]:
    """Derive the model of a part: the same but for the table. Nothing of it changes afterwards.

    Not by a class statement: that would make the fields, which it shares with its template, fields of the new class.
    """
    meta = copy(model._meta)
    meta.db_table = table_of(model._meta.db_table, name)
    meta.basetable = Table(name=meta.db_table, schema=meta.schema)
    basequery: Any = meta.db.query_class.from_(meta.basetable)
    meta.basequery = basequery
    meta.basequery_all_fields = basequery.select(*meta.db_fields)
    meta.manager = Manager()
    contents = {"_meta": meta, "__module__": model.__module__, "__qualname__": model.__qualname__, "part_name": name}
    part = type.__new__(type(model), model.__name__, (model,), contents)
    meta._model = meta.manager._model = part
    return part
