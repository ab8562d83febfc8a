"""The OpenAPI document, as a validator reads it."""

import asyncio
from datetime import date
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from openapi_spec_validator import validate
from sanic import Blueprint, HTTPResponse, Request
from sanic.views import HTTPMethodView

from msanic_core import Context, command
from msanic_core.constraints import (
    AwareDatetime,
    Colour,
    Identifier,
    Order,
    Paging,
    Password,
    Phone,
    PositiveInt,
    TimeRange,
)
from msanic_core.db import Page, PageAfter
from msanic_core.http import body, login_required, query, reply
from tests.support.http import routes


class Item(msgspec.Struct):
    """A thing for sale."""

    name: Annotated[str, Meta(min_length=2, description="As on the label.")]
    price: Annotated[int, Meta(ge=0)]
    parts: list["Item"] = []


class Everything(msgspec.Struct):
    at: AwareDatetime
    colour: Colour
    name: Identifier
    secret: Password
    phone: Phone
    count: PositiveInt
    orders: list[Order]
    day: date | None = None
    range: TimeRange | None = None
    own: "Own | None" = None
    scores: dict[int, float] = {}
    anything: Any = None


class Own:
    @classmethod
    def from_wire(cls, value: object) -> "Own":
        return cls()


class Undescribed(msgspec.Struct):
    """Its default has no form in JSON."""

    word: str
    raw: msgspec.Raw = msgspec.Raw(b"null")


class Find(Paging):
    word: str


class View(HTTPMethodView):
    @login_required
    @query
    async def get(self, request: Request, key: Identifier, query: TimeRange) -> HTTPResponse:
        return reply()

    @body
    async def put(self, request: Request, key: str, body: Everything) -> None: ...


def shop() -> Blueprint:
    blueprint = Blueprint("goods", version=2)

    @blueprint.post("/<number:int>/<key:uuid>/<rest:path>")
    @body
    async def make(request: Request, body: Item, **parameters: Any) -> Item:
        """Make an item.

        It is there at once.
        """
        return body

    @blueprint.get("/")
    @query
    async def find(request: Request, query: Find) -> list[Item]:
        return []

    @blueprint.patch("/")
    @body
    async def change(request: Request, body: Undescribed) -> object: ...

    blueprint.add_route(View.as_view(), "/<key:str>/all")
    return blueprint


def document(blueprint: Blueprint, path: str = "/openapi.json", **hooks: Any) -> Any:
    async def main() -> Any:
        async with routes(blueprint, **hooks) as client:
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert (await client.get(path)).content == answer.content
            return answer.json()

    return asyncio.run(main())


def test_the_document_is_valid() -> None:
    @command("shop.buy")
    async def buy(ctx: Context, data: Item) -> None: ...

    found = document(shop(), ws_command=lambda: [buy])
    validate(found)
    assert found["openapi"] == "3.1.0"
    assert set(found["paths"]) == {"/v2/shop/{number}/{key}/{rest}", "/v2/shop", "/v2/shop/{key}/all"}
    assert "shop.buy" not in str(found)


def test_what_the_document_says() -> None:
    found = document(shop())
    make = found["paths"]["/v2/shop/{number}/{key}/{rest}"]["post"]
    assert (make["summary"], make["description"], make["tags"]) == ("Make an item.", "It is there at once.", ["shop"])
    assert [(each["name"], each["schema"]["type"]) for each in make["parameters"]] == [
        ("number", "integer"),
        ("key", "string"),
        ("rest", "string"),
    ]
    reference = {"$ref": "#/components/schemas/Item"}
    assert make["requestBody"]["content"]["application/msgpack"]["schema"] == reference
    answer = make["responses"]["200"]["content"]["application/json"]["schema"]
    assert (answer["properties"]["data"], answer["required"]) == (reference, ["code", "data", "hint"])
    item = found["components"]["schemas"]["Item"]
    assert item["properties"]["name"] == {"type": "string", "minLength": 2, "description": "As on the label."}
    find = found["paths"]["/v2/shop"]["get"]
    parameters = {each["name"]: each for each in find["parameters"]}
    assert parameters["word"]["required"] is True
    assert parameters["size"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["order"]["schema"]["items"]["pattern"] == r"^-?[A-Za-z_][A-Za-z0-9_]*$(?!\n)"
    assert find["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]["items"] == reference
    every = found["components"]["schemas"]["Everything"]["properties"]
    assert every["secret"] == {"type": "string", "format": "password", "minLength": 8, "maxLength": 128}
    view = found["paths"]["/v2/shop/{key}/all"]
    assert view["get"]["security"] == [{"login": []}]
    assert "security" not in view["put"]
    assert view["get"]["parameters"][0]["schema"]["maxLength"] == 64
    assert view["put"]["parameters"][0]["schema"] == {"type": "string"}


def test_the_data_of_a_page_is_a_list_of_its_items() -> None:
    blueprint = Blueprint("goods")

    @blueprint.get("/items")
    async def items(request: Request) -> Page[Item]:
        return Page([], 0, 1, 1)

    @blueprint.get("/rows")
    async def rows(request: Request) -> Page:
        return Page([], 0, 1, 1)

    @blueprint.get("/more")
    async def more(request: Request) -> PageAfter[Item]:
        return PageAfter([], None, 1)

    found = document(blueprint)
    validate(found)
    answers = [
        found["paths"][f"/shop/{name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"][
            "properties"
        ]
        for name in ("items", "rows", "more")
    ]
    item = {"$ref": "#/components/schemas/Item"}
    assert answers[0]["data"] == {"type": "array", "items": item}
    assert answers[0]["total"] == {"type": "integer", "minimum": 0}
    assert answers[1]["data"] == {"type": "array", "items": {"type": "object"}}
    more_schema = found["components"]["schemas"][answers[2]["data"]["$ref"].rpartition("/")[2]]
    assert more_schema["properties"]["items"] == {"type": "array", "items": item}
    assert set(more_schema["properties"]) == {"items", "next", "size"}


def test_where_it_is() -> None:
    async def main() -> None:
        async with routes(shop(), settings={"http": {"openapi": ""}}) as client:
            assert (await client.get("/openapi.json")).status_code == 404
        async with routes(shop(), settings={"http": {"openapi": "/docs/api"}}) as client:
            assert (await client.get("/docs/api")).json()["openapi"] == "3.1.0"

    asyncio.run(main())


def test_its_title_and_version_are_those_of_the_api() -> None:
    assert document(shop())["info"] == {"title": "HTTP API", "version": "1.0.0"}
    found = document(shop(), settings={"http": {"api_title": "Tea shop", "api_version": "2026-12"}})
    assert found["info"] == {"title": "Tea shop", "version": "2026-12"}


def test_without_routes_it_is_valid_too() -> None:
    validate(document(Blueprint("empty")))


def test_annotations_that_cannot_be_read_say_nothing() -> None:
    blueprint = Blueprint("goods")

    async def handler(request: Request) -> "Unknown":  # type: ignore[name-defined]  # noqa: F821
        return SimpleNamespace()

    blueprint.add_route(handler, "/")
    found = document(blueprint)
    validate(found)
    schema = found["paths"]["/shop"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["data"] == {}
