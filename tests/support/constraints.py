"""The hint that a client gets for an invalid value."""

from typing import Any

import msgpack
import msgspec

from msanic_core.wire import Codecs, DataError


def problem_with(type_: Any, value: Any) -> str:
    """The hint of both codecs, which is the same; nothing if the value is fine."""
    codecs = Codecs()
    hints = set()
    for codec, raw in (
        (codecs.json, msgspec.Raw(msgspec.json.encode(value))),
        (codecs.msgpack, msgpack.unpackb(msgpack.packb(value))),
    ):
        try:
            codec.data_decoder(type_)(raw)
        except DataError as error:
            hints.add(error.hint)
        else:
            hints.add("")
    (hint,) = hints
    return hint
