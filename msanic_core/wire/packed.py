"""A push in the form that engines store and publish. Every codec can later encode it for the wire."""

import msgpack
import msgspec

from msanic_core.wire.envelope import Push, WireEncodeError
from msanic_core.wire.msgpack_codec import to_builtins


def pack_push(push: Push) -> bytes:
    """Pack a push with all its fields. Raises `WireEncodeError` if any codec cannot encode its `data`."""
    fields = (push.cmd, push.data, push.code, push.hint, push.req, push.id, push.lost)
    try:
        packed: bytes = msgpack.packb(fields, default=to_builtins, use_bin_type=True)
        msgspec.json.encode(push.data)  # msgpack allows keys of maps that JSON does not
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireEncodeError(f"data of {push.cmd!r} cannot be encoded: {error}") from error
    return packed


def unpack_push(packed: bytes) -> Push:
    """Give the push that `pack_push` packed."""
    return Push(*msgpack.unpackb(packed, raw=False, strict_map_key=False))
