"""The form of every answer."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import msgpack
import msgspec
import pytest
from sanic import Blueprint, HTTPResponse, Request

from msanic_core import ReplyCode
from msanic_core.http import reply
from tests.support.http import routes


class Note(msgspec.Struct):
    text: str
    at: datetime
    raw: bytes = b"\x00"


NOTE = Note("tea", datetime(2026, 3, 29, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("code", "hint", "status", "body_hint"),
    [
        (0, "", 200, ""),
        (12, "", 422, "an argument is missing or wrong"),
        (12, "x", 422, "x"),
        (100, "", 400, ""),
        (250, "y", 400, "y"),
    ],
)
def test_code_hint_and_status(code: int, hint: str, status: int, body_hint: str) -> None:
    response = reply(code=code, hint=hint)
    assert response.status == status
    assert response.body is not None
    assert json.loads(response.body) == {"code": code, "data": None, "hint": body_hint}


def test_status_headers_and_total() -> None:
    response = reply([], total=0, code=ReplyCode.FAILED, status=426, headers={"Upgrade": "websocket"})
    assert (response.status, response.headers["upgrade"]) == (426, "websocket")
    assert response.body is not None
    assert json.loads(response.body) == {"code": 11, "data": [], "hint": "the command failed", "total": 0}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,*/*;q=0.8", "application/json"),
        ("application/msgpack", "application/msgpack"),
        ("application/vnd.msgpack", "application/vnd.msgpack"),
        ("application/x-msgpack, application/json;q=0.5", "application/x-msgpack"),
        ("application/json, application/msgpack;q=0.5", "application/json"),
        ("application/msgpack;q=0", "application/json"),
        ("image/png, msgpack", "application/json"),
        ("application/msgpack;q=high", "application/json"),
    ],
)
def test_json_or_msgpack(accept: str | None, media_type: str) -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/")
    async def handler(request: Request) -> HTTPResponse:
        return reply([NOTE], total=9)

    async def main() -> tuple[str, str, bytes]:
        async with routes(blueprint) as client:
            request = client.build_request("GET", "/shop/")
            del request.headers["accept"]
            if accept is not None:
                request.headers["accept"] = accept
            answer = await client.send(request)
            return answer.headers["content-type"], answer.headers["vary"], answer.content

    found, vary, content = asyncio.run(main())
    assert (found, vary) == (media_type, "Accept")
    envelope: Any = json.loads(content) if media_type == "application/json" else msgpack.unpackb(content)
    raw = "AA==" if media_type == "application/json" else b"\x00"
    data = [{"text": "tea", "at": "2026-03-29T12:00:00Z", "raw": raw}]
    assert envelope == {"code": 0, "data": data, "hint": "", "total": 9}
