"""Types for what commands and routes are sent: a value of such a type has been checked.

A number's range needs none: `Annotated[int, msgspec.Meta(ge=1, le=6)]`. A text with a pattern of one's own is
`Annotated[str, Meta(pattern=..., extra={"form": "a plate such as B-AB 12"})]`; `form` is what the error says.
"""

from typing import TYPE_CHECKING, Any

from msanic_core.constraints.numbers import NonNegativeInt, PositiveInt, RowId
from msanic_core.constraints.pages import Order, Paging, TimePaging
from msanic_core.constraints.texts import Colour, Identifier, Name, Password, Text
from msanic_core.constraints.times import AwareDatetime, TimeRange

if TYPE_CHECKING:
    from msanic_core.constraints.phone import Phone

__all__ = [
    "AwareDatetime",
    "Colour",
    "Identifier",
    "Name",
    "NonNegativeInt",
    "Order",
    "Paging",
    "Password",
    "Phone",
    "PositiveInt",
    "RowId",
    "Text",
    "TimePaging",
    "TimeRange",
]


def __getattr__(name: str) -> Any:
    """Import `Phone` on first use: its library is an extra."""
    if name != "Phone":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from msanic_core.constraints.phone import Phone

    return Phone
