"""Pages of other origins: preflights, answers, errors."""

import asyncio
from typing import Any

import httpx
import pytest
from sanic import Blueprint, Request
from websockets.asyncio.client import connect

from msanic_core.http import login_required
from tests.support.http import routes

ORIGIN = "https://app.example"
OTHER = "https://evil.example"

blueprint = Blueprint("pages")


@blueprint.get("/")
async def find(request: Request) -> str:
    return "tea"


@blueprint.post("/")
async def make(request: Request) -> str:
    return "tea"


@blueprint.get("/account")
@login_required
async def account(request: Request) -> str:
    return str(request.ctx.identity.user)


def ask(method: str, path: str = "/shop/", http: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    async def main() -> httpx.Response:
        settings = {"http": {"cors_origins": [ORIGIN], **(http or {})}, "auth": {"mode": "plugin"}}
        async with routes(blueprint, settings=settings) as client:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=names)

    return asyncio.run(main())


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }


def preflight(origin: str, method: str = "POST", headers: str = "content-type, x-a", **options: Any) -> httpx.Response:
    return ask("OPTIONS", Origin=origin, Access_Control_Request_Method=method,
               Access_Control_Request_Headers=headers, **options)  # fmt: skip


def test_a_preflight() -> None:
    answer = preflight(ORIGIN)
    assert (answer.status_code, answer.headers["allow"], answer.headers["vary"]) == (204, "GET, POST", "Origin")
    assert cors_headers(answer) == {
        "allow-origin": ORIGIN,
        "allow-methods": "GET, POST",
        "allow-headers": "content-type, x-a",
        "max-age": "600",
    }
    answer = preflight(ORIGIN, http={"cors_credentials": True, "cors_max_age": 5})
    found = cors_headers(answer)
    assert (found["allow-credentials"], found["max-age"], found["allow-origin"]) == ("true", "5", ORIGIN)


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        (OTHER, "POST", "x-a"),
        (ORIGIN + ".evil.example", "POST", "x-a"),
        ("null", "POST", "x-a"),
        (ORIGIN, "DELETE", "x-a"),
        (ORIGIN, "post", "x-a"),
        (ORIGIN, "POST", "x-(a)"),
    ],
)
def test_a_wrong_preflight(origin: str, method: str, headers: str) -> None:
    answer = preflight(origin, method, headers)
    assert (answer.status_code, cors_headers(answer)) == (204, {})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/shop/", 200), ("GET", "/nowhere", 404), ("DELETE", "/shop/", 405), ("GET", "/shop/account", 401),
     ("GET", "/ws", 426)],
)  # fmt: skip
def test_answers_and_errors(method: str, path: str, status: int) -> None:
    answer = ask(method, path, Origin=ORIGIN)
    assert (answer.status_code, cors_headers(answer)) == (status, {"allow-origin": ORIGIN})
    assert "Origin" in answer.headers["vary"]
    answer = ask(method, path, Origin=OTHER)
    assert (answer.status_code, cors_headers(answer)) == (status, {})
    assert "Origin" in answer.headers["vary"]


def test_any_origin() -> None:
    answer = ask("GET", http={"cors_origins": ["*"]}, Origin=OTHER)
    assert cors_headers(answer) == {"allow-origin": "*"}
    assert "Origin" not in answer.headers["vary"]
    assert cors_headers(preflight(OTHER, http={"cors_origins": ["*"]}))["allow-origin"] == "*"


def test_without_origins_there_are_no_headers() -> None:
    for answer in (preflight(ORIGIN, http={"cors_origins": []}), ask("GET", http={"cors_origins": []}, Origin=ORIGIN)):
        assert cors_headers(answer) == {}
        assert "Origin" not in answer.headers.get("vary", "")


def test_sockets_have_their_own_rule() -> None:
    async def main() -> None:
        async with routes(blueprint, settings={"http": {"cors_origins": [ORIGIN]}}) as client:
            url = f"ws://127.0.0.1:{client.base_url.port}/ws?user=ada"
            async with connect(url, proxy=None):
                pass
            with pytest.raises(Exception, match="HTTP 403"):
                await connect(url, proxy=None, origin=ORIGIN)  # type: ignore[arg-type]

    asyncio.run(main())
