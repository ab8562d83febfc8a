"""The encodings that a server speaks. The subprotocol, or a setting, decides the encoding of a connection's pushes."""

from typing import Literal

from msanic_core.wire.codec import Codec
from msanic_core.wire.json_codec import BinaryJsonCodec, JsonCodec
from msanic_core.wire.msgpack_codec import MsgpackCodec

_JSON = "msanic.v1.json"
_MSGPACK = "msanic.v1.msgpack"

SUBPROTOCOL_NAMES: tuple[str, ...] = (_JSON, _MSGPACK)
"""The subprotocols that a client may offer in `Sec-WebSocket-Protocol` (RFC 6455 section 1.9)."""


class Codecs:
    """One codec of each kind. The limits are those of `MsgpackCodec`.

    `json_frames`: the frames in which a client without a subprotocol receives pushes.
    """

    def __init__(
        self,
        *,
        max_containers: int = 10_000,
        max_depth: int = 64,
        json_frames: Literal["text", "binary"] = "text",
    ) -> None:
        self.json = JsonCodec()
        self.binary_json = BinaryJsonCodec()
        self.msgpack = MsgpackCodec(max_containers=max_containers, max_depth=max_depth)
        self.all: tuple[Codec, ...] = (self.json, self.binary_json, self.msgpack)
        self._unnegotiated = self.binary_json if json_frames == "binary" else self.json

    def by_subprotocol(self, name: str | None) -> Codec:
        """Give the codec for a connection's pushes: JSON if `name` is None. Raises `KeyError` for an unknown name."""
        if name is None:
            return self._unnegotiated
        if name == _JSON:
            return self.json
        if name == _MSGPACK:
            return self.msgpack
        raise KeyError(name)
