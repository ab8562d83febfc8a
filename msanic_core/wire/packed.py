"""A push as engines keep it: packed once, the same for every codec that later puts it on a wire."""

import msgpack
import msgspec

from msanic_core.wire.envelope import Push, WireEncodeError
from msanic_core.wire.msgpack_codec import to_builtins


def pack_push(push: Push) -> bytes:
    """Pack a push with all its fields. Raises `WireEncodeError` when `data` holds what a codec cannot encode."""
    fields = (push.cmd, push.data, push.code, push.hint, push.req, push.id, push.lost)
    try:
        packed: bytes = msgpack.packb(fields, default=to_builtins, use_bin_type=True)
        msgspec.json.encode(push.data)  # the keys of a map may suit msgpack only
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireEncodeError(f"data of {push.cmd!r} cannot be encoded: {error}") from error
    return packed


def unpack_push(packed: bytes) -> Push:
    """The push that `pack_push` packed."""
    return Push(*msgpack.unpackb(packed, raw=False, strict_map_key=False))
