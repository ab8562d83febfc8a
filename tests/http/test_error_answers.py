"""Errors of routes: one form, and nothing internal in it."""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgpack
import pytest
from sanic import Blueprint, HTTPResponse, Request
from sanic.exceptions import NotFound, RangeNotSatisfiable, SanicException, ServerError
from tortoise.exceptions import IntegrityError, OperationalError

from msanic_core import CommandError, ReplyCode
from msanic_core.errors import StoreUnavailableError
from msanic_core.http import reply
from msanic_core.testing import redis_process
from tests.support.http import routes

SECRET = "hunter2"
AWAY = "something that the server needs is away, try again (error ID)"


def failing(error: Callable[[], Exception]) -> Blueprint:
    blueprint = Blueprint("pages")

    async def fails(request: Request) -> HTTPResponse:
        raise error()

    blueprint.add_route(fails, "/", methods=["GET", "HEAD", "POST"])
    return blueprint


def ask(blueprint: Blueprint, method: str = "GET", **options: Any) -> httpx.Response:
    async def main() -> httpx.Response:
        async with routes(blueprint) as client:
            return await client.request(method, "/shop/", **options)

    return asyncio.run(main())


def internal() -> Exception:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        outer = RuntimeError(f"{SECRET} in /srv/{SECRET}.py")
        outer.__cause__ = error
        return outer


@pytest.mark.parametrize(
    ("error", "status", "code", "hint"),
    [
        (internal, 500, 11, "internal error ID"),
        (lambda: ServerError(SECRET), 500, 11, "internal error ID"),
        (lambda: SanicException(SECRET, status_code=502), 502, 11, "internal error ID"),
        (lambda: OperationalError(SECRET), 500, 11, "internal error ID"),
        (lambda: KeyError(SECRET), 500, 11, "internal error ID"),
        (lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), 500, 11, "internal error ID"),
        (lambda: IntegrityError(SECRET), 409, 18, "this conflicts with what is stored (error ID)"),
        (lambda: ConnectionResetError(SECRET), 503, 10, AWAY),
        (lambda: StoreUnavailableError(SECRET), 503, 10, AWAY),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("packed", [True, False], ids=["msgpack", "json"])
def test_errors_with_an_id_in_the_log(
    caplog: pytest.LogCaptureFixture,
    method: str,
    packed: bool,
    error: Callable[[], Exception],
    status: int,
    code: int,
    hint: str,
) -> None:
    accept = "application/msgpack" if packed else "application/json"
    with caplog.at_level(logging.WARNING):
        answer = ask(failing(error), method, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (status, accept)
    (record,) = caplog.records
    (found,) = re.findall(r"error (\w{12}) in", record.getMessage())
    assert record.getMessage().startswith(f"error {found} in {method} /shop/")
    assert SECRET in caplog.text
    assert SECRET.encode() not in answer.content
    if method == "HEAD":
        assert answer.content == b""
        return
    envelope = msgpack.unpackb(answer.content) if packed else answer.json()
    assert set(envelope) == {"code", "data", "hint"}
    assert (envelope["code"], envelope["data"]) == (code, None)
    assert envelope["hint"].startswith(hint.replace("ID", found))
    for internals in ("Traceback", "RuntimeError", "File", "line", "sanic", "msanic"):
        assert internals.encode() not in answer.content


@pytest.mark.parametrize(
    ("error", "status", "code", "hint"),
    [
        (lambda: CommandError(ReplyCode.FORBIDDEN, "not yours"), 403, 15, "not yours"),
        (lambda: CommandError(101, "sold out"), 400, 101, "sold out"),
        (lambda: CommandError(ReplyCode.FAILED, "no such book", status=404), 404, 11, "no such book"),
        (lambda: NotFound("no such tea"), 404, 11, "no such tea"),
        (lambda: SanicException("gone", status_code=410), 410, 10, "gone"),
        (lambda: RangeNotSatisfiable("no such bytes", headers={"Content-Range": "*/7"}), 416, 11, "no such bytes"),
    ],
)
def test_errors_that_say_all(
    caplog: pytest.LogCaptureFixture, error: Callable[[], Exception], status: int, code: int, hint: str
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = ask(failing(error))
    assert (answer.status_code, answer.json()) == (status, {"code": code, "data": None, "hint": hint})
    assert not caplog.records
    if status == 416:
        assert answer.headers["content-range"] == "*/7"


def test_requests_that_reach_no_handler() -> None:
    async def main() -> None:
        async with routes(failing(internal)) as client:
            for packed in (False, True):
                headers = {"Accept": "application/msgpack"} if packed else {}
                for method, path, status in (
                    ("GET", "/nowhere", 404),
                    ("HEAD", "/nowhere", 404),
                    ("OPTIONS", "/nowhere", 404),
                    ("DELETE", "/shop/", 405),
                    ("BREW", "/shop/", 405),
                ):
                    answer = await client.request(method, path, headers=headers)
                    assert answer.status_code == status
                    allowed = sorted(answer.headers.get("allow", "").split(", "))
                    assert allowed == (["GET", "HEAD", "POST"] if status == 405 else [""])
                    if method != "HEAD":
                        body = msgpack.unpackb(answer.content) if packed else answer.json()
                        assert (body["code"], body["data"]) == (11, None)
            answer = await client.options("/shop/")
            assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "GET, HEAD, POST", b"")

    asyncio.run(main())


def test_an_answer_that_cannot_be_encoded(caplog: pytest.LogCaptureFixture) -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/")
    async def handler(request: Request) -> object:
        return object()

    for accept in ("application/json", "application/msgpack"):
        answer = ask(blueprint, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (500, accept)
        assert b"internal error" in answer.content


def test_redis_is_away(tmp_path: Path) -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/<user:str>")
    async def online(request: Request, user: str) -> HTTPResponse:
        return reply(await request.app.ctx.msanic.online(user))

    async def main() -> None:
        async with redis_process(tmp_path) as redis:
            settings = {"redis": {"url": f"redis://127.0.0.1:{redis.port}/0", "timeout": 0.2, "patience": 0.2}}
            async with routes(blueprint, settings=settings) as client:
                assert (await client.get("/shop/ada")).json()["data"] is False
                await redis.kill()
                answer = await client.get("/shop/ada")
                assert (answer.status_code, answer.json()["code"]) == (503, 10)
                assert re.fullmatch(re.escape(AWAY).replace("ID", r"\w{12}"), answer.json()["hint"])

    asyncio.run(main())
