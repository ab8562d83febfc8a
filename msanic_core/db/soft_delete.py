"""The base of models whose rows are marked as deleted instead of being removed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from tortoise import timezone
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import DoesNotExist, OperationalError
from tortoise.queryset import QuerySet

from msanic_core.db.fields import UtcDatetimeField
from msanic_core.db.model import Model
from msanic_core.db.querysets import SoftDeleteManager, SoftDeleteQuerySet


class SoftDeleteModel(Model):
    """A `Model` whose rows stay in the table when they are deleted. `deleted_at`: when that was, None: not deleted.

    Queries that start at the class (`Note.filter`, `get`, `all`, `exists`, `get_or_create`, and their `update` and
    `delete`) skip deleted rows. So do relations that lead to the model: `await user.notes`, `await comment.note`,
    `prefetch_related`. Joins do not: add `note__deleted_at__isnull=True` to `Comment.filter(note__title="x")` and
    `select_related("note")`.

    Deleting does not touch rows of other tables, whatever their `on_delete` says: no SQL DELETE is executed.

    The unique keys of a deleted row stay taken: `create` raises Tortoise's `IntegrityError`, `upsert` restores the row.
    """

    deleted_at = UtcDatetimeField(null=True)

    _manager_class = SoftDeleteManager

    if not TYPE_CHECKING:

        class Meta:
            """For Tortoise: a class of fields, no table."""

            abstract = True

    @classmethod
    def with_deleted(cls, using_db: BaseDBAsyncClient | None = None) -> QuerySet[Self]:
        """All rows, deleted ones included."""
        return SoftDeleteQuerySet(cls).using_db(using_db)

    @classmethod
    async def purge(cls, before: datetime, using_db: BaseDBAsyncClient | None = None) -> int:
        """Remove the rows that were deleted before a time, and do what `on_delete` of other tables says.

        Gives the number of rows. Reads the whole table unless `deleted_at` has an index.
        """
        return await QuerySet(cls).using_db(using_db).filter(deleted_at__lt=before).delete()

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
        """As `Model.upsert`; a deleted row is restored, and counts as an existing row."""
        return await super().upsert({"deleted_at": None, **values}, create=create, using_db=using_db, **key)

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """As `Model.save`. A row that others have deleted meanwhile stays deleted: only `restore` brings it back."""
        if update_fields is None and self._saved_in_db and not (self._partial or force_create):
            meta = self._meta
            unchanged = {meta.pk_attr, "deleted_at"}
            update_fields = [
                name
                for name in meta.fields_db_projection
                if name not in unchanged and not meta.fields_map[name].generated
            ]
        await super().save(using_db, update_fields, force_create, force_update)

    async def delete(self, using_db: BaseDBAsyncClient | None = None) -> None:
        """Mark the row as deleted. A deleted row keeps its `deleted_at`; for a row that was removed nothing happens.

        Raises Tortoise's `OperationalError` if the row was never saved. Tortoise's signals are not sent.
        """
        if not await self._mark(timezone.now(), using_db):
            with suppress(DoesNotExist):
                await self.refresh_from_db(["deleted_at", "updated_at"], using_db)

    async def restore(self, using_db: BaseDBAsyncClient | None = None) -> None:
        """Undo `delete`. A row that is not deleted stays as it is.

        Raises Tortoise's `DoesNotExist` if the row was removed, and `OperationalError` if it was never saved.
        """
        if not await self._mark(None, using_db):
            await self.refresh_from_db(["deleted_at", "updated_at"], using_db)

    async def hard_delete(self, using_db: BaseDBAsyncClient | None = None) -> None:
        """Remove the row from its table, as Tortoise's `delete` does, and do what `on_delete` of other tables says."""
        await super().delete(using_db)

    async def _mark(self, time: datetime | None, using_db: BaseDBAsyncClient | None) -> bool:
        """Set or clear `deleted_at`. Gives whether this changed the row."""
        if not self._saved_in_db:
            raise OperationalError(f"a {type(self).__name__} that was never saved cannot be deleted or restored")
        now = timezone.now()
        rows = type(self).with_deleted(using_db).filter(pk=self.pk, deleted_at__isnull=time is not None)
        if not await rows.update(deleted_at=time, updated_at=now):
            return False
        self.deleted_at, self.updated_at = time, now
        return True
