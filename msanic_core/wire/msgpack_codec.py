"""The envelope in msgpack, in binary frames."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import msgpack
import msgspec

from msanic_core.wire.codec import Codec
from msanic_core.wire.envelope import (
    DECODE_ERRORS,
    DataError,
    EnvelopeError,
    Push,
    Reply,
    Request,
    TypedDecoder,
    decode_hint,
    encode_error,
    push_fields,
    typed_requests,
)
from msanic_core.wire.frame import BINARY, SHORT_HEADERS, server_frame
from msanic_core.wire.types import custom_types, decode_custom, forms
from msanic_core.wire.unpacker import CONTAINER_HEADERS, MAX_PROMISED, Unpacker, UnpackError, refuse_extension

_EXTENSION_HEADERS: Final = bytes([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])
"""The bytes that can start an extension. They also occur within numbers and strings."""

_BINARY_TYPES: Final = (bytes, bytearray, memoryview)
_SCALARS: Final = (
    msgspec.inspect.BoolType,
    msgspec.inspect.BytesType,
    msgspec.inspect.EnumType,
    msgspec.inspect.FloatType,
    msgspec.inspect.IntType,
    msgspec.inspect.LiteralType,
    msgspec.inspect.NoneType,
    msgspec.inspect.StrType,
)
_unpack: Final = msgpack.unpackb

_SHORT_HEADERS: Final = SHORT_HEADERS[BINARY]
_SHORT: Final = len(_SHORT_HEADERS) - 1


class MsgpackCodec(Codec):
    """See `Codec`.

    `max_containers`: maps and arrays in one message. `max_depth`: how deeply they may be nested, the envelope included.
    Keys of maps may be strings, integers and bytes. Extension types are refused, timestamps included.
    """

    name: str = "msgpack"
    opcode: int = BINARY

    def __init__(self, *, max_containers: int = 10_000, max_depth: int = 64) -> None:
        self._unpacker = Unpacker(max_containers, max_depth)
        self._few = min(max_containers, max_depth)
        self._encode = msgspec.msgpack.Encoder().encode
        self._pack = msgpack.Packer(default=to_builtins, use_bin_type=True).pack

    def decode(self, payload: str | bytes) -> Request:
        """See `Codec.decode`."""
        if isinstance(payload, str):
            raise EnvelopeError("message: msgpack belongs in a binary frame")
        # The same as in `Unpacker.unpack`, which saves one call in the usual case.
        containers = len(payload) - len(payload.translate(None, CONTAINER_HEADERS))
        try:
            if containers > self._few or containers * len(payload) > MAX_PROMISED:
                message = self._unpacker.unpack(payload)
            else:
                try:
                    message = _unpack(payload, max_ext_len=0, ext_hook=refuse_extension)
                except ValueError:
                    message = self._unpacker.unpack_carefully(payload)
        except UnpackError as error:
            raise EnvelopeError(f"message: {error}") from None
        if message.__class__ is dict:
            cmd = message.get("cmd")
            if cmd.__class__ is str or cmd.__class__ is int:
                return Request(cmd, message.get("data"), message.get("req"))
        _refuse(message)

    def unpack(self, payload: bytes) -> Any:
        """Decode any msgpack to plain Python objects, within the limits. Raises `UnpackError`."""
        return self._unpacker.unpack(payload)

    def data_decoder(self, type_: Any) -> Callable[[Any], Any]:
        """See `Codec.data_decoder`.

        A client may send integer keys as strings, as in JSON, if its maps have only string keys.
        """
        if type_ is Any:
            return _same
        msgspec.json.Decoder(type_)  # raises TypeError now; `convert` would only raise it at the first message
        # Use the hook only where needed: per message it costs as much as a small struct.
        convert: Callable[..., Any] = _convert_custom if custom_types(type_) else msgspec.convert
        words = forms(type_)
        # `convert` analyses a type at each call, unless the type is a Struct or a field of one.
        boxed: Any = msgspec.defstruct("Data", [("value", type_)], array_like=True)

        def decode_struct(raw: Any) -> Any:
            try:
                return convert(raw, type_)
            except DECODE_ERRORS:
                return decode_again(raw)

        def decode_other(raw: Any) -> Any:
            try:
                return convert((raw,), boxed).value
            except DECODE_ERRORS:
                return decode_again(raw)

        def decode_again(raw: Any) -> Any:
            try:
                return convert(raw, type_, str_keys=True)
            except DECODE_ERRORS as error:
                raise DataError(decode_hint(error, "data", words)) from None

        return decode_struct if isinstance(type_, type) and issubclass(type_, msgspec.Struct) else decode_other

    def typed_decoder(self, types: Mapping[str, Any]) -> TypedDecoder:
        """See `Codec.typed_decoder`. Only for commands with flat `data`: few bytes cannot become many objects there."""
        flat = {cmd: type_ for cmd, type_ in types.items() if _is_flat(type_)}
        requests = typed_requests(flat, ("req", str | int | None, None))
        return TypedDecoder(msgspec.msgpack.Decoder(requests).decode, frozenset(flat))

    def plain(self, raw: Any) -> Any:
        """See `Codec.plain`."""
        return raw

    def reply(self, cmd: str | int, data: Any, code: int, req: Any, hint: str) -> bytes:
        """See `Codec.reply`."""
        payload = self._packed(Reply(cmd, data, code, req, hint), cmd)
        length = len(payload)
        return _SHORT_HEADERS[length] + payload if length <= _SHORT else server_frame(BINARY, payload)

    def push(self, push: Push) -> bytes:
        """See `Codec.push`."""
        return server_frame(BINARY, self._packed(push_fields(push), push.cmd))

    def _packed(self, message: Any, cmd: str | int) -> bytes:
        """Pack a message.

        msgspec takes a third of the packer's time, but encodes dates as extensions, which few clients can read. If no
        byte of the result could begin an extension, there is none. Otherwise the packer encodes the message again.
        """
        payload: bytes | None
        try:
            payload = self._encode(message)
        except Exception:
            payload = None  # the packer may succeed; if it fails too, its error says why
        if payload is not None and len(payload.translate(None, _EXTENSION_HEADERS)) == len(payload):
            return payload
        try:
            packed: bytes = self._pack(message)
        except Exception as error:
            raise encode_error(error, cmd, "msgpack") from error
        return packed


def _refuse(message: Any) -> NoReturn:
    """Raise the `EnvelopeError` for a message that is not a map, or has no valid `cmd`."""
    req = message.get("req") if isinstance(message, dict) else None
    try:
        msgspec.convert(message, Request)
    except DECODE_ERRORS as error:
        raise EnvelopeError(decode_hint(error, "message"), req) from None
    raise EnvelopeError("message: not a request", req)


def _is_flat(type_: Any) -> bool:
    """Whether the type consists of a fixed number of structs and scalars, without lists, dicts and `Any`.

    A struct that occurs twice may contain itself; then the client decides how deep and how large the value is.
    """
    pending: list[Any] = [msgspec.inspect.type_info(type_)]
    structs: set[type] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, msgspec.inspect.StructType) and node.cls not in structs:
            structs.add(node.cls)
            pending += [field.type for field in node.fields]
        elif isinstance(node, msgspec.inspect.UnionType):
            pending += node.types
        elif not isinstance(node, _SCALARS):
            return False
    return True


def _convert_custom(raw: Any, type_: Any, str_keys: bool = False) -> Any:
    return msgspec.convert(raw, type_, str_keys=str_keys, dec_hook=decode_custom)


def _same(raw: Any) -> Any:
    return raw


def pack(value: Any) -> bytes:
    """Pack any value, not an envelope, as the codec does: dates become strings. Raises `TypeError`, `ValueError`."""
    packed: bytes = msgpack.packb(value, default=to_builtins, use_bin_type=True)
    return packed


def to_builtins(value: Any) -> Any:
    """Convert a value to types that msgpack can encode; bytes stay bytes. Raises `TypeError`."""
    return msgspec.to_builtins(value, builtin_types=_BINARY_TYPES)
