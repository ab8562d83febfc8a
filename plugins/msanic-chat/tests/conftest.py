import asyncio
import json
import os
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from msanic_chat import plugin
from playwright.async_api import Browser, Page, WebSocket, async_playwright, expect
from websockets.asyncio.client import ClientConnection

from msanic_core.testing import TestServer, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

Connect = Callable[..., Awaitable["User"]]
Arrive = Callable[..., Awaitable["Visitor"]]
Main = Callable[[TestServer, Arrive], Awaitable[None]]
Visit = Callable[..., None]


class User:
    """A client that keeps apart what answers it and what is pushed to it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._pushes: deque[dict[str, Any]] = deque()

    async def ask(self, cmd: str | int, **data: Any) -> Any:
        """Send a command and return the reply."""
        await self.connection.send(json.dumps({"cmd": cmd, "data": data, "req": 1}))
        while True:
            message = json.loads(await self.connection.recv())
            if "req" in message:
                return message
            self._pushes.append(message)

    async def data(self, cmd: str | int, **data: Any) -> Any:
        """Send a command that succeeds and return its data."""
        reply = await self.ask(cmd, **data)
        assert reply["code"] == 0, reply
        return reply["data"]

    async def push(self) -> tuple[str, Any]:
        """The next push: its command and its data."""
        message = self._pushes.popleft() if self._pushes else json.loads(await self.connection.recv())
        assert message.get("req") is None, message
        return message["cmd"], message["data"]


@pytest.fixture
def connect() -> Connect:
    """`await connect(server, "ada")` is a `User`."""

    async def connect(server: TestServer, name: str, **options: Any) -> User:
        return User(await server.connect(name, **options))

    return connect


class Visitor:
    """A browser profile of its own with one page; what goes wrong in the page is kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.sockets: list[WebSocket] = []
        self.received: list[dict[str, Any]] = []
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self._watch)
        self.messages = page.locator("#log .message .text")
        self.users = page.locator("#users .name")
        self.state = page.locator("#state-text")

    async def always_wait(self, share: float) -> None:
        """Before `enter`: have the page wait this share of the longest time before it connects again."""
        await self.page.add_init_script(f"Math.random = () => {share}")

    async def enter(self, name: str, url: str) -> None:
        await self.page.goto(url)
        await self.page.get_by_label("Your name").fill(name)
        await self.page.keyboard.press("Enter")

    async def is_online(self) -> None:
        """In the first room too: the list of users comes with its answer."""
        await expect(self.state).to_have_text("Online")
        await expect(self.users).not_to_have_count(0)

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def join(self, room: str) -> None:
        await self.page.get_by_label("Room to join").fill(room)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("heading", name=room, exact=True)).to_be_visible()

    async def open(self, conversation: str) -> None:
        await self.page.get_by_role("navigation").get_by_role("button", name=conversation).click()

    def _watch(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        socket.on("framereceived", lambda frame: self.received.append(json.loads(frame)))
        socket.on("framesent", lambda frame: self.sent.put_nowait(json.loads(frame)))


@pytest.fixture(scope="session")
def browser() -> Iterator[tuple[asyncio.Runner, Browser]]:
    """Chromium, and the event loop it is driven in."""
    if CHROMIUM is None:
        pytest.skip("chromium is missing: run `make services`")
    # Chromium refuses to run its sandbox as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=15_000)
    with asyncio.Runner() as runner:
        playwright = runner.run(async_playwright().start())
        try:
            browser = runner.run(playwright.chromium.launch(executable_path=CHROMIUM, args=arguments))
            try:
                yield runner, browser
            finally:
                runner.run(browser.close())
        finally:
            runner.run(playwright.stop())


@pytest.fixture
def visit(browser: tuple[asyncio.Runner, Browser]) -> Visit:
    """`visit(main, settings)` runs `main` with a server and a function that makes visitors of it.

    The function takes a name, to enter with, and the options of a browser context. At the end no page may have had an
    error. `settings` are those of `serving`.
    """
    runner, chromium = browser

    async def run(main: Main, settings: dict[str, Any] | None) -> None:
        visitors: list[Visitor] = []
        async with serving({"chat": plugin}, settings) as server:

            async def arrive(name: str | None = None, **options: Any) -> Visitor:
                context = await chromium.new_context(**options)
                visitors.append(visitor := Visitor(await context.new_page()))
                if name is not None:
                    await visitor.enter(name, server.url)
                    await visitor.is_online()
                return visitor

            try:
                async with asyncio.timeout(60):
                    await main(server, arrive)
                assert [visitor.errors for visitor in visitors] == [[] for _ in visitors]
            finally:
                for context in list(chromium.contexts):
                    await context.close()

    return lambda main, settings=None: runner.run(run(main, settings))
