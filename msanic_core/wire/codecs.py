"""The encodings a server speaks, and how that of a connection's pushes is chosen: by its subprotocol."""

from msanic_core.wire.codec import Codec
from msanic_core.wire.json_codec import JsonCodec
from msanic_core.wire.msgpack_codec import MsgpackCodec

_JSON = "msanic.v1.json"
_MSGPACK = "msanic.v1.msgpack"

SUBPROTOCOL_NAMES: tuple[str, ...] = (_JSON, _MSGPACK)
"""What `Sec-WebSocket-Protocol` may offer (RFC 6455 section 1.9)."""


class Codecs:
    """One codec of each encoding; the limits are those of `MsgpackCodec`."""

    def __init__(self, *, max_containers: int = 10_000, max_depth: int = 64) -> None:
        self.json = JsonCodec()
        self.msgpack = MsgpackCodec(max_containers=max_containers, max_depth=max_depth)

    def by_subprotocol(self, name: str | None) -> Codec:
        """Give the codec for a connection's pushes; None, no subprotocol, is JSON. Raises `KeyError` for others."""
        if name is None or name == _JSON:
            return self.json
        if name == _MSGPACK:
            return self.msgpack
        raise KeyError(name)
