"""Messages on the client's side: it encodes requests, and decodes replies and pushes."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from msanic_core.wire import SUBPROTOCOL_NAMES
from msanic_core.wire.msgpack_codec import to_builtins


class Message(msgspec.Struct):
    """A message of the server. With `req` it is a reply. With `req` and `id` it is a reply that waited in the inbox."""

    cmd: str | int
    data: msgspec.Raw
    code: int = 0
    hint: str = ""
    req: Any = msgspec.UNSET
    id: int | None = None
    lost: int = 0

    @property
    def is_reply(self) -> bool:
        """Whether it answers a request, even one without a `req`."""
        return self.req is not msgspec.UNSET


class Form:
    """One encoding of messages. `subprotocol`: its name on the wire. `is_text`: whether it goes into text frames."""

    def __init__(
        self, subprotocol: str, is_text: bool, encode: Callable[[Any], bytes], decode: Callable[..., Any]
    ) -> None:
        self.subprotocol = subprotocol
        self.is_text = is_text
        self._encode = encode
        self._decode = decode

    def request(self, cmd: str | int, data: Any, req: str | None = None) -> bytes:
        """Encode a request. Raises `TypeError` and `ValueError` for data that cannot be encoded."""
        return self._encode({"cmd": cmd, "data": data, "req": req})

    def message(self, payload: bytes) -> Message:
        """Decode a message of the server. Raises `ValueError`."""
        message: Message = self._decode(payload, type=Message)
        return message

    def data(self, raw: msgspec.Raw, type_: Any = Any) -> Any:
        """Decode the `data` of a message. Raises `ValueError` when it does not fit the type."""
        return self._decode(raw, type=type_)


def form(name: Literal["json", "msgpack"]) -> Form:
    """Give the form with this name. Raises `ValueError` for an unknown name."""
    json, msgpack = SUBPROTOCOL_NAMES
    if name == "json":
        return Form(json, True, msgspec.json.encode, msgspec.json.decode)
    if name == "msgpack":
        return Form(msgpack, False, _pack, msgspec.msgpack.decode)
    raise ValueError(f"subprotocol must be 'json' or 'msgpack', not {name!r}")


def _pack(value: Any) -> bytes:
    # msgspec encodes dates as an extension type, which the server refuses.
    return msgspec.msgpack.encode(to_builtins(value))
