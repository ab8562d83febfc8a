"""The envelope in JSON (RFC 8259), in text frames and in binary ones."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from msanic_core.wire.codec import Codec
from msanic_core.wire.envelope import (
    DECODE_ERRORS,
    DataError,
    EnvelopeError,
    Push,
    RawRequest,
    Reply,
    Request,
    TypedDecoder,
    decode_hint,
    encode_error,
    push_fields,
    typed_requests,
)
from msanic_core.wire.frame import BINARY, SHORT_HEADERS, TEXT, server_frame
from msanic_core.wire.types import decode_custom, forms

_NULL: Final = msgspec.Raw(b"null")
_SHORT_HEADERS: Final = SHORT_HEADERS[TEXT]
_SHORT: Final = len(_SHORT_HEADERS) - 1
_BINARY_START: Final = SHORT_HEADERS[BINARY][0][:1]


class JsonCodec(Codec):
    """See `Codec`. Python's recursion limit bounds nesting. nan and infinity are written as null."""

    name: str = "json"
    opcode: int = TEXT

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(RawRequest).decode
        req_only = msgspec.defstruct("ReqOnly", [("req", msgspec.Raw, _NULL)], gc=False)
        self._decode_req: Callable[[str | bytes], Any] = msgspec.json.Decoder(req_only).decode
        self._decode_string = msgspec.json.Decoder(str).decode
        self._decode_plain = msgspec.json.Decoder().decode
        self._encode = msgspec.json.Encoder().encode

    def decode(self, payload: str | bytes) -> Request:
        """See `Codec.decode`."""
        try:
            if not isinstance(payload, str):
                # The decoder skips `data` and `req` without checking that their bytes are UTF-8.
                payload = payload.decode()
            return self._decode(payload)
        except DECODE_ERRORS as error:
            raise EnvelopeError(decode_hint(error, "message"), self._req_of(payload, error)) from None

    def data_decoder(self, type_: Any) -> Callable[[Any], Any]:
        """See `Codec.data_decoder`.

        Clients of msanic 1.0.22 may send `data` as a string that contains JSON. If a string does not fit the type, its
        content is decoded as JSON.
        """
        typed = msgspec.json.Decoder(type_, dec_hook=decode_custom).decode
        words = forms(type_)

        def decode_data(raw: msgspec.Raw) -> Any:
            try:
                return typed(raw)
            except DECODE_ERRORS as error:
                hint = decode_hint(error, "data", words)
            try:
                return typed(self._decode_string(raw))
            except DECODE_ERRORS:
                raise DataError(hint) from None

        return decode_data

    def typed_decoder(self, types: Mapping[str, Any]) -> TypedDecoder:
        """See `Codec.typed_decoder`."""
        requests = typed_requests(types, ("req", msgspec.Raw, _NULL))
        return TypedDecoder(msgspec.json.Decoder(requests, dec_hook=decode_custom).decode, frozenset(types))

    def plain(self, raw: Any) -> Any:
        """See `Codec.plain`."""
        if raw is None:
            return None
        try:
            return self._decode_plain(raw)
        except DECODE_ERRORS:
            return bytes(raw).decode()

    def reply(self, cmd: str | int, data: Any, code: int, req: Any, hint: str) -> bytes:
        """See `Codec.reply`."""
        try:
            payload = self._encode(Reply(cmd, data, code, req, hint))
        except Exception as error:
            raise encode_error(error, cmd, "JSON") from error
        length = len(payload)
        return _SHORT_HEADERS[length] + payload if length <= _SHORT else server_frame(TEXT, payload)

    def push(self, push: Push) -> bytes:
        """See `Codec.push`."""
        try:
            payload = self._encode(push_fields(push))
        except Exception as error:
            raise encode_error(error, push.cmd, "JSON") from error
        return server_frame(TEXT, payload)

    def _req_of(self, payload: str | bytes, error: Exception) -> Any:
        """The `req` of a JSON object that is not a valid request."""
        if not isinstance(error, msgspec.ValidationError):
            return None
        try:
            return self._decode_req(payload).req
        except DECODE_ERRORS:
            return None


class BinaryJsonCodec(JsonCodec):
    """JSON in binary frames, as msanic 1.0.22 and some of its clients send it."""

    name: str = "binary-json"
    opcode: int = BINARY

    def typed_decoder(self, types: Mapping[str, Any]) -> TypedDecoder:
        """See `Codec.typed_decoder`."""
        decode, commands = super().typed_decoder(types)

        def decode_bytes(payload: bytes) -> Request:
            # As in `decode`: the reader checks that text frames are UTF-8, but not binary ones.
            return decode(payload.decode())

        return TypedDecoder(decode_bytes, commands)

    def reply(self, cmd: str | int, data: Any, code: int, req: Any, hint: str) -> bytes:
        """See `Codec.reply`."""
        return _BINARY_START + super().reply(cmd, data, code, req, hint)[1:]

    def push(self, push: Push) -> bytes:
        """See `Codec.push`."""
        return _BINARY_START + super().push(push)[1:]
