"""Unpacks msgpack that anybody may have sent, within limits.

A few bytes of msgpack can announce a lot: an empty map is one byte and a dict of 64, an array header makes room for all
the elements it promises before the first has come. So the bytes that could be headers are counted first, which is
cheap and never too few. Where they are many, a message is walked through without making any object before it is
decoded, and where they are too many its maps and arrays are counted while it is.
"""

from typing import Any, Final, NoReturn

import msgpack

MAX_INTEGER_KEYS: Final = 1024
"""Entries a map with integer keys may have: whose hashes collide is for the sender to choose."""

CONTAINER_HEADERS: Final = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""The bytes a map or array can start with. They also occur within numbers and strings."""

MAX_PROMISED: Final = 1 << 17
"""Elements the arrays of a message may together promise, whether they come or not, before that is looked into."""

_unpack: Final = msgpack.unpackb

_KEY_TYPES: Final = frozenset({str, int, bytes})

_NO_EXTENSIONS: Final = "extension types are not accepted, timestamps neither: send a string or a number"
_TOO_DEEP: Final = "maps and arrays nested too deeply"


class UnpackError(ValueError):
    """Bytes are no msgpack, or not within the limits. The text says why."""


class Unpacker:
    """`max_containers`: maps and arrays in one message. `max_depth`: of maps and arrays in each other.

    Keys of maps may be strings, integers and bytes; extension types, timestamps too, are refused.
    """

    __slots__ = ("_max_containers", "_max_depth")

    def __init__(self, max_containers: int, max_depth: int) -> None:
        self._max_containers = max_containers
        self._max_depth = max_depth

    def unpack(self, payload: bytes) -> Any:
        """Make plain Python objects of any msgpack, within the limits. Raises `UnpackError`."""
        # There are at most so many maps and arrays, and none can promise more elements than there are bytes.
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
        """Unpack what is wrong, and say how; or has keys that are integers, or more maps and arrays than it seemed."""
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
            # The structure was found sound; what is left to be refused is an extension's length.
            raise UnpackError(_NO_EXTENSIONS) from None
        if containers > self._max_depth:
            _check_depth(message, self._max_depth)
        return message


def _check_complete(payload: bytes) -> None:
    """Walk the whole message without making an object of any part of it."""
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
    level: list[Any] = [[message]]  # around it one list more, for it need not be a map or array itself
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
    """What msgpack is to call for an extension."""
    raise UnpackError(_NO_EXTENSIONS)
