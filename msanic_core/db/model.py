"""The base of plugins' models: ids, times, and rows from and into plain data."""

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
    """A row with an `id` the database gives, and its times, which are aware and in UTC.

    `created_at` is set when the row is inserted. `updated_at` is set by whatever goes through the model: `save` (with
    `update_fields` too), `update` and `bulk_update` of querysets, `bulk_create`, `upsert`; not by SQL of your own, nor
    by `bulk_create(on_conflict=...)` unless `update_fields` names it.

    A manager in `Meta` replaces the model's, and should derive from `querysets.ModelManager`.
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
        # Tortoise hands Meta's manager down to no subclass.
        if type(cls._meta.manager) is Manager:
            cls._meta.manager = cls._manager_class()

    @classmethod
    def from_struct(cls, data: msgspec.Struct, *, exclude: Collection[str] = (), **values: Any) -> Self:
        """Make a row, not saved yet, of the fields of a struct that are set (not `UNSET`), and of `values`.

        `exclude`: fields of the struct that are none of the row. Raises `ValueError` if another is none, or is one the
        server sets: the primary key, `created_at`, `updated_at`, `deleted_at`; and if a column that has no NULL gets
        None.

            note = Note.from_struct(data, author=ctx.user)
            await note.save()
        """
        return cls(**cls._values_of(data, exclude), **values)

    def update_from_struct(self, data: msgspec.Struct, *, exclude: Collection[str] = ()) -> list[str]:
        """Take the fields of a struct that are set into the row, and give the names of those that changed.

        Arguments and errors as for `from_struct`. Nothing is saved:

            await note.save(update_fields=note.update_from_struct(data, exclude=["id"]))
        """
        values = self._values_of(data, exclude)
        before = {name: getattr(self, name) for name in values}
        self.update_from_dict(values)
        return [name for name in values if getattr(self, name) != before[name]]

    def to_dict(self, fields: Iterable[str] | None = None, *, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Give the row's columns by name, as they are: the codecs encode dates, decimals, UUIDs and enums themselves.

        `fields`: which, by default all that were loaded. `exclude`: which of them not. Relations are not among them,
        their keys (`author_id`) are. Raises `ValueError` for a name that is no column.
        """
        columns = self._meta.fields_db_projection
        names = [name for name in columns if hasattr(self, name)] if fields is None else list(fields)
        for name in (*names, *exclude):
            if name not in columns:
                raise ValueError(f"{type(self).__name__} has no column {name!r}; it has {', '.join(columns)}")
        return {name: getattr(self, name) for name in names if name not in exclude}

    def to_struct(self, type_: type[StructT]) -> StructT:
        """Make a struct, each field of which is a column of the same name. Raises `ValueError` if one is none."""
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

        `values`: what to set in either case; `create`: what an inserted row has instead or besides, for values that
        build on the old ones. However many do so at once, there is one row and no update is lost:

            await Counter.upsert({"count": F("count") + 1}, create={"count": 1}, name="visits")

        Raises `ValueError` if `key` is not the primary key, a unique field or a unique set of fields, or has None in
        it; Tortoise's `IntegrityError` for what else the table forbids; as any write, the database's error if it ends a
        deadlock so, which happens where others delete the row again and again. Signals of Tortoise are not sent.
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
                # Tortoise's encoder of JSON knows no structs.
                is_json = isinstance(meta.fields_map[name], fields.JSONField)
                values[name] = msgspec.to_builtins(value) if is_json else value
        return values
