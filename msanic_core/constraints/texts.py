"""Names, colours, passwords and other texts."""

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from msanic_core.constraints.checked import CheckedText
from msanic_core.identity import MAX_NAME_BYTES, check_name

# `$(?!\n)` is the end of the text both in Python and in the ECMAScript of JSON Schema; `\Z` only in Python.
Identifier = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$(?!\n)",
        max_length=64,
        extra={"form": "letters, digits and _, a letter first"},
    ),
]
"""A technical name: at most 64 ASCII letters, digits and `_`; the first is a letter."""

Colour = Annotated[
    str,
    Meta(
        pattern=r"^#([0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$(?!\n)",
        extra={"form": "a colour such as #1e90ff"},
    ),
]
"""A colour in the hexadecimal notation of CSS (CSS Color 4, section 5.2): #rgb, #rgba, #rrggbb or #rrggbbaa."""

Text = Annotated[
    str,
    Meta(pattern=r"^[^\x00]*$(?!\n)", extra={"form": "a text without NUL characters"}),
]
"""Text without NUL, which PostgreSQL cannot store. With a limit: `Annotated[Text, Meta(max_length=80)]`."""

_KINDS = "digits, upper case letters, lower case letters, other characters"


class _Password(CheckedText):
    """A password of some strength. Errors never contain it. A subclass may change the limits.

    `shortest`, `longest`: number of characters. `kinds`: how many of the four kinds it must mix: digits, upper case
    letters, lower case letters, other characters. Control characters are refused.
    """

    shortest: ClassVar[int] = 8
    longest: ClassVar[int] = 128
    kinds: ClassVar[int] = 2

    @classmethod
    def check(cls, value: str) -> str:
        """See `CheckedText.check`."""
        if not cls.shortest <= len(value) <= cls.longest:
            raise ValueError(f"must have {cls.shortest} to {cls.longest} characters")
        if any(unicodedata.category(each) in ("Cc", "Cs") for each in value):
            raise ValueError("must not hold control characters")
        if len({_kind_of(each) for each in value}) < cls.kinds:
            raise ValueError(f"must mix at least {cls.kinds} of: {_KINDS}")
        return value

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """See `CheckedText.json_schema`."""
        return {"type": "string", "format": "password", "minLength": cls.shortest, "maxLength": cls.longest}


class _Name(CheckedText):
    """A name of a user or a group: 1 to 255 bytes of UTF-8, without control characters and line breaks."""

    @classmethod
    def check(cls, value: str) -> str:
        """See `CheckedText.check`."""
        return check_name("the name", value)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """See `CheckedText.json_schema`."""
        return {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES}


def _kind_of(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isupper():
        return "upper"
    return "lower" if character.islower() else "other"


if TYPE_CHECKING:
    Name = str
    Password = str
else:
    Name = _Name
    Password = _Password
