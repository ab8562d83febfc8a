"""Fields that Tortoise has not, or not as three databases need them."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, overload

from tortoise.fields import CharField, DatetimeField
from tortoise.models import Model

from msanic_core.identity import MAX_NAME_BYTES

TimeT = TypeVar("TimeT", datetime, datetime | None)


class UtcDatetimeField(DatetimeField[TimeT]):
    """A point in time, stored in UTC by every database; its arguments are those of Tortoise's `DatetimeField`.

    In: a `datetime` of any time zone, in rows and in filters alike. Out: one of the zone Tortoise is set to, which is
    UTC by default.

    With Tortoise's own field, SQLite and MySQL compare what the clocks show: noon in Shanghai is not found as 4:00 UTC.
    """

    # As Tortoise's, whose overloads type checkers do not carry over to another class.
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
        """See Tortoise. Parts of a time, as `at__year=2026` asks for them, stay what they are."""
        value = super().to_db_value(value, instance)
        return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


class NameField(CharField[str]):
    """A name of a user or a group: as everywhere in the core two names are the same if their bytes are.

    With Tortoise's `CharField`, MySQL and MariaDB take "ada", "Ada", "adá" and "ada " for one, in filters and in unique
    keys: one user would be shown what is another's. They still do in filters for parts (`user__startswith`).
    """

    class _db_mysql:  # noqa: N801 - Tortoise looks for this name
        SQL_TYPE = "VARBINARY(255)"

    def __init__(self, max_length: int = MAX_NAME_BYTES, **kwargs: Any) -> None:
        super().__init__(max_length, **kwargs)

    def to_python_value(self, value: Any) -> Any:
        """See Tortoise."""
        return super().to_python_value(value.decode() if isinstance(value, bytes) else value)
