"""Decodes a request's body to a type: JSON or msgpack, as its Content-Type says."""

from collections.abc import Callable
from typing import Any

import msgspec
from sanic import Request
from sanic.exceptions import SanicException

from msanic_core.codes import ReplyCode
from msanic_core.errors import CommandError
from msanic_core.http.answer import JSON, MSGPACK
from msanic_core.wire import DECODE_ERRORS, MsgpackCodec, UnpackError
from msanic_core.wire.envelope import decode_hint
from msanic_core.wire.types import decode_custom, forms

ACCEPTED = (JSON, *MSGPACK)


class BodyDecoder:
    """Decodes bodies to one type. The limits for msgpack are those of the codec."""

    def __init__(self, type_: Any, codec: MsgpackCodec) -> None:
        self.type = type_
        self._unpack = codec.unpack
        self._decode_json: Callable[[bytes], Any] = msgspec.json.Decoder(type_, dec_hook=decode_custom).decode
        self._forms = forms(type_)

    def __call__(self, request: Request) -> Any:
        """Return the value. Raises `CommandError` with the code INVALID, or `SanicException` with status 415."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json")):
                return self._decode_json(request.body)
            if media_type in MSGPACK:
                return self._from_msgpack(self._unpack(request.body))
        except UnpackError as error:
            raise CommandError(ReplyCode.INVALID, f"body: {error}") from None
        except DECODE_ERRORS as error:
            raise CommandError(ReplyCode.INVALID, decode_hint(error, "body", self._forms)) from None
        shown = f"not {media_type[:100]}" if media_type else "and there is none"
        raise SanicException(
            f"Content-Type must be {JSON} or {MSGPACK[0]}, {shown}",
            status_code=415,
            # RFC 9110 section 15.5.16
            headers={"Accept": ", ".join(ACCEPTED)},
        )

    def _from_msgpack(self, value: Any) -> Any:
        try:
            return msgspec.convert(value, self.type, dec_hook=decode_custom)
        except DECODE_ERRORS:
            # Some clients can only have string keys in maps: they send integer keys as strings, as in JSON.
            return msgspec.convert(value, self.type, dec_hook=decode_custom, str_keys=True)
