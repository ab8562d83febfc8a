"""Fields that store the same on all databases. The migrations of plugins import this module by name."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, overload

from tortoise.fields import CharField, DatetimeField
from tortoise.models import Model

from msanic_core.identity import MAX_NAME_BYTES

TimeT = TypeVar("TimeT", datetime, datetime | None)


class UtcDatetimeField(DatetimeField[TimeT]):
    """A point in time, stored in UTC by every database; its arguments are those of Tortoise's `DatetimeField`.

    It takes a `datetime` of any time zone, in rows and in filters. It gives one of the zone that Tortoise is set to, by
    default UTC.

    With Tortoise's own field, SQLite and MySQL compare local times: noon in Shanghai is not found as 4:00 UTC.
    """

    # Copied from Tortoise: type checkers do not apply the overloads of a base class to a subclass.
    @overload
    def __init__(
        self: "UtcDatetimeField[datetime]",
        auto_now: bool = False,
        auto_now_add: bool = False,
        *,
        null: Literal[False] = False,
        **kwargs: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: "UtcDatetimeField[datetime | None]",
        auto_now: bool = False,
        auto_now_add: bool = False,
        *,
        null: Literal[True],
        **kwargs: Any,
    ) -> None: ...

    def __init__(self, auto_now: bool = False, auto_now_add: bool = False, **kwargs: Any) -> None:
        super().__init__(auto_now, auto_now_add, **kwargs)  # type: ignore[misc]  # the overloads' self

    def to_db_value(self, value: Any, instance: type[Model] | Model) -> Any:
        """See Tortoise. Parts of a time, as in the filter `at__year=2026`, are not converted."""
        value = super().to_db_value(value, instance)
        return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


class NameField(CharField[str]):
    """A name of a user or a group. Two names are equal if their bytes are, as everywhere in the core.

    In Tortoise's `CharField`, MySQL and MariaDB treat "ada", "Ada", "adá" and "ada " as equal, in filters and in unique
    keys: one user would see the rows of another. They still do so in filters such as `user__startswith`.
    """

    class _db_mysql:  # noqa: N801 - Tortoise looks for this name
        SQL_TYPE = "VARBINARY(255)"

    def __init__(self, max_length: int = MAX_NAME_BYTES, **kwargs: Any) -> None:
        super().__init__(max_length, **kwargs)

    def to_python_value(self, value: Any) -> Any:
        """See Tortoise."""
        return super().to_python_value(value.decode() if isinstance(value, bytes) else value)
