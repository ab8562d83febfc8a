"""Fields that Tortoise has not, or not as three databases need them."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from tortoise.fields import DatetimeField
from tortoise.models import Model

TimeT = TypeVar("TimeT", datetime, datetime | None)


class UtcDatetimeField(DatetimeField[TimeT]):
    """A point in time, stored in UTC by every database; its arguments are those of Tortoise's `DatetimeField`.

    In: a `datetime` of any time zone, in rows and in filters alike. Out: one of the zone Tortoise is set to, which is
    UTC by default.

    With Tortoise's own field, SQLite and MySQL compare what the clocks show: noon in Shanghai is not found as 4:00 UTC.
    """

    def to_db_value(self, value: Any, instance: type[Model] | Model) -> Any:
        """See Tortoise. Parts of a time, as `at__year=2026` asks for them, stay what they are."""
        value = super().to_db_value(value, instance)
        return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
