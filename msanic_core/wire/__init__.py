"""The wire protocol, without I/O: frames, messages, and the envelope in each encoding.

Read `frame`, `reader` and `assembler` (bytes to messages), then `envelope`, `codec`, `json_codec`, `msgpack_codec` and
`unpacker` (messages to requests, and back), then `codecs`, `types` and `packed`. Only `MessageReader` and `Assembler`
keep state. Import the names in `__all__` from here. Other rooms also use `envelope.decode_hint`,
`msgpack_codec.to_builtins`, `types` and `packed`.
"""

from msanic_core.wire.assembler import ProtocolViolation, parse_close
from msanic_core.wire.codec import Codec
from msanic_core.wire.codecs import SUBPROTOCOL_NAMES, Codecs
from msanic_core.wire.envelope import (
    DECODE_ERRORS,
    REJECT_COMMAND,
    DataError,
    EnvelopeError,
    Push,
    Request,
    TypedDecoder,
    WireEncodeError,
)
from msanic_core.wire.frame import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, server_frame
from msanic_core.wire.json_codec import BinaryJsonCodec, JsonCodec
from msanic_core.wire.msgpack_codec import MsgpackCodec, pack
from msanic_core.wire.reader import MessageReader, MessageReceiver
from msanic_core.wire.unpacker import UnpackError

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "DECODE_ERRORS",
    "PING",
    "PONG",
    "REJECT_COMMAND",
    "SUBPROTOCOL_NAMES",
    "TEXT",
    "BinaryJsonCodec",
    "Codec",
    "Codecs",
    "DataError",
    "EnvelopeError",
    "JsonCodec",
    "MessageReader",
    "MessageReceiver",
    "MsgpackCodec",
    "ProtocolViolation",
    "Push",
    "Request",
    "TypedDecoder",
    "UnpackError",
    "WireEncodeError",
    "pack",
    "parse_close",
    "server_frame",
]
