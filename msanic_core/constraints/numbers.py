"""The most common ranges of numbers."""

from typing import Annotated

from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
"""1 and up."""

NonNegativeInt = Annotated[int, Meta(ge=0)]
"""0 and up."""

RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""The id of a database row. For a larger number database drivers raise errors of their own."""
