"""The base of text types that a pattern cannot check."""

from typing import Any


class _CheckedType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """Accept any str: a checked text is a plain str, for encoders and databases. msgspec calls this."""
        return isinstance(instance, str)


class CheckedText(metaclass=_CheckedType):
    """A str that `check` has accepted. Declare a subclass as `str` for type checkers, as `Password` is declared."""

    @classmethod
    def from_wire(cls, value: Any) -> str:
        """Check a decoded value. Raises `TypeError` if it is not a str, and what `check` raises."""
        if not isinstance(value, str):
            found = "null" if value is None else type(value).__name__
            raise TypeError(f"expected str, got {found}")
        return cls.check(value)

    @classmethod
    def check(cls, value: str) -> str:
        """Return the value or its normal form. Raises `ValueError` with the end of a sentence about the field."""
        raise NotImplementedError

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the type, for OpenAPI."""
        return {"type": "string"}
