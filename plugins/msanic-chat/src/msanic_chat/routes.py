"""HTTP: the page, its files, and the list of rooms."""

import hashlib
from importlib.resources import files

from sanic import Blueprint, HTTPResponse, Request, json
from sanic.exceptions import NotFound

from msanic_chat.rooms import Rooms, group_of
from msanic_core import Server

INDEX = "index.html"
LISTED_ROOMS = 100

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # All the page needs is on this server, and nothing of it is written into the markup.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The files have no version in their names: browsers keep them and ask each time whether they are still the same.
    "Cache-Control": "no-cache",
}


def chat_blueprint() -> Blueprint:
    """The plugin's routes."""
    blueprint = Blueprint("chat", url_prefix="/")
    static = {each.name: each.read_bytes() for each in (files("msanic_chat") / "static").iterdir() if each.is_file()}

    @blueprint.get("/")
    async def page(request: Request) -> HTTPResponse:
        # Relative, so that it holds wherever a proxy puts the page.
        websocket = request.app.url_for("websocket").lstrip("/")
        return _file(request, INDEX, static[INDEX].replace(b"{websocket}", websocket.encode()))

    @blueprint.get("/chat/static/<name:str>")
    async def static_file(request: Request, name: str) -> HTTPResponse:
        if name not in static or name == INDEX:
            raise NotFound(f"there is no file {name!r}")
        return _file(request, name, static[name])

    @blueprint.get("/chat/rooms")
    async def list_rooms(request: Request) -> HTTPResponse:
        """The busiest rooms, and how many users are in each."""
        server: Server = request.app.ctx.msanic
        names = server.state_of("chat", Rooms).busiest(LISTED_ROOMS)
        rooms = [{"room": name, "users": len(await server.members(group_of(name)))} for name in names]
        return json({"rooms": rooms}, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

    return blueprint


def _file(request: Request, name: str, body: bytes) -> HTTPResponse:
    """Answer with a file, or with 304 if the browser has it (RFC 9110 section 13.1.2)."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return HTTPResponse(b"", 304, headers)
    return HTTPResponse(body, 200, headers, content_type=_TYPES["." + name.rpartition(".")[2]])
