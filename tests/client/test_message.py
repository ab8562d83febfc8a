"""The server reads what the client sends, and the client reads what the server sends."""

import datetime
from typing import Any

import msgspec
import pytest

from msanic_core.client.message import Form, form
from msanic_core.wire import Codec, Codecs, Push

DATA: Any = {"text": "tea, ☕", "numbers": [1, -2.5, None, True], "more": {"a": {}}}


@pytest.fixture(params=["json", "msgpack"])
def pair(request: pytest.FixtureRequest) -> tuple[Form, Codec]:
    """A form of the client, and the server's codec for the same subprotocol."""
    made = form(request.param)
    return made, Codecs().by_subprotocol(made.subprotocol)


def payload_of(frame: bytes) -> bytes:
    """The payload of an unmasked frame."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def test_a_request(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    payload = made.request("chat.say", DATA, "r-1")
    request = codec.decode(payload.decode() if made.is_text else payload)
    assert (request.cmd, codec.plain(request.data), codec.plain(request.req)) == ("chat.say", DATA, "r-1")


def test_what_only_python_knows_goes_as_text(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    when = datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC)
    payload = made.request("a.b", {"when": when})
    request = codec.decode(payload.decode() if made.is_text else payload)
    assert codec.plain(request.data) == {"when": "2026-05-04T00:00:00Z"}


def test_a_reply(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    request = codec.decode(
        made.request(2001, None, "r-1").decode() if made.is_text else made.request(2001, None, "r-1")
    )
    message = made.message(payload_of(codec.reply(2001, DATA, 12, request.req, "why")))
    assert (message.cmd, message.code, message.req, message.hint, message.id) == (2001, 12, "r-1", "why", None)
    assert message.is_reply
    assert made.data(message.data) == DATA


def test_a_reply_to_something_without_req(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    assert made.message(payload_of(codec.reply("sys.ack", None, 0, None, ""))).is_reply


def test_a_push(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    message = made.message(payload_of(codec.push(Push("chat.said", DATA, id=7, lost=2))))
    assert (message.cmd, message.id, message.lost, message.is_reply) == ("chat.said", 7, 2, False)
    assert made.data(message.data) == DATA


def test_a_reply_that_waited_in_the_inbox(pair: tuple[Form, Codec]) -> None:
    made, codec = pair
    message = made.message(payload_of(codec.push(Push("chat.say", DATA, req="r-1", id=7))))
    assert (message.id, message.req, message.is_reply) == (7, "r-1", True)


def test_data_of_a_type(pair: tuple[Form, Codec]) -> None:
    class Said(msgspec.Struct):
        text: str

    made, codec = pair
    message = made.message(payload_of(codec.push(Push("chat.said", {"text": "hi"}))))
    assert made.data(message.data, Said) == Said("hi")
    with pytest.raises(ValueError, match="Expected `int`"):
        made.data(message.data, int)


def test_what_is_no_message(pair: tuple[Form, Codec]) -> None:
    for payload in (b"", b"[]", b"\xc1", b'{"cmd":'):
        with pytest.raises(ValueError, match=r"."):
            pair[0].message(payload)


def test_a_name_of_no_form() -> None:
    name: Any = "xml"
    with pytest.raises(ValueError, match="'json' or 'msgpack', not 'xml'"):
        form(name)
