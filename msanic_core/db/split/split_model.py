"""The base of split models: saving rows into their parts, and the starts of queries and upkeep."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, cast

from tortoise import Model
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError
from tortoise.manager import Manager
from tortoise.queryset import QuerySet
from tortoise.signals import Signals

from msanic_core.db.split import upkeep
from msanic_core.db.split.dialects import tables_of
from msanic_core.db.split.naming import Calendar
from msanic_core.db.split.parts import Part, described, forget, part_for_writing
from msanic_core.db.split.query import Span, SplitQuery
from msanic_core.db.split.split_table import SplitTable, declared
from msanic_core.db.split.tables import in_transaction, is_missing_table
from msanic_core.errors import SplitError


class _NoManager(Manager):
    """The manager of a template. It refuses queries: the template has no rows."""

    def get_queryset(self) -> NoReturn:
        name = self._model.__name__
        raise SplitError(
            f"{name} is split: say which parts, {name}.between(start, end), {name}.of(key, ...) or {name}.everywhere()"
        )


class SplitModel(Model):
    """Base of a model whose rows live in several tables, its parts.

    Its own table is the template: it is empty, and migrations make and change it. A part has the columns and indexes of
    the template, and is made when the first row needs it. `class Split` says how rows are divided: `by` is one of
    "key", "year", "month", "week", "day"; `field` is a `DatetimeField` or `DateField` (in UTC), or for "key" a
    `CharField`. A wrong declaration raises `SplitError` when the class is made.

    Each part has a subclass, and rows are instances of it. The split field of a saved row cannot change. Unique fields
    are unique within a part. Ids that the database counts are unique over all parts if they are a `BigIntField` and the
    parts are not by key.
    """

    part_name: ClassVar[str] = ""
    _split_table: ClassVar[SplitTable[SplitModel]]

    if TYPE_CHECKING:
        # Type checkers want a subclass's Meta to fit its base's, which is not how Tortoise uses it.
        Meta: ClassVar[Any]
    else:

        class Meta:
            """For Tortoise: no table of its own."""

            abstract = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # Tortoise marks the models of migrations so: of these only the tables matter.
        if not cls._meta.abstract and not cls.part_name and "_no_comments" not in vars(cls):
            cls._split_table = declared(cls)
            cls._meta.manager = _NoManager()

    @classmethod
    def between(cls, start: date | None, end: date | None) -> SplitQuery[Self]:
        """Query the rows from `start` on and before `end`; None leaves that side open.

        Dates and datetimes are converted as the split field converts them. Raises `SplitError` if parts are by key.
        """
        table = cls._table()
        if not isinstance(table.splitting, Calendar):
            raise SplitError(f"{table.name} is split by key: use {table.name}.of(key, ...)")
        first, behind = (None if value is None else table.comparable(value) for value in (start, end))
        return SplitQuery(table, Span(first, behind))

    @classmethod
    def of(cls, *keys: str) -> SplitQuery[Self]:
        """Query the rows of these keys. Raises `SplitError` for a text that is no key, or if parts are by time."""
        table = cls._table()
        if isinstance(table.splitting, Calendar):
            raise SplitError(f"{table.name} is split by {table.splitting.by}: use {table.name}.between(start, end)")
        return SplitQuery(table, Span(keys=tuple(sorted({table.splitting.part_of(key) for key in keys}))))

    @classmethod
    def everywhere(cls) -> SplitQuery[Self]:
        """Query the rows of all parts."""
        return SplitQuery(cls._table(), Span())

    @classmethod
    async def parts(cls, *, detached: bool = False, using_db: BaseDBAsyncClient | None = None) -> list[Part]:
        """List the parts by name, as the database has them now; with `detached` the detached ones."""
        return await described(cls._split_table, using_db or cls._meta.db, detached=detached)

    @classmethod
    async def detach(cls, part: str, *, using_db: BaseDBAsyncClient | None = None) -> str:
        """Rename a part's table, so that queries no longer find it. Returns the table's new name.

        The next row that belongs there makes a new part. Raises `SplitError` if there is no such part, if a detached
        part of this name still exists, or in a transaction.
        """
        return await upkeep.detach(cls._split_table, part, using_db or cls._meta.db)

    @classmethod
    async def drop_before(
        cls, moment: date, *, dry_run: bool = False, using_db: BaseDBAsyncClient | None = None
    ) -> list[Part]:
        """Drop the parts that end by a moment, and return them; with `dry_run` only return them.

        Raises `SplitError` in a transaction, or if the parts are by key.
        """
        table = cls._split_table
        if not isinstance(table.splitting, Calendar):
            raise SplitError(f"{table.name} is split by key: its parts have no age; detach or empty them")
        return await upkeep.drop_before(table, table.comparable(moment), dry_run, using_db or cls._meta.db)

    @classmethod
    async def sync_parts(
        cls,
        *,
        rename: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        using_db: BaseDBAsyncClient | None = None,
    ) -> list[str]:
        """Change the columns and indexes of all parts to match the template, and return what was done.

        Better do it in the migration that changes the template: see `AlterParts`. `rename`: old names of columns with
        the new ones. `drop`: columns to drop. Raises `SplitError` for a column that the template no longer has and that
        is in neither, and for a new column that must not be null and has no plain default.
        """
        return await upkeep.sync_parts(cls._split_table, rename or {}, drop, using_db or cls._meta.db)

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """Save as Tortoise does, into the row's part. Raises `SplitError` if the row now belongs into another part."""
        await self._set_async_default_field()
        client = using_db or self._choose_db(True)
        if self.part_name and self._saved_in_db and not force_create:
            self._check_part()
            await super().save(client, update_fields, force_create, force_update)
            return
        table = self._table()
        name = table.part_of(self)

        async def insert() -> None:
            self.__class__ = (await part_for_writing(table, name, client)).model
            await super(SplitModel, self).save(client, update_fields, force_create, force_update)

        before = type(self)
        try:
            await _with_parts(table, client, insert)
        except BaseException:
            self.__class__ = before
            raise

    @classmethod
    async def bulk_create(  # type: ignore[override] # Tortoise returns a query, whose table is known
        cls,
        objects: Iterable[Self],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        on_conflict: Iterable[str] | None = None,
        using_db: BaseDBAsyncClient | None = None,
    ) -> None:
        """Insert rows as Tortoise does, each into its part, all or none; the objects do not get their ids."""
        table, client = cls._table(), using_db or cls._choose_db(True)
        groups: defaultdict[str, list[Self]] = defaultdict(list)
        for row in objects:
            await row._set_async_default_field()
            groups[table.part_of(row)].append(row)
        how = (batch_size, ignore_conflicts, update_fields, on_conflict)

        async def insert() -> None:
            # All tables first: within the transaction making one would wait for it, or on SQLite be part of it.
            parts = [(await part_for_writing(table, name, client), rows) for name, rows in groups.items()]
            if len(parts) == 1 and (batch_size is None or in_transaction(client)):
                await QuerySet(parts[0][0].model).using_db(client).bulk_create(parts[0][1], *how)
            elif parts:
                async with client._in_transaction() as transaction:
                    for part, rows in parts:
                        await QuerySet(part.model).using_db(transaction).bulk_create(rows, *how)

        await _with_parts(table, client, insert)

    @classmethod
    def _table(cls) -> SplitTable[Self]:
        return cast("SplitTable[Self]", cls._split_table)

    def _check_part(self) -> None:
        """Raise `SplitError` if the split field of a saved row was changed to a value of another part."""
        table = self._split_table
        if hasattr(self, table.field) and (name := table.part_of(self)) != self.part_name:
            raise SplitError(
                f"{self!r}: its {table.field} was changed, it is in part {self.part_name} and belongs into {name};"
                " delete it and create it anew"
            )

    async def _wait_for_listeners(self, signal: Signals, *arguments: Any) -> None:
        """Call the listeners of the model: they do not know the classes of its parts."""
        template = self._split_table.model
        listeners = self._listeners.get(signal, {}).get(template, [])
        await asyncio.gather(*(listener(template, self, *arguments) for listener in listeners))


async def _with_parts(
    table: SplitTable[SplitModel], client: BaseDBAsyncClient, work: Callable[[], Awaitable[None]]
) -> None:
    """Do the work, and once more if a known part is gone, unless that error has ended the transaction."""
    try:
        await work()
        return
    except OperationalError as error:
        if not is_missing_table(error):
            raise
        forget(table, client)
        if in_transaction(client) and tables_of(client).aborts:
            raise
    await work()
