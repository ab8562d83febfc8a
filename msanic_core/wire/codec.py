"""The interface of every encoding of the envelope."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from msanic_core.wire.envelope import Push, Request, TypedDecoder


class Codec(ABC):
    """One encoding of the envelope in one kind of frame. `name`: its short name. `opcode`: the opcode of its frames."""

    name: str
    opcode: int

    @abstractmethod
    def decode(self, payload: str | bytes) -> Request:
        """Read a client's message. Raises `EnvelopeError`, and no other exception for any payload."""

    @abstractmethod
    def data_decoder(self, type_: Any) -> Callable[[Any], Any]:
        """Build the function that converts a `Request.data` to this type. That function raises `DataError`.

        Called once per command, at start. Raises `TypeError` for a type that the codec cannot decode.
        """

    @abstractmethod
    def typed_decoder(self, types: Mapping[str, Any]) -> TypedDecoder:
        """Build the fast decoder of requests. `types`: for each command name the type of its `data`, Raw for no data.

        The decoder may leave out commands whose `data` this encoding must check more closely.
        """

    @abstractmethod
    def plain(self, raw: Any) -> Any:
        """Convert a `Request.data` or `.req` to plain Python objects. JSON that Python cannot hold becomes its text."""

    @abstractmethod
    def reply(self, cmd: str | int, data: Any, code: int, req: Any, hint: str) -> bytes:
        """Encode a reply as a complete WebSocket frame; `req` as decoded, or None. Raises `WireEncodeError`."""

    @abstractmethod
    def push(self, push: Push) -> bytes:
        """Encode a push as a complete WebSocket frame. Raises `WireEncodeError`."""
