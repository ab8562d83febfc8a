"""The base of texts that no pattern can check."""

from typing import Any


class _CheckedType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """A checked text stays a plain str, which every encoder and database takes; msgspec asks this of it."""
        return isinstance(instance, str)


class CheckedText(metaclass=_CheckedType):
    """A str that `check` has let through. Type checkers are told that a subclass is `str`."""

    @classmethod
    def from_wire(cls, value: Any) -> str:
        """See `msanic_core.wire.types`."""
        if not isinstance(value, str):
            found = "null" if value is None else type(value).__name__
            raise TypeError(f"expected str, got {found}")
        return cls.check(value)

    @classmethod
    def check(cls, value: str) -> str:
        """Return the value, or its normal form. Raises `ValueError` with the end of a sentence."""
        raise NotImplementedError

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the type, for OpenAPI."""
        return {"type": "string"}
