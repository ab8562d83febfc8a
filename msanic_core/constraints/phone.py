"""Phone numbers, checked by the library phonenumbers."""

from typing import TYPE_CHECKING, Any, ClassVar

from msanic_core.constraints.checked import CheckedText

try:
    import phonenumbers
except ImportError as error:
    raise ImportError("Phone needs the library phonenumbers: pip install 'msanic-core[phone]'") from error


class _Phone(CheckedText):
    """A valid phone number, as a str in E.164 form: +4930901820.

    The input begins with + and the country code, and may contain spaces and punctuation. A subclass may set `region` to
    a country (ISO 3166, "DE"), whose numbers are then accepted without the code.
    """

    region: ClassVar[str | None] = None

    @classmethod
    def check(cls, value: str) -> str:
        """See `CheckedText.check`."""
        try:
            number = phonenumbers.parse(value, cls.region)
        except phonenumbers.NumberParseException:
            raise ValueError("expected a phone number such as +4930901820") from None
        if not phonenumbers.is_valid_number(number):
            raise ValueError("no such phone number can exist")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """See `CheckedText.json_schema`."""
        return {"type": "string", "format": "phone", "examples": ["+4930901820"]}


if TYPE_CHECKING:
    Phone = str
else:
    Phone = _Phone
