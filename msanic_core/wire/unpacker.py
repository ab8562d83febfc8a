"""Unpacks untrusted msgpack, within limits.

A few bytes of msgpack can need much memory. An empty map is one byte, and a dict of 64 bytes. An array header reserves
memory for all the elements that it announces. So the unpacker first counts the bytes that could be headers: this is
cheap, and never too low. If there are many, it walks through the message without making objects before it decodes. If
there are more than the limit, it counts the real maps and arrays while it decodes.
"""

from typing import Any, Final, NoReturn

import msgpack

MAX_INTEGER_KEYS: Final = 1024
"""The most entries of a map with integer keys: the sender could choose keys whose hashes collide."""

CONTAINER_HEADERS: Final = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""The bytes that can start a map or array. They also occur within numbers and strings."""

MAX_PROMISED: Final = 1 << 17
"""How many elements all arrays of a message may announce together before the message is checked first."""

_unpack: Final = msgpack.unpackb

_KEY_TYPES: Final = frozenset({str, int, bytes})

_NO_EXTENSIONS: Final = "extension types are not accepted, timestamps neither: send a string or a number"
_TOO_DEEP: Final = "maps and arrays nested too deeply"


class UnpackError(ValueError):
    """The bytes are not msgpack, or exceed a limit. The text says why."""


class Unpacker:
    """`max_containers`: maps and arrays in one message. `max_depth`: how deeply they may be nested.

    Keys of maps may be strings, integers and bytes. Extension types are refused, timestamps included.
    """

    __slots__ = ("_max_containers", "_max_depth")

    def __init__(self, max_containers: int, max_depth: int) -> None:
        self._max_containers = max_containers
        self._max_depth = max_depth

    def unpack(self, payload: bytes) -> Any:
        """Decode any msgpack to plain Python objects, within the limits. Raises `UnpackError`."""
        # An upper bound. msgpack refuses an array that announces more elements than the message has bytes.
        containers = len(payload) - len(payload.translate(None, CONTAINER_HEADERS))
        if containers * len(payload) > MAX_PROMISED:
            _check_complete(payload)
        if containers > self._max_containers:
            return self.unpack_carefully(payload)
        try:
            message = _unpack(payload, max_ext_len=0, ext_hook=refuse_extension)
        except ValueError:
            return self.unpack_carefully(payload)
        if containers > self._max_depth:
            _check_depth(message, self._max_depth)
        return message

    def unpack_carefully(self, payload: bytes) -> Any:
        """Unpack with exact checks: for invalid messages, integer keys, and counts that may exceed the limit."""
        _check_complete(payload)
        containers = 0

        def count() -> None:
            nonlocal containers
            containers += 1
            if containers > self._max_containers:
                raise UnpackError(f"more than {self._max_containers} maps and arrays")

        def make_list(items: list[Any]) -> list[Any]:
            count()
            return items

        def make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
            count()
            _check_keys(pairs)
            return dict(pairs)

        try:
            message = _unpack(
                payload,
                strict_map_key=False,
                max_ext_len=0,
                ext_hook=refuse_extension,
                list_hook=make_list,
                object_pairs_hook=make_dict,
            )
        except UnpackError:
            raise
        except UnicodeError:
            raise UnpackError("a string is not UTF-8") from None
        except ValueError:
            # The structure is valid, so the only remaining cause is the length of an extension.
            raise UnpackError(_NO_EXTENSIONS) from None
        if containers > self._max_depth:
            _check_depth(message, self._max_depth)
        return message


def _check_complete(payload: bytes) -> None:
    """Walk through the whole message without making objects."""
    size = max(1, len(payload))
    unpacker = msgpack.Unpacker(max_buffer_size=size, read_size=size)
    unpacker.feed(payload)
    try:
        unpacker.skip()
    except msgpack.OutOfData:
        raise UnpackError("not valid msgpack: it is cut off") from None
    except msgpack.StackError:
        raise UnpackError(_TOO_DEEP) from None
    except ValueError:
        raise UnpackError("not valid msgpack") from None
    if unpacker.tell() != len(payload):
        raise UnpackError("not valid msgpack: more follows after its end")


def _check_keys(pairs: list[tuple[Any, Any]]) -> None:
    types = {type(key) for key, _ in pairs}
    if not types <= _KEY_TYPES:
        raise UnpackError("keys of maps must be strings, integers or bytes")
    if int in types and len(pairs) > MAX_INTEGER_KEYS:
        raise UnpackError(f"a map with integer keys and more than {MAX_INTEGER_KEYS} entries")


def _check_depth(message: Any, max_depth: int) -> None:
    level: list[Any] = [[message]]  # in one more list, because the message may be a scalar
    for _ in range(max_depth + 1):
        level = [
            child
            for container in level
            for child in (container.values() if container.__class__ is dict else container)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return
    raise UnpackError(f"{_TOO_DEEP}: more than {max_depth} levels")


def refuse_extension(code: int, data: bytes) -> NoReturn:  # noqa: ARG001 - the signature is msgpack's
    """Refuse an extension: msgpack's `ext_hook`."""
    raise UnpackError(_NO_EXTENSIONS)
