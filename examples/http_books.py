"""A typed HTTP API: it declares query, body, login and errors, and /openapi.json describes it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from sanic import Blueprint, HTTPResponse, Request

from msanic_core import CommandError, Identity, ReplyCode, hookimpl
from msanic_core.constraints import Colour, Paging
from msanic_core.http import body, login_required, query, reply

TOKENS = {"s3cret-of-ada": "ada"}


class Book(msgspec.Struct):
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    year: Annotated[int, Meta(ge=1450)]
    cover: Colour = "#ffffff"


class Find(Paging):
    word: str = ""


routes = Blueprint("books", version=1)
shelf: dict[str, Book] = {}


@routes.get("/")
@query
async def find(_: Request, query: Find) -> HTTPResponse:
    """List the books with a word in their title."""
    found = sorted((book for book in shelf.values() if query.word in book.title), key=lambda book: book.title)
    return reply(found[query.offset : query.offset + query.size], total=len(found))


@routes.post("/")
@login_required
@body
async def add(request: Request, body: Book) -> dict[str, str]:
    """Put a book on the shelf."""
    if body.title in shelf:
        raise CommandError(ReplyCode.REPEATED, "there is a book with this title")
    shelf[body.title] = body
    return {"title": body.title, "by": request.ctx.identity.user}


@hookimpl
def http_blueprint() -> Blueprint:
    """Declare the routes: /v1/books/, since the plugin is named books."""
    return routes


@hookimpl
def authenticate(request: Request) -> Identity | None:
    """Authenticate requests with `Authorization: Bearer ...`, for WebSockets and for routes."""
    user = TOKENS.get(request.token or "")
    return Identity(user) if user else None
