"""Types of fields that commands and routes receive: the core has checked a value of such a type.

For another range use `Annotated[int, msgspec.Meta(ge=1, le=6)]`, for another pattern
`Annotated[str, Meta(pattern=..., extra={"form": "a plate such as B-AB 12"})]`; errors then say "expected a plate ...".
A check that no pattern can make is a subclass of `CheckedText`. Read `checked`, then the others in any order. Import
the names in `__all__` from here; the files are private.
"""

from typing import TYPE_CHECKING, Any

from msanic_core.constraints.checked import CheckedText
from msanic_core.constraints.numbers import NonNegativeInt, PositiveInt, RowId
from msanic_core.constraints.paging import Order, Paging, TimePaging
from msanic_core.constraints.texts import Colour, Identifier, Name, Password, Text
from msanic_core.constraints.times import AwareDatetime, TimeRange

if TYPE_CHECKING:
    from msanic_core.constraints.phone import Phone

__all__ = [
    "AwareDatetime",
    "CheckedText",
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
