"""Split tables: one model whose rows live in one table for each key, year, month, ISO week or day."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar, NoReturn, Self, cast

from tortoise import Model, timezone
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError
from tortoise.fields import CharField, DateField, DatetimeField, Field
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.manager import Manager
from tortoise.queryset import QuerySet
from tortoise.signals import Signals

from msanic_core.db.split import upkeep
from msanic_core.db.split.dialects import tables_of
from msanic_core.db.split.naming import PERIODS, Calendar, Keys, Splitting
from msanic_core.db.split.parts import Part, described, forget, part_for_writing
from msanic_core.db.split.query import Span, SplitQuery
from msanic_core.db.split.tables import in_transaction, is_missing_table
from msanic_core.errors import SplitError


class _NoManager(Manager):
    """In the place of a template's manager: a query of the template would find nothing, always."""

    def get_queryset(self) -> NoReturn:
        name = self._model.__name__
        raise SplitError(
            f"{name} is split: say which parts, {name}.between(start, end), {name}.of(key, ...) or {name}.everywhere()"
        )


class SplitModel(Model):
    """Base of a model whose rows live in several tables, its parts.

    Its own table is the template: empty, made and changed by migrations. A part has its columns and indexes, and is
    made when a row needs it. `class Split` says how: `by`, one of "key", "year", "month", "week", "day", and `field`, a
    `DatetimeField` or `DateField` (in UTC), or for "key" a `CharField`. A wrong declaration raises `SplitError` when
    the class is made.

    Rows are of a class of their part, which is a subclass. A field that says into which part a row belongs is never
    changed. Unique is unique in a part. Ids that the database counts are unique over all parts if they are a
    `BigIntField` and the parts are not by key.
    """

    split: ClassVar[Splitting]
    split_field: ClassVar[str]
    part_name: ClassVar[str] = ""

    class Meta:
        """No table of its own."""

        abstract = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # Of the models of a migration, which Tortoise makes with this mark, only the tables count.
        if not cls._meta.abstract and not cls.part_name and "_no_comments" not in vars(cls):
            cls.split_field, cls.split = _declared(cls)
            cls._meta.manager = _NoManager()

    @classmethod
    def between(cls, start: date | None, end: date | None) -> SplitQuery[Self]:
        """Query the rows from `start` on and before `end`; None leaves that side open.

        Dates and datetimes are taken as the split field takes them. Raises `SplitError` if the parts are by key.
        """
        if not isinstance(cls.split, Calendar):
            raise SplitError(f"{cls.__name__} is split by key: use {cls.__name__}.of(key, ...)")
        first, behind = (None if value is None else _comparable(cls, value) for value in (start, end))
        return SplitQuery(cls, Span(first, behind))

    @classmethod
    def of(cls, *keys: str) -> SplitQuery[Self]:
        """Query the rows of these keys. Raises `SplitError` for a text that is no key, or if parts are of a time."""
        if isinstance(cls.split, Calendar):
            raise SplitError(f"{cls.__name__} is split by {cls.split.by}: use {cls.__name__}.between(start, end)")
        return SplitQuery(cls, Span(keys=tuple(sorted({cls.split.part_of(key) for key in keys}))))

    @classmethod
    def everywhere(cls) -> SplitQuery[Self]:
        """Query the rows of all parts."""
        return SplitQuery(cls, Span())

    @classmethod
    async def parts(cls, *, detached: bool = False, using_db: BaseDBAsyncClient | None = None) -> list[Part]:
        """List the parts by name, as the database has them now, or the detached ones."""
        return await described(cls, using_db or cls._meta.db, detached=detached)

    @classmethod
    async def detach(cls, part: str, *, using_db: BaseDBAsyncClient | None = None) -> str:
        """Keep a part but find it no more: its table is renamed. Returns the table's new name.

        A row that belongs there makes a new, empty part. Raises `SplitError` if there is no such part, if one of this
        name was detached before and is still there, or in a transaction.
        """
        return await upkeep.detach(cls, part, using_db or cls._meta.db)

    @classmethod
    async def drop_before(
        cls, moment: date, *, dry_run: bool = False, using_db: BaseDBAsyncClient | None = None
    ) -> list[Part]:
        """Drop the parts all of whose rows are before a moment, and return them; with `dry_run` only return them.

        Raises `SplitError` in a transaction, or if the parts are by key.
        """
        if not isinstance(cls.split, Calendar):
            raise SplitError(f"{cls.__name__} is split by key: its parts have no age; detach or empty them")
        return await upkeep.drop_before(cls, _comparable(cls, moment), dry_run, using_db or cls._meta.db)

    @classmethod
    async def sync_parts(
        cls,
        *,
        rename: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        using_db: BaseDBAsyncClient | None = None,
    ) -> list[str]:
        """Bring all parts to the columns and indexes of the template, and say what was done.

        Best in the migration that changes the template: see `AlterParts`. `rename`: old names of columns with the new
        ones; `drop`: columns to give up. A column that is gone from the template and in neither raises `SplitError`, as
        does a new one that must not be null and has no plain default.
        """
        return await upkeep.sync_parts(cls, rename or {}, drop, using_db or cls._meta.db)

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """Save as Tortoise does, into the part the row belongs to. Raises `SplitError` if it has left that part."""
        await self._set_async_default_field()
        client = using_db or self._choose_db(True)
        if self.part_name and self._saved_in_db and not force_create:
            self._check_part()
            await super().save(client, update_fields, force_create, force_update)
            return
        template = _template(type(self))
        name = _part_of(template, self)

        async def insert() -> None:
            self.__class__ = await part_for_writing(template, name, client)
            await super(SplitModel, self).save(client, update_fields, force_create, force_update)

        before = type(self)
        try:
            await _with_parts(template, client, insert)
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
        """Insert rows as Tortoise does, each into its part, all or none; they do not get their ids."""
        template, client = _template(cls), using_db or cls._choose_db(True)
        groups: defaultdict[str, list[Self]] = defaultdict(list)
        for row in objects:
            await row._set_async_default_field()
            groups[_part_of(template, row)].append(row)
        how = (batch_size, ignore_conflicts, update_fields, on_conflict)

        async def insert() -> None:
            # The tables first: made in between they would wait, and on SQLite belong to the transaction.
            parts = [(await part_for_writing(template, name, client), rows) for name, rows in groups.items()]
            if len(parts) == 1 and (batch_size is None or in_transaction(client)):
                await QuerySet(parts[0][0]).using_db(client).bulk_create(parts[0][1], *how)
            elif parts:
                async with client._in_transaction() as transaction:
                    for part, rows in parts:
                        await QuerySet(part).using_db(transaction).bulk_create(rows, *how)

        await _with_parts(template, client, insert)

    def _check_part(self) -> None:
        """Raise `SplitError` if a saved row says that it belongs elsewhere."""
        template = _template(type(self))
        if hasattr(self, self.split_field) and (name := _part_of(template, self)) != self.part_name:
            raise SplitError(
                f"{self!r}: its {self.split_field} was changed, it is in part {self.part_name} and belongs into {name};"
                " delete it and create it anew"
            )

    async def _wait_for_listeners(self, signal: Signals, *arguments: Any) -> None:
        """Call who listens to the model: they do not know the classes of its parts."""
        template = _template(type(self))
        listeners = self._listeners.get(signal, {}).get(template, [])
        await asyncio.gather(*(listener(template, self, *arguments) for listener in listeners))


async def _with_parts(model: type[SplitModel], client: BaseDBAsyncClient, work: Callable[[], Awaitable[None]]) -> None:
    """Do something, and once more if a part that was known is gone; not where the error has ended the transaction."""
    try:
        await work()
        return
    except OperationalError as error:
        if not is_missing_table(error):
            raise
        forget(model, client)
        if in_transaction(client) and tables_of(client).aborts:
            raise
    await work()


def _template(cls: type[SplitModel]) -> type[SplitModel]:
    """Give the model that a part is of, or the one given."""
    return cast("type[SplitModel]", cls.__base__) if cls.part_name else cls


def _part_of(model: type[SplitModel], row: SplitModel) -> str:
    value = getattr(row, model.split_field)
    field = model._meta.fields_map[model.split_field]
    if value is None and getattr(field, "auto_now_add", False):
        setattr(row, model.split_field, value := timezone.now())
    return model.split.part_of(_comparable(model, value) if isinstance(value, date) else value)


def _comparable(model: type[SplitModel], value: date) -> date:
    """Make what the split field would make of a value, in one zone."""
    field = model._meta.fields_map[model.split_field]
    if isinstance(field, DateField) and isinstance(value, datetime):
        raise SplitError(f"{model.__name__}.{model.split_field} is a date: {value!r} is a datetime")
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    converted = field.to_python_value(value)
    assert isinstance(converted, date), "what a date or datetime field gives"
    return converted


def _declared(cls: type[SplitModel]) -> tuple[str, Splitting]:
    """Read and check `class Split`."""
    declaration = getattr(cls, "Split", None)
    by, name = getattr(declaration, "by", None), getattr(declaration, "field", None)
    where = f"{cls.__module__}.{cls.__name__}"
    if by not in ("key", *PERIODS) or not isinstance(name, str):
        raise SplitError(
            f'{where}: say how it is split, `class Split: by = "month"; field = "at"`; by is one of key, '
            f"{', '.join(PERIODS)}"
        )
    if extra := [each for each in vars(declaration) if not each.startswith("__") and each not in ("by", "field")]:
        raise SplitError(f"{where}.Split has {', '.join(extra)}: it has by and field, and nothing else")
    field = cls._meta.fields_map.get(name)
    kinds: tuple[type[Field[Any]], ...] = (CharField,) if by == "key" else (DatetimeField, DateField)
    if not isinstance(field, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise SplitError(f"{where} is split by {by}: {name} must be a {names}")
    if field.null or field.has_db_default() or getattr(field, "auto_now", False):
        raise SplitError(f"{where}.{name} must be set before a row is saved: no null, db_default or auto_now")
    _check_relations(cls, where)
    if cls._meta._default_ordering:
        raise SplitError(f"{where}: parts have no order of their own; leave out Meta.ordering and use order_by")
    if cls._meta.schema:
        raise SplitError(f"{where}: a split model is in the schema of the connection; leave out Meta.schema")
    return name, Keys() if by == "key" else Calendar(by)


def _check_relations(cls: type[SplitModel], where: str) -> None:
    """Refuse what copies of a table do not have, and what would look into the template."""
    if cls._meta.m2m_fields:
        raise SplitError(f"{where}: a split model has no many-to-many fields ({', '.join(cls._meta.m2m_fields)})")
    for name in sorted(cls._meta.fk_fields | cls._meta.o2o_fields):
        field = cls._meta.fields_map[name]
        assert isinstance(field, ForeignKeyFieldInstance)
        if field.db_constraint or field.related_name is not False:
            raise SplitError(
                f"{where}.{name}: parts have no foreign keys, and nothing leads back from one row to many parts; give "
                "it db_constraint=False, related_name=False"
            )
