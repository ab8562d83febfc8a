"""The two ranges of numbers that are asked for most."""

from typing import Annotated

from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
"""1 and up."""

NonNegativeInt = Annotated[int, Meta(ge=0)]
"""0 and up."""
