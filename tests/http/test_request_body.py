"""Bodies become values of a type: JSON and msgpack."""

import asyncio
from typing import Annotated, Any

import msgpack
import msgspec
import pytest
from msgspec import Meta
from sanic import Blueprint, Request

from msanic_core.constraints import Colour, Password
from msanic_core.http import body
from tests.support.http import routes


class Account(msgspec.Struct):
    name: Annotated[str, Meta(min_length=2)]
    secret: Password = ""
    colours: list[Colour] = []
    scores: dict[int, float] = {}


blueprint = Blueprint("pages")


@blueprint.post("/")
@body
async def handler(request: Request, body: Account) -> Account:
    return body


def post(content: bytes, media_type: str | None, **settings: Any) -> tuple[int, Any]:
    """Status and envelope of the answer to a body."""

    async def main() -> tuple[int, Any]:
        headers = {} if media_type is None else {"Content-Type": media_type}
        async with routes(blueprint, settings=settings) as client:
            answer = await client.post("/shop/", content=content, headers=headers)
            return answer.status_code, answer.json()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"],
)
def test_json(media_type: str) -> None:
    status, envelope = post(b'{"name": "ada", "scores": {"1": 2.5}}', media_type)
    assert (status, envelope["code"]) == (200, 0)
    assert envelope["data"] == {"name": "ada", "secret": "", "colours": [], "scores": {"1": 2.5}}


@pytest.mark.parametrize("media_type", ["application/msgpack", "application/vnd.msgpack", "application/x-msgpack"])
@pytest.mark.parametrize("scores", [{1: 2.5}, {"1": 2.5}])
def test_msgpack(media_type: str, scores: dict[Any, float]) -> None:
    status, envelope = post(msgpack.packb({"name": "ada", "scores": scores}), media_type)
    assert (status, envelope["data"]["scores"]) == (200, {"1": 2.5})


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "json", "x" * 500])
def test_unknown_types(media_type: str | None) -> None:
    status, envelope = post(b"name=ada", media_type)
    assert (status, envelope["code"], envelope["data"]) == (415, 11, None)
    assert envelope["hint"].startswith("Content-Type must be application/json or application/msgpack, ")
    assert len(envelope["hint"]) < 200


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ({}, "body: missing required field name"),
        ({"name": "a"}, "body.name: expected str of length >= 2"),
        ({"name": "ada", "secret": "hunter2"}, "body.secret: must have 8 to 128 characters"),
        ({"name": "ada", "secret": 123}, "body.secret: expected str, got int"),
        ({"name": "ada", "colours": ["red"]}, "body.colours[0]: expected a colour such as #1e90ff"),
        ([], "body: expected object, got array"),
    ],
)
def test_values_that_do_not_fit(value: Any, hint: str) -> None:
    for content, media_type in ((msgspec.json.encode(value), "application/json"),
                                (msgpack.packb(value), "application/msgpack")):  # fmt: skip
        assert post(content, media_type) == (422, {"code": 12, "data": None, "hint": hint})


@pytest.mark.parametrize(
    ("content", "media_type", "hint"),
    [
        (b"", "application/json", "body: not valid JSON: it is cut off"),
        (b"{", "application/json", "body: not valid JSON: it is cut off"),
        (b'{"name": "\xff\xff"}', "application/json", "body: text is not UTF-8"),
        (b"", "application/msgpack", "body: not valid msgpack: it is cut off"),
        (b"\xdd\xff\xff\xff\xff", "application/msgpack", "body: not valid msgpack: it is cut off"),
        (b"\xd6\xff\x00\x00\x00\x00", "application/msgpack", "body: extension types are not accepted"),
        (b"\x91" * 100 + b"\x00", "application/msgpack", "body: maps and arrays nested too deeply"),
    ],
)
def test_bytes_that_are_no_value(content: bytes, media_type: str, hint: str) -> None:
    status, envelope = post(content, media_type)
    assert (status, envelope["code"]) == (422, 12)
    assert envelope["hint"].startswith(hint)


def test_a_body_over_the_limit() -> None:
    fits = b'{"name": "' + b"a" * 1000 + b'"}'
    http = {"max_body": len(fits)}
    assert post(fits, "application/json", http=http)[0] == 200
    status, envelope = post(fits + b" ", "application/json", http=http)
    assert (status, envelope["code"], envelope["data"]) == (413, 11, None)
