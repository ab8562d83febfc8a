"""Names, colours, passwords and other texts."""

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from msanic_core.constraints.checked import CheckedText
from msanic_core.identity import MAX_NAME_BYTES, check_name

# `$(?!\n)` is the end of the text in Python and in the ECMAScript of JSON Schema alike; Python's `\Z` is not.
Identifier = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$(?!\n)",
        max_length=64,
        extra={"form": "letters, digits and _, a letter first"},
    ),
]
"""A name for machines: ASCII letters, digits and `_`, at most 64, a letter first."""

Colour = Annotated[
    str,
    Meta(
        pattern=r"^#([0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$(?!\n)",
        extra={"form": "a colour such as #1e90ff"},
    ),
]
"""A colour as CSS writes it in hexadecimal digits (CSS Color 4, section 5.2): #rgb, #rgba, #rrggbb or #rrggbbaa."""

Text = Annotated[
    str,
    Meta(pattern=r"^[^\x00]*$(?!\n)", extra={"form": "a text without NUL characters"}),
]
"""Text that every database can store; PostgreSQL refuses NUL. With a length: `Annotated[Text, Meta(max_length=80)]`."""

_KINDS = "digits, upper case letters, lower case letters, other characters"


class _Password(CheckedText):
    """A password of some strength; its value is in no error. A subclass may ask for more, or for less.

    `shortest` and `longest`: characters. `kinds`: how many of digits, upper case letters, lower case letters and others
    it must mix, 1 to 4. Control characters are refused.
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
    """A name of a user or a group as the core takes it: 1 to 255 bytes of UTF-8, no control characters, no breaks."""

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
