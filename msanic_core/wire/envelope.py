"""What every message consists of, whatever its encoding, and what goes wrong with one.

    request   {"cmd", "data", "req"}                    `data` and `req` may be missing and are null then
    reply     {"cmd", "data", "code", "req", "hint"}    always all five
    push      {"cmd", "data", "code", "hint"}           and "id" if it is durable, "lost" if messages before it were
                                                        lost, "req" if it is a reply that waited in the inbox

`cmd` is a string "type.code" or the integer type * 1000 + code; an answer has the form of its question. `req` is
whatever the client chose and comes back unchanged.
"""

import re
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

REJECT_COMMAND = 1002
"""The `cmd` of an answer to what has no readable `cmd` of its own."""

DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""What msgspec raises for input that it cannot decode."""

_MAX_HINT = 300
_PLACE = re.compile(r"(?P<what>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`", re.DOTALL)
_LIBRARY_TEXT = re.compile(r"(?:Expected|Invalid|Number|Integer|Duration|Timestamp|(?P<object>Object( contains)?)) ")
_QUOTED = re.compile(r"`([^`]*)`")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>.*)", re.DOTALL)


class Push(msgspec.Struct, frozen=True):
    """A message the server sends on its own account.

    `id`: its place in the user's inbox; None when it is not durable. `lost`: how many messages before it the inbox has
    dropped. `req`: plain Python objects, of the request a late reply belongs to.
    """

    cmd: str | int
    data: Any = None
    code: int = 0
    hint: str = ""
    req: Any = None
    id: int | None = None
    lost: int = 0


class Request(msgspec.Struct, gc=False):
    """A message of a client.

    `req` is in a form only the codec that decoded it can read; so is `data`, unless a `TypedDecoder` made it.
    """

    cmd: str | int
    data: Any
    req: Any


class RawRequest(Request, gc=False):
    """A request in JSON: `data` is decoded when the command's type is known, `req` goes back as it came."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    req: msgspec.Raw = msgspec.Raw(b"null")


class Reply(msgspec.Struct, gc=False):
    """An answer. `req` in whatever form its codec has it."""

    cmd: str | int
    data: Any
    code: int
    req: Any
    hint: str


class TypedDecoder(NamedTuple):
    """Reads requests for some commands together with their `data`, in one pass: about half of what two passes cost.

    `decode` gives a `Request` whose `data` is of the type that its command asks for. For whatever else a client may
    send, right or wrong, it raises one of `DECODE_ERRORS`, or what the type's own checks raise: `Codec.decode` knows
    which. `commands`: the names of those it knows.
    """

    decode: Callable[[Any], Request]
    commands: frozenset[str]


class EnvelopeError(Exception):
    """A message is not a request.

    `hint`: a sentence for the client's developer. `req`: the request's, as opaque as in `Request`; None when it could
    not be read.
    """

    def __init__(self, hint: str, req: Any = None) -> None:
        super().__init__(hint)
        self.hint = hint
        self.req = req


class DataError(Exception):
    """A request's `data` does not fit the type its command asks for. `hint` names the field."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint


class WireEncodeError(ValueError):
    """A value that is to be sent has no form on the wire. The text says which message, and what of it."""


def typed_requests(types: Mapping[str, Any], req: tuple[str, Any, Any]) -> Any:
    """Make a type that decoders take: requests for these commands, told apart by `cmd`.

    `types`: see `Codec.typed_decoder`. `req`: the name of that field, its type, what it is when missing.
    """
    # Told apart by `cmd` they are only if there are several: two that no command can be called are always among them.
    types = {"\0": msgspec.Raw, "\0\0": msgspec.Raw, **types}
    requests: list[Any] = [
        msgspec.defstruct(
            "TypedRequest",
            [_data_field(type_), req],
            tag_field="cmd",
            tag=cmd,
            namespace={"cmd": cmd},
            gc=False,
        )
        for cmd, type_ in types.items()
    ]
    return reduce(or_, requests)


def _data_field(type_: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    """`data` may be missing where a null would do; whether it does for other types `Codec.decode` finds out."""
    if type_ is Any:
        return "data", type_, None
    if type_ is msgspec.Raw:
        return "data", type_, msgspec.Raw(b"null")
    return "data", type_


def push_fields(push: Push) -> dict[str, Any]:
    """List the fields of a push that go on the wire, in their order."""
    fields = {"cmd": push.cmd, "data": push.data, "code": push.code, "hint": push.hint}
    if push.id is not None:
        fields["id"] = push.id
    if push.lost > 0:
        fields["lost"] = push.lost
    if push.req is not None:
        fields["req"] = push.req
    return fields


def decode_hint(error: Exception, root: str, forms: Mapping[str, str] = MappingProxyType({})) -> str:
    """Put one of `DECODE_ERRORS` into a sentence without the library's words, of at most 300 characters.

    `root` is what the decoded value is called: "data" gives "data.text: expected str, got int". `forms`: what patterns
    ask for, in words (`types.forms`).
    """
    if isinstance(error, RecursionError):
        return f"{root}: nested too deeply"
    if isinstance(error, UnicodeError):
        return f"{root}: text is not UTF-8"
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"{root}: not valid JSON: {_syntax_error(text)}"
    where = root
    if place := _PLACE.fullmatch(text):
        text = place["what"]
        where = ("a key of " if place["key"] else "") + root + place["path"]
    if (form := _PATTERN.fullmatch(text)) and (words := _form_of(form["pattern"], forms)):
        text = f"Expected {words}"
    return f"{where}: {_reworded(text)}"[:_MAX_HINT]


def encode_error(error: Exception, cmd: str | int, encoding: str) -> WireEncodeError:
    """Make the `WireEncodeError` for what an encoder raised on the message `cmd`."""
    if isinstance(error, RecursionError) or "recursion limit" in str(error):
        what = "nested too deeply, or it contains itself"
    elif isinstance(error, UnicodeError):
        what = "a string holds half of a surrogate pair, which UTF-8 has no form for"
    else:
        what = str(error) or type(error).__name__
    return WireEncodeError(f"message {cmd!r} cannot be encoded as {encoding}: {what}")


def _syntax_error(text: str) -> str:
    if text == "Input data was truncated":
        return "it is cut off"
    return text.removeprefix("JSON is malformed: ")


def _form_of(shown: str, forms: Mapping[str, str]) -> str:
    """The words for a pattern that msgspec shows as `repr` does."""
    return next((words for pattern, words in forms.items() if repr(pattern) == shown), "")


def _reworded(text: str) -> str:
    """In the middle of a sentence; what a plugin's own check says (`__post_init__`) is left as it is."""
    library = _LIBRARY_TEXT.match(text)
    if not library:
        return text
    text = _QUOTED.sub(r"\1", text)
    if library["object"]:
        return text[library.end() :]
    return text[0].lower() + text[1:]
