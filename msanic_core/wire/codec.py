"""What every encoding of the envelope can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from msanic_core.wire.envelope import Push, Request, TypedDecoder


class Codec(ABC):
    """One encoding of the envelope in one kind of frames: `name` is its short name, `opcode` that of the frames."""

    name: str
    opcode: int

    @abstractmethod
    def decode(self, payload: str | bytes) -> Request:
        """Read a client's message. Raises `EnvelopeError`, and nothing else whatever the payload."""

    @abstractmethod
    def data_decoder(self, type_: Any) -> Callable[[Any], Any]:
        """Build a function that makes a value of this type of a `Request.data`; the function raises `DataError`.

        To be called once per command, at start. Raises `TypeError` for a type that cannot be decoded to.
        """

    @abstractmethod
    def typed_decoder(self, types: Mapping[str, Any]) -> TypedDecoder:
        """Build the quick way to read requests; `types`: by the command's name, the type of its `data`, Raw for none.

        Commands may be missing in it: those whose `data` this encoding has to look at more closely.
        """

    @abstractmethod
    def plain(self, raw: Any) -> Any:
        """Turn a `Request.data` or `Request.req` into plain Python objects. JSON that Python cannot hold: its text."""

    @abstractmethod
    def reply(self, cmd: str | int, data: Any, code: int, req: Any, hint: str) -> bytes:
        """Encode a reply as a complete WebSocket frame; `req` as decoded, or None. Raises `WireEncodeError`."""

    @abstractmethod
    def push(self, push: Push) -> bytes:
        """Encode a push as a complete WebSocket frame. Raises `WireEncodeError`."""
