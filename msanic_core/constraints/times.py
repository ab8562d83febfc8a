"""Points in time that mean the same everywhere, and what lies between two of them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

AwareDatetime = Annotated[datetime, Meta(tz=True)]
"""A date and time with its zone (RFC 3339): 2026-03-29T12:00:00+02:00."""


class TimeRange(msgspec.Struct, kw_only=True):
    """From `start`, itself included, up to `end`, which is not in it; None: no bound on that side."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    def __post_init__(self) -> None:
        check_range(self.start, self.end)


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Raise `ValueError` if nothing can lie in between."""
    if start is not None and end is not None and start >= end:
        raise ValueError("start must be before end")
