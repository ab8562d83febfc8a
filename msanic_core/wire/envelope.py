"""The parts of every message, in any encoding, and the errors for invalid messages.

    request   {"cmd", "data", "req"}                    `data` and `req` may be missing; they are then null
    reply     {"cmd", "data", "code", "req", "hint"}    always all five
    push      {"cmd", "data", "code", "hint"}           also "id" if it is durable, "lost" if messages before it were
                                                        lost, "req" if it is a reply that waited in the inbox

`cmd` is a string "type.code" or the integer type * 1000 + code. A reply uses the form of its request. The client
chooses `req`, and the server returns it unchanged.
"""

import re
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

REJECT_COMMAND = 1002
"""The `cmd` of the answer to a message whose `cmd` cannot be read."""

DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""The exceptions that msgspec raises for input that it cannot decode."""

_MAX_HINT = 300
_PLACE = re.compile(r"(?P<what>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`", re.DOTALL)
_LIBRARY_TEXT = re.compile(r"(?:Expected|Invalid|Number|Integer|Duration|Timestamp|(?P<object>Object( contains)?)) ")
_QUOTED = re.compile(r"`([^`]*)`")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>.*)", re.DOTALL)


class Push(msgspec.Struct, frozen=True):
    """A message that the server sends without a request.

    `id`: its number in the user's inbox; None if it is not durable. `lost`: how many messages before it the inbox has
    dropped. `req`: for a late reply, the `req` of its request, as plain Python objects.
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

    Only the codec that decoded the message can read `req`, and `data` too, unless a `TypedDecoder` made it.
    """

    cmd: str | int
    data: Any
    req: Any


class RawRequest(Request, gc=False):
    """A request in JSON. `data` is decoded once the command's type is known. `req` is returned as it came."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    req: msgspec.Raw = msgspec.Raw(b"null")


class Reply(msgspec.Struct, gc=False):
    """A reply. `req` is in the form of its codec."""

    cmd: str | int
    data: Any
    code: int
    req: Any
    hint: str


class TypedDecoder(NamedTuple):
    """Decodes requests for some commands together with their `data`: one pass costs half as much as two.

    `decode` gives a `Request` whose `data` has the type of its command. For any other message, valid or not, it raises
    one of `DECODE_ERRORS`, or an exception of the type's own checks. `Codec.decode` then finds out what the message is.
    `commands`: the names of the commands that it decodes.
    """

    decode: Callable[[Any], Request]
    commands: frozenset[str]


class EnvelopeError(Exception):
    """A message is not a request.

    `hint`: a sentence for the client's developer. `req`: the `req` of the message, in the codec's own form; None if it
    could not be read.
    """

    def __init__(self, hint: str, req: Any = None) -> None:
        super().__init__(hint)
        self.hint = hint
        self.req = req


class DataError(Exception):
    """A request's `data` does not fit the type of its command. `hint` names the field."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint


class WireEncodeError(ValueError):
    """A value cannot be encoded for the wire. The text names the message, and the cause."""


def typed_requests(types: Mapping[str, Any], req: tuple[str, Any, Any]) -> Any:
    """Make the type for msgspec's decoders: a union of requests for these commands, tagged by `cmd`.

    `types`: see `Codec.typed_decoder`. `req`: the name of that field, its type, and its default.
    """
    # msgspec needs at least two types to make a tagged union: add two whose names no command can have.
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
    """Make `data` optional for the types that surely accept null. `Codec.decode` decides for the other types."""
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
    """Turn one of `DECODE_ERRORS` into a sentence of at most 300 characters, without the library's own terms.

    `root`: the name of the decoded value: "data" gives "data.text: expected str, got int". `forms`: descriptions of
    patterns (`types.forms`).
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
    """Make the `WireEncodeError` for an exception of an encoder. `cmd`: the message that it encoded."""
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
    """The description of a pattern. msgspec shows the pattern as `repr` does."""
    return next((words for pattern, words in forms.items() if repr(pattern) == shown), "")


def _reworded(text: str) -> str:
    """Adapt msgspec's text to the middle of a sentence. The text of a plugin's own check stays as it is."""
    library = _LIBRARY_TEXT.match(text)
    if not library:
        return text
    text = _QUOTED.sub(r"\1", text)
    if library["object"]:
        return text[library.end() :]
    return text[0].lower() + text[1:]
