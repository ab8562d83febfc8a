"""Which part of a split table a value belongs to, and which values a part holds. Does not ask the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal

from msanic_core.errors import SplitError

Period = Literal["year", "month", "week", "day"]
PERIODS: tuple[Period, ...] = ("year", "month", "week", "day")

JOINT = "__"
"""Between the names of a table and its part. No part's name contains it: after a second one comes a mark of ours."""
DETACHED = f"{JOINT}detached"
MAKING = f"{JOINT}making"
_LONGEST_TABLE = 63
"""PostgreSQL's limit in bytes; MariaDB allows one more."""

_IDS_OF_A_PART = 2**32
_MOST_NAMES = 4_000
_DAY = timedelta(days=1)
_KEY = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*", re.ASCII)
_NAMES: dict[Period, re.Pattern[str]] = {
    "year": re.compile(r"(\d{4})", re.ASCII),
    "month": re.compile(r"(\d{4})_(\d\d)", re.ASCII),
    "week": re.compile(r"(\d{4})_w(\d\d)", re.ASCII),
    "day": re.compile(r"(\d{4})_(\d\d)_(\d\d)", re.ASCII),
}


def table_of(template: str, part: str) -> str:
    """Name the table of a part."""
    return f"{template}{JOINT}{part}"


def check_template(template: str, longest_part: int) -> None:
    """Raise `SplitError` if tables named after this one would be ambiguous or too long."""
    if JOINT in template:
        raise SplitError(f"table {template}: two underscores part a table from its parts; give it another name")
    room = _LONGEST_TABLE - len(template.encode()) - len(JOINT) - len(DETACHED)
    if longest_part > room:
        raise SplitError(
            f"table {template}: its parts' names would be longer than the {_LONGEST_TABLE} bytes that a database "
            f"allows; give it a name that is {longest_part - room} bytes shorter"
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """Parts by text: the part `eu` has the rows whose field is "eu"."""

    def part_of(self, value: object) -> str:
        """Name the part of a value. Raises `SplitError` for a text that cannot be part of a table's name."""
        if not isinstance(value, str) or not _KEY.fullmatch(value):
            raise SplitError(
                f"{value!r} is no key of a part: use lower-case letters a-z and digits, in words joined by single _"
            )
        return value

    def is_part(self, name: str) -> bool:
        """Say whether a part can have this name."""
        return _KEY.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Parts by year, month, ISO week or day, of UTC: `2026`, `2026_11`, `2026_w48`, `2026_11_30`.

    Names sort as their times do. A `datetime` without a zone is taken to be UTC.
    """

    by: Period

    def part_of(self, value: object) -> str:
        """Name the part of a date or a datetime. Raises `SplitError` for anything else."""
        if not isinstance(value, date):
            raise SplitError(f"{value!r} is no date or datetime: it says not into which {self.by} its row belongs")
        return self._name(_day(value))

    def is_part(self, name: str) -> bool:
        """Say whether a part can have this name: a day that is in the calendar."""
        try:
            self.first_day(name)
        except ValueError:
            return False
        return True

    def first_day(self, name: str) -> date:
        """Give the day a part begins with. Raises `ValueError` if the name is no part's."""
        if not (found := _NAMES[self.by].fullmatch(name)):
            raise ValueError(name)
        numbers = [int(number) for number in found.groups()]
        if self.by == "week":
            return date.fromisocalendar(numbers[0], numbers[1], 1)
        return date(*[*numbers, 1, 1][:3])

    def end_day(self, name: str) -> date | None:
        """Give the day after a part's last one, or None at the end of the calendar."""
        return self._next(self.first_day(name))

    def bounds(self, name: str) -> tuple[datetime, datetime | None]:
        """Give the moment a part begins at, and the first moment after it."""
        return _bounds(self, name)

    def names_between(self, start: date | None, end: date | None) -> list[str] | None:
        """Name the parts of the values from `start` on and before `end`; None if a side is open, or for too many."""
        if start is None or end is None:
            return None
        names: list[str] = []
        following: datetime | None = moment(start)
        last = moment(end)
        while following is not None and following < last:
            if len(names) == _MOST_NAMES:
                return None
            names.append(self._name(following.date()))
            following = self.bounds(names[-1])[1]
        return names

    def meets(self, name: str, start: date | None, end: date | None) -> bool:
        """Say whether a part can hold a value from `start` on and before `end`; None leaves that side open."""
        if start is not None and end is not None and moment(start) >= moment(end):
            return False
        first, behind = self.bounds(name)
        return (end is None or first < moment(end)) and (start is None or behind is None or behind > moment(start))

    def lies_within(self, name: str, start: date | None, end: date | None) -> bool:
        """Say whether all values of a part are from `start` on and before `end`, so that none needs to be compared."""
        first, behind = self.bounds(name)
        return (start is None or moment(start) <= first) and (
            end is None or (behind is not None and behind <= moment(end))
        )

    def first_id(self, name: str) -> int:
        """Give the number from which a part counts its ids, so that no two parts have the same.

        Up to the year 5741 they are below 2**53, which JSON numbers hold exactly.
        """
        day = self.first_day(name)
        number = {
            "year": day.year,
            "month": day.year * 12 + day.month,
            "week": day.toordinal() // 7,
            "day": day.toordinal(),
        }[self.by]
        return number * _IDS_OF_A_PART + 1

    def _name(self, day: date) -> str:
        if self.by == "week":
            year, week, _ = day.isocalendar()
            return f"{year:04}_w{week:02}"
        length = {"year": 4, "month": 7, "day": 10}[self.by]
        return day.isoformat()[:length].replace("-", "_")

    def _next(self, first: date) -> date | None:
        try:
            if self.by == "year":
                return first.replace(year=first.year + 1)
            if self.by == "month":
                return (first + 31 * _DAY).replace(day=1)
            return first + (7 if self.by == "week" else 1) * _DAY
        except (ValueError, OverflowError):
            return None


Splitting = Keys | Calendar


@lru_cache(maxsize=_MOST_NAMES)
def _bounds(calendar: Calendar, name: str) -> tuple[datetime, datetime | None]:
    end = calendar.end_day(name)
    return _midnight(calendar.first_day(name)), None if end is None else _midnight(end)


def moment(value: date) -> datetime:
    """Give a date's first moment, or a datetime, in UTC."""
    if not isinstance(value, datetime):
        return _midnight(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _day(value: date) -> date:
    return moment(value).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
