import asyncio
import json
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import msanic_chat
import pytest
from msanic_chat import plugin

from msanic_core.testing import serving

STATIC = Path(msanic_chat.__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Markup(HTMLParser):
    """Everything in a page that could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        for name, value in attrs:
            if name in ("src", "href", "action") and value is not None:
                self.links.append(value)
            elif name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def get(
    *paths: str, headers: dict[str, str] | None = None, settings: dict[str, Any] | None = None
) -> list[tuple[HTTPResponse, bytes]]:
    """Ask a server with this plugin for each path; returns the responses with their bodies."""

    def ask(port: int) -> list[tuple[HTTPResponse, bytes]]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        answers = []
        for path in paths:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            answers.append((response, response.read()))
        connection.close()
        return answers

    async def main() -> list[tuple[HTTPResponse, bytes]]:
        async with serving({"chat": plugin}, settings) as server:
            return await asyncio.to_thread(ask, server.port)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/chat/static/chat.css", "text/css; charset=utf-8"),
        ("/chat/static/chat.js", "text/javascript; charset=utf-8"),
        ("/chat/static/icon.svg", "image/svg+xml"),
    ],
)
def test_files_come_with_strict_headers(path: str, content_type: str) -> None:
    [(response, body)] = get(path)
    assert response.status == 200
    assert body
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    [(again, nothing)] = get(path, headers={"If-None-Match": f'W/"x", {response.headers["ETag"]}'})
    assert (again.status, nothing) == (304, b"")
    assert again.headers["Content-Security-Policy"] == POLICY
    [(other, _)] = get(path, headers={"If-None-Match": '"x"'})
    assert other.status == 200


def test_all_that_is_packaged_is_served() -> None:
    names = sorted(each.name for each in STATIC.iterdir() if each.name != "index.html")
    answers = get(*(f"/chat/static/{name}" for name in names))
    assert [body for _, body in answers] == [(STATIC / name).read_bytes() for name in names]


@pytest.mark.parametrize("name", ["index.html", "no.js", "..%2fplugin.py", "%2e%2e/plugin.py", ""])
def test_nothing_else_is_served(name: str) -> None:
    [(response, _)] = get(f"/chat/static/{name}")
    assert response.status == 404


def test_the_page_needs_nothing_but_its_own_files() -> None:
    markup = Markup((STATIC / "index.html").read_text())
    assert markup.inline == []
    assert [link for link in markup.links if not link.startswith("#")]
    for link in markup.links:
        assert link.startswith("#") or (STATIC / link.removeprefix("chat/static/")).is_file()


@pytest.mark.parametrize(("settings", "address"), [({}, "ws"), ({"ws": {"path": "/deep/socket"}}, "deep/socket")])
def test_the_page_knows_where_the_websocket_is(settings: dict[str, Any], address: str) -> None:
    [(_, body)] = get("/", settings=settings)
    assert f'<body data-websocket="{address}">' in body.decode()


def test_the_rooms_are_listed(connect: Any) -> None:
    def ask(port: int) -> Any:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/chat/rooms")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    async def main() -> None:
        async with serving({"chat": plugin}) as server:
            assert await asyncio.to_thread(ask, server.port) == {"rooms": []}
            ada, bob = await connect(server, "ada"), await connect(server, "bob")
            await ada.data("chat.join", room="small")
            for user in (ada, bob):
                await user.data("chat.join", room="big")
            rooms = [{"room": "big", "users": 2}, {"room": "small", "users": 1}]
            assert await asyncio.to_thread(ask, server.port) == {"rooms": rooms}

    asyncio.run(main())
