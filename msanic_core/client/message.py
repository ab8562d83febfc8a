"""Messages as a client sees them: requests to encode, replies and pushes to decode."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from msanic_core.wire import SUBPROTOCOL_NAMES
from msanic_core.wire.msgpack_codec import to_builtins


class Message(msgspec.Struct):
    """What comes from the server. With `req` it is a reply, and one that waited in the inbox if it has an `id` too."""

    cmd: str | int
    data: msgspec.Raw
    code: int = 0
    hint: str = ""
    req: Any = msgspec.UNSET
    id: int | None = None
    lost: int = 0

    @property
    def is_reply(self) -> bool:
        """Whether it answers something, be it something that had no `req`."""
        return self.req is not msgspec.UNSET


class Form:
    """One encoding of the wire. `subprotocol`: its name there; `is_text`: whether it goes into text frames."""

    def __init__(
        self, subprotocol: str, is_text: bool, encode: Callable[[Any], bytes], decode: Callable[..., Any]
    ) -> None:
        self.subprotocol = subprotocol
        self.is_text = is_text
        self._encode = encode
        self._decode = decode

    def request(self, cmd: str | int, data: Any, req: str | None = None) -> bytes:
        """Encode a request. Raises `TypeError` and `ValueError` for data that has no form on the wire."""
        return self._encode({"cmd": cmd, "data": data, "req": req})

    def message(self, payload: bytes) -> Message:
        """Decode what the server sent. Raises `ValueError`."""
        message: Message = self._decode(payload, type=Message)
        return message

    def data(self, raw: msgspec.Raw, type_: Any = Any) -> Any:
        """Decode the `data` of a message. Raises `ValueError` when it does not fit the type."""
        return self._decode(raw, type=type_)


def form(name: Literal["json", "msgpack"]) -> Form:
    """Give the form of a name. Raises `ValueError` for others."""
    json, msgpack = SUBPROTOCOL_NAMES
    if name == "json":
        return Form(json, True, msgspec.json.encode, msgspec.json.decode)
    if name == "msgpack":
        return Form(msgpack, False, _pack, msgspec.msgpack.decode)
    raise ValueError(f"subprotocol must be 'json' or 'msgpack', not {name!r}")


def _pack(value: Any) -> bytes:
    # Dates would become an extension type, which the server refuses.
    return msgspec.msgpack.encode(to_builtins(value))
