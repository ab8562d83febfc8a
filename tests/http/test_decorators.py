"""The notes on handlers do not depend on the order of the decorators."""

import asyncio
import functools
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sanic import Blueprint, Request

from msanic_core import Identity
from msanic_core.http import body, login_required, query
from tests.support.http import routes


class Find(msgspec.Struct):
    word: str


class Item(msgspec.Struct):
    name: str


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as plugins have them."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


DECORATORS = {"query": query, "body": body, "login": login_required}


def authenticate(request: Request) -> Identity | None:
    return Identity(request.token) if request.token else None


@pytest.mark.parametrize("order", [*itertools.permutations([*DECORATORS, "route"])], ids="-".join)
def test_the_order_of_decorators_does_not_matter(order: tuple[str, ...]) -> None:
    blueprint = Blueprint("pages")

    async def answer(request: Request, query: Find, body: Item) -> list[str]:
        return [request.ctx.identity.user, query.word, body.name]

    handler: Any = answer
    for name in order:
        handler = blueprint.post("/")(handler) if name == "route" else DECORATORS[name](handler)

    async def main() -> None:
        async with routes(blueprint, settings={"auth": {"mode": "plugin"}}, authenticate=authenticate) as client:
            bearer = {"Authorization": "Bearer ada"}
            answer = await client.post("/shop/?word=w", json={"name": "n"}, headers=bearer)
            assert answer.json()["data"] == ["ada", "w", "n"]
            assert (await client.post("/shop/?word=w", json={"name": "n"})).status_code == 401
            assert (await client.post("/shop/", json={"name": "n"}, headers=bearer)).status_code == 422

    asyncio.run(main())


def test_other_decorators_may_stand_between() -> None:
    blueprint = Blueprint("pages")

    @blueprint.post("/")
    @query
    @logged
    @body
    async def handler(request: Request, query: Find, body: Item) -> list[str]:
        return [query.word, body.name]

    async def main() -> None:
        async with routes(blueprint) as client:
            answer = await client.post("/shop/?word=w", json={"name": "n"})
            assert answer.json()["data"] == ["w", "n"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: query(Find), "@query takes no type, and Find is one: write @query, and the type as the annotation of"),
        (lambda: body(int), "@body takes no type, and int is one"),
        (lambda: login_required(Item), "this decorator is for functions, not for <class"),
        (lambda: body("handler"), "this decorator is for functions, not for 'handler'"),  # type: ignore[type-var]
    ],
)
def test_wrong_uses(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        use()
    assert str(caught.value).startswith(message)
