"""The ranges of numbers that are asked for most."""

from typing import Annotated

from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
"""1 and up."""

NonNegativeInt = Annotated[int, Meta(ge=0)]
"""0 and up."""

RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""What a database counts rows with. A number beyond that is no row's, and drivers raise errors of their own for it."""
