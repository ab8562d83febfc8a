"""The querysets of `Model` and `SoftDeleteModel`, where they differ from Tortoise's."""

from collections.abc import Iterable
from typing import Any, TypeVar

from tortoise import timezone
from tortoise.manager import Manager
from tortoise.models import Model
from tortoise.queryset import BulkUpdateQuery, QuerySet, UpdateQuery

ModelT = TypeVar("ModelT", bound=Model)


class ModelQuerySet(QuerySet[ModelT]):
    """Sets `updated_at` when rows are changed without being loaded."""

    def update(self, **kwargs: Any) -> UpdateQuery:
        """As Tortoise's; `updated_at` becomes now unless it is given."""
        return super().update(**{"updated_at": timezone.now(), **kwargs})

    def bulk_update(
        self, objects: Iterable[ModelT], fields: Iterable[str], batch_size: int | None = None
    ) -> BulkUpdateQuery[ModelT]:
        """As Tortoise's; `updated_at` becomes now in the rows and in the objects."""
        return super().bulk_update(list(objects), dict.fromkeys([*fields, "updated_at"]), batch_size)


class SoftDeleteQuerySet(ModelQuerySet[ModelT]):
    """Marks rows as deleted instead of removing them."""

    def delete(self) -> UpdateQuery:  # type: ignore[override]  # awaited it is a number of rows, as Tortoise's
        """Mark the rows as deleted now. Awaited, it gives the number of newly marked rows."""
        now = timezone.now()
        return self.filter(deleted_at__isnull=True).update(deleted_at=now, updated_at=now)


class ModelManager(Manager):
    """Where the queries of a `Model` start."""

    def get_queryset(self) -> QuerySet[Any]:
        """All rows."""
        return ModelQuerySet(self._model)


class SoftDeleteManager(Manager):
    """Where the queries of a `SoftDeleteModel` start."""

    def get_queryset(self) -> QuerySet[Any]:
        """The rows that are not deleted."""
        return SoftDeleteQuerySet(self._model).filter(deleted_at__isnull=True)
