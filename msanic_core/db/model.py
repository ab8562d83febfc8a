"""The base of plugins' models: an id, times, and conversion of rows from and to plain data."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import msgspec
from tortoise import fields, models, timezone
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.manager import Manager

from msanic_core.db.fields import UtcDatetimeField
from msanic_core.db.querysets import ModelManager
from msanic_core.db.upsert import upsert

StructT = TypeVar("StructT", bound=msgspec.Struct)

_SET_BY_THE_SERVER = frozenset({"created_at", "updated_at", "deleted_at"})


class Model(models.Model):
    """A row with an `id` that the database gives, and with times that are aware and in UTC.

    `created_at` is set when the row is inserted. `updated_at` is set by `save` (with `update_fields` too), by `update`
    and `bulk_update` of querysets, by `bulk_create` and by `upsert`. It is not set by SQL of your own, nor by
    `bulk_create(on_conflict=...)` unless `update_fields` names it.

    A manager in `Meta` replaces the model's, and should derive from `ModelManager`.
    """

    id = fields.BigIntField(primary_key=True)
    created_at = UtcDatetimeField(auto_now_add=True)
    updated_at = UtcDatetimeField(auto_now=True)

    _manager_class: ClassVar[type[Manager]] = ModelManager

    if TYPE_CHECKING:
        # Type checkers want a subclass's Meta to fit its base's, which is not how Tortoise uses it.
        Meta: ClassVar[Any]
    else:

        class Meta:
            """For Tortoise: a class of fields, no table."""

            abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A subclass does not inherit the manager: Tortoise gives it a new `Manager`.
        if type(cls._meta.manager) is Manager:
            cls._meta.manager = cls._manager_class()

    @classmethod
    def from_struct(cls, data: msgspec.Struct, *, exclude: Collection[str] = (), **values: Any) -> Self:
        """Make a row, not saved yet, of the fields of a struct that are set (not `UNSET`), and of `values`.

        `exclude`: struct fields that are not columns. Raises `ValueError` for any other field that is not a column, or
        that the server sets itself (the primary key, `created_at`, `updated_at`, `deleted_at`), and for None in a
        column without NULL.

            note = Note.from_struct(data, author=ctx.user)
            await note.save()
        """
        return cls(**cls._values_of(data, exclude), **values)

    def update_from_struct(self, data: msgspec.Struct, *, exclude: Collection[str] = ()) -> list[str]:
        """Copy the fields of a struct that are set into the row, and give the names of those that changed.

        Arguments and errors are those of `from_struct`. Nothing is saved:

            await note.save(update_fields=note.update_from_struct(data, exclude=["id"]))
        """
        values = self._values_of(data, exclude)
        before = {name: getattr(self, name) for name in values}
        self.update_from_dict(values)
        return [name for name in values if getattr(self, name) != before[name]]

    def to_dict(self, fields: Iterable[str] | None = None, *, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Give the row's columns by name, unconverted: the codecs encode dates, decimals, UUIDs and enums.

        `fields`: which columns, by default all that were loaded. `exclude`: columns to leave out. Relations are left
        out, their keys (`author_id`) are not. Raises `ValueError` for a name that is no column.
        """
        columns = self._meta.fields_db_projection
        names = [name for name in columns if hasattr(self, name)] if fields is None else list(fields)
        for name in (*names, *exclude):
            if name not in columns:
                raise ValueError(f"{type(self).__name__} has no column {name!r}; it has {', '.join(columns)}")
        return {name: getattr(self, name) for name in names if name not in exclude}

    def to_struct(self, type_: type[StructT]) -> StructT:
        """Make a struct: each of its fields is a column. Raises `ValueError` for a field that is no column."""
        return type_(**self.to_dict(type_.__struct_fields__))

    @classmethod
    async def upsert(
        cls,
        values: Mapping[str, Any],
        /,
        *,
        create: Mapping[str, Any] | None = None,
        using_db: BaseDBAsyncClient | None = None,
        **key: Any,
    ) -> tuple[Self, bool]:
        """Insert the row with this unique key, or update it if it is there. Gives the row and whether it was inserted.

        `values`: set in either case. `create`: set in an inserted row instead or besides, for values that build on the
        old ones. If several callers do so at once, there is one row and no update is lost:

            await Counter.upsert({"count": F("count") + 1}, create={"count": 1}, name="visits")

        Raises `ValueError` if `key` is not the primary key, a unique field or a unique set of fields, or contains None.
        Raises Tortoise's `IntegrityError` if another constraint is violated. As with any write, the database may end it
        to resolve a deadlock, for instance while others keep deleting the row. Tortoise's signals are not sent.
        """
        return await upsert(cls, key, values, {**values, **(create or {})}, using_db or cls._choose_db(True))

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """As Tortoise's; `updated_at` is saved with any `update_fields`, even with none."""
        if update_fields is not None:
            update_fields = list(dict.fromkeys([*update_fields, "updated_at"]))
            self.updated_at = timezone.now()
        await super().save(using_db, update_fields, force_create, force_update)

    @classmethod
    def _values_of(cls, data: msgspec.Struct, exclude: Collection[str]) -> dict[str, Any]:
        meta = cls._meta
        values = {}
        for name in data.__struct_fields__:
            if name in exclude:
                continue
            if name not in meta.fields_db_projection or name in _SET_BY_THE_SERVER or name == meta.pk_attr:
                raise ValueError(
                    f"{type(data).__name__}.{name} is no field of {cls.__name__} that may be set; exclude it"
                )
            value = getattr(data, name)
            if value is not msgspec.UNSET:
                # Tortoise's JSON encoder does not know structs.
                is_json = isinstance(meta.fields_map[name], fields.JSONField)
                values[name] = msgspec.to_builtins(value) if is_json else value
        return values
