"""Plugins' HTTP routes: where they are, what clashes, and the one form of every error."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from sanic import Blueprint, HTTPResponse, Request
from sanic.exceptions import SanicException, ServiceUnavailable, Unauthorized

from msanic_core import CommandError, PluginError, ReplyCode, Server
from msanic_core.testing import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_clients import MakePlugin, Raw


def page(
    name: str, path: str = "/page", *, prefix: str | None = None, methods: tuple[str, ...] = ("GET",)
) -> Blueprint:
    """A blueprint with one route, which answers with the blueprint's name."""
    blueprint = Blueprint(name, url_prefix=prefix)

    async def handler(request: Request, **parameters: str) -> HTTPResponse:
        return HTTPResponse(json.dumps({"page": name, **parameters}))

    blueprint.add_route(handler, path, methods=methods)
    return blueprint


def get(raw: Raw, plugins: dict[str, Any], *paths: str, method: str = "GET", body: str = "") -> list[Any]:
    """Status and body of a request to each path, all on one connection."""

    async def main() -> list[Any]:
        async with serving(plugins, {"http": {"max_body": 1000}}) as server, raw(server.port) as client:
            answers = []
            for path in paths:
                status, headers, answer = await client.request(method, path, body)
                answers.append((status, answer))
                assert status == 200 or headers["content-type"] == "application/json"
            return answers

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("prefix", "path"), [(None, "/shop/page"), ("/", "/page"), ("/other", "/other/page"), ("/a/b", "/a/b/page")]
)
def test_where_a_blueprint_is_mounted(raw: Raw, make_plugin: MakePlugin, prefix: str | None, path: str) -> None:
    plugins = {"shop": make_plugin(http_blueprint=lambda: page("pages", prefix=prefix))}
    (found, missing) = get(raw, plugins, path, "/nowhere/page")
    assert found == (200, {"page": "pages"})
    assert missing[0] == 404


def test_several_blueprints(raw: Raw, make_plugin: MakePlugin) -> None:
    plugins = {
        "shop": make_plugin(http_blueprint=lambda: [page("a", "/a"), page("b", "/b"), page("c", prefix="/c")]),
        "blog": make_plugin(http_blueprint=lambda: page("blog", "/a")),
        "none": make_plugin(http_blueprint=lambda: []),
        "methods": make_plugin(http_blueprint=lambda: [page("get", "/a"), page("post", "/a", methods=("POST",))]),
    }
    answers = get(raw, plugins, "/shop/a", "/shop/b", "/c/page", "/blog/a", "/methods/a")
    assert answers == [(200, {"page": name}) for name in ("a", "b", "c", "blog", "get")]
    assert get(raw, plugins, "/methods/a", method="POST") == [(200, {"page": "post"})]


def test_a_blueprint_made_at_import_can_be_served_again(raw: Raw, make_plugin: MakePlugin) -> None:
    blueprint = page("pages")
    for _ in range(2):
        assert get(raw, {"shop": make_plugin(http_blueprint=lambda: blueprint)}, "/shop/page") == [
            (200, {"page": "pages"})
        ]


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        (
            lambda: page("pages"),
            lambda: page("pages"),
            "plugins one and two: both have a blueprint named 'pages'; rename one, or block one plugin",
        ),
        (
            lambda: page("a", prefix="/x"),
            lambda: page("b", prefix="/x"),
            "plugins one and two: both answer GET /x/page; give blueprint 'b' another url_prefix, or block one",
        ),
        (
            lambda: page("a", prefix="/"),
            lambda: page("b", "/", prefix="/page"),
            "plugins one and two: both answer GET /page",
        ),
        (
            lambda: page("a", "/<name>/<kind:int>", prefix="/x"),
            lambda: page("b", "/<other:str>/<sort:int>", prefix="/x"),
            "plugins one and two: both answer GET /x/<>/<:int>",
        ),
    ],
    ids=["name", "path", "root", "parameters"],
)
def test_clashes_name_both_plugins(
    make_plugin: MakePlugin, one: Callable[[], Blueprint], two: Callable[[], Blueprint], message: str
) -> None:
    async def main() -> None:
        async with serving({"one": make_plugin(http_blueprint=one), "two": make_plugin(http_blueprint=two)}):
            pass

    with pytest.raises(PluginError, match=re.escape(message)) as raised:
        asyncio.run(main())
    assert {"one", "two"} >= set(raised.value.packages) > set()


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        (lambda: page("a", "/livez", prefix="/"), "plugins the core and shop: both answer GET /livez"),
        (lambda: page("a", "/ws", prefix="/"), "plugins the core and shop: both answer GET /ws"),
        (lambda: page("msanic_core_health"), "plugins the core and shop: both have a blueprint named 'msanic_core_he"),
        (lambda: [page("a", "/1"), page("a", "/2")], "plugin shop: two of its blueprints are named 'a'"),
        (lambda: None, "plugin shop: http_blueprint must return a Blueprint or a list of them, not NoneType"),
        (lambda: [page("a"), "b"], "plugin shop: http_blueprint must return a Blueprint or a list of them, not list"),
        (lambda: 1 / 0, "plugin shop: http_blueprint raised ZeroDivisionError: division by zero"),
    ],
)
def test_blueprints_that_cannot_be_mounted(make_plugin: MakePlugin, blueprint: Callable[[], Any], message: str) -> None:
    async def main() -> None:
        async with serving({"shop": make_plugin(http_blueprint=blueprint)}):
            pass

    with pytest.raises(PluginError, match=re.escape(message)) as raised:
        asyncio.run(main())
    assert "shop" in raised.value.packages


def failing(make_plugin: MakePlugin, error: Callable[[], Exception]) -> dict[str, Any]:
    blueprint = Blueprint("pages")

    async def fails(request: Request) -> HTTPResponse:
        raise error()

    blueprint.add_route(fails, "/fails")
    return {"shop": make_plugin(http_blueprint=lambda: blueprint)}


@pytest.mark.parametrize(
    ("error", "status", "code", "data", "hint"),
    [
        (lambda: CommandError(ReplyCode.FORBIDDEN), 403, 15, None, "forbidden"),
        (lambda: CommandError(ReplyCode.TRY_AGAIN, "back at nine"), 410, 10, None, "back at nine"),
        (lambda: CommandError(101, "sold out", {"left": 0}), 400, 101, {"left": 0}, "sold out"),
        (lambda: Unauthorized("who are you?", scheme="Bearer"), 401, 13, None, "who are you?"),
        (lambda: SanicException("a teapot", status_code=418), 418, 11, None, "a teapot"),
    ],
)
def test_errors_for_clients(
    raw: Raw,
    make_plugin: MakePlugin,
    caplog: pytest.LogCaptureFixture,
    error: Any,
    status: int,
    code: int,
    data: Any,
    hint: str,
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = get(raw, failing(make_plugin, error), "/shop/fails")
    assert answers == [(status, {"code": code, "data": data, "hint": hint})]
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (lambda: RuntimeError("password=hunter2"), 500),
        (lambda: ValueError("hunter2"), 500),
        (lambda: ServiceUnavailable("hunter2 is down"), 503),
    ],
)
def test_errors_that_are_nobodys_business(
    raw: Raw, make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture, error: Any, status: int
) -> None:
    with caplog.at_level(logging.WARNING):
        ((found, body),) = get(raw, failing(make_plugin, error), "/shop/fails?token=SECRET")
    assert (found, body["code"], body["data"]) == (status, 11, None)
    hint = re.fullmatch(r"internal error (\w{12})", body["hint"])
    assert hint, body
    (record,) = caplog.records
    assert record.getMessage() == f"error {hint[1]} in GET /shop/fails"
    assert "hunter2" in caplog.text
    assert "SECRET" not in caplog.text


def test_requests_that_reach_no_route(raw: Raw, make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture) -> None:
    plugins = {"shop": make_plugin(http_blueprint=lambda: page("pages", methods=("GET", "POST")))}

    async def main() -> None:
        async with serving(plugins, {"http": {"max_body": 1000}}) as server:

            async def ask(head: str, body: str = "") -> tuple[int, dict[str, str], Any]:
                async with raw(server.port) as client:
                    await client.send(f"{head}\r\n\r\n{body}")
                    return await client.response()

            status, _, body = await ask("GET /nowhere?token=SECRET HTTP/1.1")
            assert (status, body["code"], body["data"]) == (404, 11, None)
            assert "SECRET" not in body["hint"]
            status, headers, body = await ask("DELETE /shop/page HTTP/1.1")
            assert (status, body["code"], sorted(headers["allow"].split(", "))) == (405, 11, ["get", "post"])
            status, _, body = await ask("POST /shop/page HTTP/1.1\r\nContent-Length: 1001", "x" * 1001)
            assert (status, body["code"]) == (413, 11)
            status, _, body = await ask("POST /shop/page HTTP/1.1\r\nContent-Length: 1000", "x" * 1000)
            assert (status, body["page"]) == (200, "pages")
            for garbage in ("garbage", "GET / HTTP/1.1\r\nno colon", "GET / HTTP/7"):
                status, _, body = await ask(garbage)
                assert (status, body) == (400, {"code": 11, "data": None, "hint": "Bad Request"})
            status, _, body = await ask("GET /livez HTTP/1.1\r\nX-Long: " + "x" * 20_000)
            assert (status, body["code"]) == (413, 11)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert not caplog.records


def test_a_route_pushes_to_a_socket(raw: Raw, make_plugin: MakePlugin) -> None:
    blueprint = Blueprint("pages")

    @blueprint.post("/notify/<user>")
    async def notify(request: Request, user: str) -> HTTPResponse:
        server: Server = request.app.ctx.msanic
        message_id = await server.push(user, "shop.news", request.json)
        return HTTPResponse(json.dumps({"id": message_id, "online": await server.online(user)}))

    async def main() -> None:
        async with serving({"shop": make_plugin(http_blueprint=lambda: blueprint)}) as server:
            ws = await server.connect("ada")
            async with raw(server.port) as client:
                body = '{"price": 3}'
                assert (await client.request("POST", "/shop/notify/ada", body))[2] == {"id": 1, "online": True}
                assert (await client.request("POST", "/shop/notify/bob", body))[2] == {"id": 1, "online": False}
            push = json.loads(await ws.recv())
            assert push == {"cmd": "shop.news", "data": {"price": 3}, "code": 0, "hint": "", "id": 1}

    asyncio.run(main())


def test_the_blueprints_hook_has_the_server(make_plugin: MakePlugin) -> None:
    given = []

    def http_blueprint(server: Server) -> list[Blueprint]:
        given.append(server)
        return []

    async def main() -> None:
        async with serving({"shop": make_plugin(http_blueprint=http_blueprint)}) as server:
            assert given == [server.server]
            assert server.node.app.ctx.msanic is server.server

    asyncio.run(main())
