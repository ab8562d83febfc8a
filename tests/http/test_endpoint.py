"""The code around a plugin's handler: login, query, body and envelope."""

import asyncio
import re
import time
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import text
from sanic.views import HTTPMethodView

from msanic_core import AuthenticationError, Identity, PluginError
from msanic_core.constraints import Identifier, PositiveInt, RowId
from msanic_core.db import Page, PageAfter
from msanic_core.errors import StoreUnavailableError
from msanic_core.http import body, login_required, query, reply
from tests.support.http import routes

PLUGIN_LOGIN = {"auth": {"mode": "plugin"}}


class Item(msgspec.Struct):
    name: str
    price: Annotated[int, Meta(ge=0)] = 0


class Nested(msgspec.Struct):
    item: Item


class Even:
    def __init__(self, value: int) -> None:
        self.value = value

    @classmethod
    def from_wire(cls, value: Any) -> "Even":
        if value % 2:
            raise ValueError("must be an even number")
        return cls(value)


def test_a_handler_returns_data_or_a_response() -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/data")
    async def data(request: Request) -> Item:
        return Item("tea")

    @blueprint.get("/plain")
    def plain(request: Request) -> list[int]:
        return [1]

    @blueprint.get("/text")
    async def own(request: Request) -> HTTPResponse:
        return text("tea")

    @blueprint.get("/stream")
    async def stream(request: Request) -> None:
        response = await request.respond(content_type="text/plain")
        await response.send("te")
        await response.send("a")

    @blueprint.get("/created")
    async def created(request: Request) -> HTTPResponse:
        return reply([1], total=7, status=201, headers={"Location": "/x"})

    async def main() -> None:
        async with routes(blueprint) as client:
            assert (await client.get("/shop/data")).json() == {
                "code": 0,
                "data": {"name": "tea", "price": 0},
                "hint": "",
            }
            assert (await client.get("/shop/plain")).json()["data"] == [1]
            assert (await client.get("/shop/text")).text == "tea"
            assert (await client.get("/shop/stream")).text == "tea"
            answer = await client.get("/shop/created")
            assert (answer.status_code, answer.headers["location"], answer.json()["total"]) == (201, "/x", 7)

    asyncio.run(main())


def test_a_page_is_answered_with_its_items_and_their_total() -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/counted")
    async def counted(request: Request) -> Page[Item]:
        return Page([Item("tea")], 7, 2, 1)

    @blueprint.get("/uncounted")
    async def uncounted(request: Request) -> Page[Item]:
        return Page[Item]([Item("tea")], None, 1, 1)

    @blueprint.get("/more")
    async def more(request: Request) -> PageAfter[Item]:
        return PageAfter([Item("tea")], 3, 1)

    async def main() -> None:
        items = [{"name": "tea", "price": 0}]
        async with routes(blueprint) as client:
            answer = {"code": 0, "data": items, "hint": ""}
            assert (await client.get("/shop/counted")).json() == {**answer, "total": 7}
            assert (await client.get("/shop/uncounted")).json() == answer
            assert (await client.get("/shop/more")).json()["data"] == {"items": items, "next": 3, "size": 1}

    asyncio.run(main())


def test_parameters_of_the_path_are_what_they_are_annotated_with() -> None:
    blueprint = Blueprint("pages")

    @blueprint.get("/rows/<row:int>/<name>")
    async def row(request: Request, row: RowId, name: Identifier) -> list[object]:
        return [row, name]

    @blueprint.get("/plain/<count>")
    async def plain(request: Request, count: PositiveInt) -> int:
        return count + 1

    @blueprint.get("/even/<number:int>")
    async def even(request: Request, number: Even) -> int:
        return number.value

    async def main() -> None:
        async with routes(blueprint) as client:
            assert (await client.get(f"/shop/rows/{2**63 - 1}/ada")).json()["data"] == [2**63 - 1, "ada"]
            assert (await client.get("/shop/plain/41")).json()["data"] == 42
            assert (await client.get("/shop/even/4")).json()["data"] == 4
            for path, hint in (
                (f"rows/{2**63}/ada", f"path.row: expected int <= {2**63 - 1}"),
                (f"rows/{10**400}/ada", f"path.row: expected int <= {2**63 - 1}"),
                ("rows/-1/ada", "path.row: expected int >= 1"),
                ("rows/1/1", "path.name: expected letters, digits and _, a letter first"),
                ("plain/tea", "path.count: expected int, got str"),
                ("even/3", "path.number: must be an even number"),
            ):
                answer = await client.get(f"/shop/{path}")
                assert (answer.status_code, answer.json()) == (404, {"code": 11, "data": None, "hint": hint})

    asyncio.run(main())


def test_methods_of_a_view_declare_for_themselves() -> None:
    class View(HTTPMethodView):
        @query
        async def get(self, request: Request, query: Item) -> Item:
            return query

        @login_required
        @body
        async def post(self, request: Request, body: Item) -> Item:
            return body

    blueprint = Blueprint("pages")
    blueprint.add_route(View.as_view(), "/")

    async def main() -> None:
        async with routes(blueprint, settings=PLUGIN_LOGIN) as client:
            assert (await client.get("/shop/?name=tea&price=3")).json()["data"] == {"name": "tea", "price": 3}
            assert (await client.post("/shop/", json={"name": "tea"})).status_code == 401

    asyncio.run(main())


def authenticate(request: Request) -> Identity | None:
    match request.token:
        case None:
            return None
        case "away":
            raise StoreUnavailableError("Redis is away")
        case "refused":
            raise ConnectionRefusedError("127.0.0.1:5432")
        case "old":
            return Identity("ada", expires_at=time.time() - 1)
        case "ada":
            return Identity("ada", {"role": "cook"}, expires_at=time.time() + 60)
    raise AuthenticationError("unknown token")


@pytest.mark.parametrize("whole_blueprint", [True, False])
@pytest.mark.parametrize(
    ("token", "status", "code", "hint"),
    [
        ("", 401, 13, "not authenticated"),
        ("guessed", 401, 13, "unknown token"),
        ("old", 401, 13, "login expired"),
        ("away", 503, 10, "something that the server needs is away"),
        ("refused", 503, 10, "something that the server needs is away"),
    ],
)
def test_who_is_not_logged_in(whole_blueprint: bool, token: str, status: int, code: int, hint: str) -> None:
    blueprint = Blueprint("pages")
    called = []

    async def handler(request: Request) -> None:
        called.append(request)

    if whole_blueprint:
        login_required(blueprint)
    blueprint.add_route(handler if whole_blueprint else login_required(handler), "/", methods=["POST"])

    async def main() -> None:
        async with routes(blueprint, settings=PLUGIN_LOGIN, authenticate=authenticate) as client:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await client.post("/shop/", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.json()["hint"].startswith(hint)
            assert ("www-authenticate" in answer.headers) is (status == 401)

    asyncio.run(main())
    assert not called


def test_who_is_logged_in() -> None:
    blueprint = login_required(Blueprint("pages"))

    @blueprint.get("/")
    async def handler(request: Request) -> list[Any]:
        return [request.ctx.identity.user, request.ctx.identity.claims]

    async def main() -> None:
        async with routes(blueprint, settings=PLUGIN_LOGIN, authenticate=authenticate) as client:
            answer = await client.get("/shop/", headers={"Authorization": "Bearer ada"})
            assert answer.json()["data"] == ["ada", {"role": "cook"}]
        async with routes(blueprint) as client:
            assert (await client.get("/shop/?user=eve")).json()["data"] == ["eve", {}]

    asyncio.run(main())


async def no_query(request: Request) -> None: ...
async def no_body(request: Request, query: Item) -> None: ...
async def with_query(request: Request, query: Nested) -> None: ...
async def with_body(request: Request, body: "Ours") -> None: ...
async def with_number(request: Request, query: int) -> None: ...
async def with_anything(request: Request, query) -> None: ...  # type: ignore[no-untyped-def]
async def with_unknown(request: Request, body: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def with_path(request: Request, key: Annotated["Ours", "of the path"]) -> None: ...


class Ours: ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (query(no_query), "it is marked with @query and takes no argument of that name; add `query`"),
        (body(no_body), "it is marked with @body and takes no argument of that name; add `body`"),
        (query(with_query), "its `query` cannot be read from a query string: its field 'item' is or holds a struct"),
        (body(with_body), "it has no way to decode"),
        (query(with_number), "its `query` is annotated with <class 'int'>; use a class derived from msgspec.Struct"),
        (query(with_anything), "its `query` is annotated with typing.Any; use a class derived from msgspec.Struct"),
        (body(with_unknown), "the annotation 'Nowhere' of 'body' cannot be read: name 'Nowhere' is not defined"),
        (with_path, "it has no way to decode"),
    ],
)
def test_declarations_that_stop_the_start(handler: Any, message: str) -> None:
    blueprint = Blueprint("pages")
    blueprint.add_route(handler, "/<key>")

    async def main() -> None:
        async with routes(blueprint):
            pass

    with pytest.raises(PluginError, match=re.escape(message)) as raised:
        asyncio.run(main())
    assert str(raised.value).startswith(f"plugin shop: {handler.__module__}.{handler.__name__}: ")
    assert raised.value.packages == ("shop",)


def test_versions_in_the_path() -> None:
    def versioned(name: str, version: int) -> Blueprint:
        blueprint = Blueprint(name, version=version)

        @blueprint.get("/item")
        @query
        async def item(request: Request, query: Item) -> list[Any]:
            return [version, query.name]

        return blueprint

    async def main() -> None:
        async with routes(versioned("first", 1), versioned("second", 2)) as client:
            for version in (1, 2):
                answer = await client.get(f"/v{version}/shop/item?name=tea")
                assert answer.json()["data"] == [version, "tea"]
            assert (await client.get("/shop/item?name=tea")).status_code == 404
        async with routes(versioned("first", 1), versioned("second", 1)):
            pass

    with pytest.raises(PluginError, match=re.escape("both answer GET /v1/shop/item")):
        asyncio.run(main())
