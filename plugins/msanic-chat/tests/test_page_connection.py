"""The page in a real browser: connections that are lost, refused, ended and come back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import expect

from msanic_core import OfflineReason
from msanic_core.testing import TestServer


def lose(server: TestServer, user: str, reason: OfflineReason) -> None:
    """End the user's sessions from the server's side."""
    for session in list(server.node.registry.of_user(user)):
        server.node.offline.lose(session, reason)


@asynccontextmanager
async def proxy(port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Another port that leads to the server, and a function after which open connections let nothing pass any more."""
    tasks: set[asyncio.Task[None]] = set()
    gates: list[asyncio.Event] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        try:
            while data := await reader.read(65536):
                await gate.wait()
                writer.write(data)
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gates.append(gate := asyncio.Event())
        gate.set()
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks.add(asyncio.create_task(forward(reader, server_writer, gate)))
        tasks.add(asyncio.create_task(forward(server_reader, writer, gate)))

    def stall() -> None:
        for gate in gates:
            gate.clear()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1], stall
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_kicked_user_is_told_and_stays_away(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        ada, bob = await arrive("ada"), await arrive("bob")
        await server.server.kick("bob")
        await expect(bob.page.get_by_role("alert")).to_have_text("You were removed from the chat.")
        await expect(bob.state).to_have_text("Offline")
        await expect(ada.users).to_have_text(["ada"])
        await bob.say("let me in")
        await expect(bob.page.locator("#notice")).to_have_text("You are offline.")
        # What makes a waiting page hurry does not make this one come back.
        await bob.page.evaluate("window.dispatchEvent(new Event('online'))")
        await bob.page.get_by_role("button", name="Connect again").click()
        await bob.is_online()
        await expect(ada.users).to_have_text(["ada", "bob"])
        await expect(bob.page.get_by_role("alert")).to_be_hidden()
        assert len(bob.sockets) == 2

    visit(main)


def test_a_user_lives_in_one_place_at_a_time(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        first = await arrive("ada")
        await arrive("ada")
        await expect(first.page.get_by_role("alert")).to_contain_text("in another tab or on another device")
        await first.page.get_by_role("button", name="Use it here").click()
        await first.is_online()

    visit(main)


def test_a_refused_login_is_explained(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        ada = await arrive()
        await ada.enter("ada", server.url)
        await expect(ada.page.get_by_role("alert")).to_have_text("The server did not let you in: not authenticated.")
        await ada.page.get_by_role("button", name="Sign out").click()
        await expect(ada.page.get_by_label("Your name")).to_be_focused()
        await expect(ada.page.get_by_label("Your name")).to_have_value("ada")

    visit(main, {"auth": {"mode": "plugin"}})


@pytest.mark.parametrize("reason", [OfflineReason.SLOW, OfflineReason.SHUTDOWN, OfflineReason.HEARTBEAT])
def test_comes_back_by_itself(visit: Any, connect: Any, reason: OfflineReason) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        bob = await arrive()
        await bob.always_wait(0.9)
        await bob.enter("bob", server.url)
        await bob.is_online()
        await bob.join("garden")
        ada = await connect(server, "ada")
        for room in ("lobby", "garden"):
            await ada.data("chat.join", room=room)
            assert await ada.push() == ("chat.joined", {"room": room, "user": "ada"})
        lose(server, "bob", reason)
        assert (await ada.data("chat.tell", user="bob", text="welcome back"))["online"] is False
        moves = [("chat.left", "garden"), ("chat.left", "lobby"), ("chat.joined", "lobby"), ("chat.joined", "garden")]
        assert [await ada.push() for _ in moves] == [(cmd, {"room": room, "user": "bob"}) for cmd, room in moves]
        await bob.is_online()
        await expect(bob.page.locator("#trouble-text")).to_have_text("The connection is lost.")
        await expect(bob.page.locator("#trouble")).to_be_hidden()
        await bob.open("ada")
        await expect(bob.messages).to_have_text(["welcome back"])
        await bob.open("garden")
        await expect(bob.users).to_have_text(["ada", "bob"])
        assert len(bob.sockets) == 2

    visit(main)


def test_waits_longer_while_the_server_is_away(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        bob = await arrive()
        await bob.always_wait(0.3)
        await bob.enter("bob", server.url)
        await bob.is_online()
        server.node.admission.accepting = False
        lose(server, "bob", OfflineReason.SHUTDOWN)
        # 0.3 s, 0.6 s, 1.2 s, 2.4 s
        await expect(bob.page.locator("#countdown")).to_have_text("Reconnecting in 3 s")
        await expect(bob.page.get_by_role("alert")).to_have_text("The connection is lost.")
        await bob.say("hello?")
        await expect(bob.page.locator("#notice")).to_have_text("You are offline.")
        await expect(bob.page.get_by_label("Message", exact=True)).to_have_value("hello?")
        server.node.admission.accepting = True
        await bob.page.get_by_role("button", name="Reconnect now").click()
        await bob.is_online()
        assert len(bob.sockets) == 5
        # The browser itself tells of connections that were not taken.
        assert [error for error in bob.errors if "503" not in error] == []
        bob.errors.clear()

    visit(main)


def test_a_message_that_is_repeated_is_shown_once_and_acknowledged(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        bob = await arrive("bob")
        client = await bob.page.evaluate("JSON.parse(localStorage.getItem('msanic-chat:client'))")
        # The message reaches the page together with the end of the connection: it cannot acknowledge it any more. It
        # has no id of the chat's own: only the connection can tell that it is repeated.
        data = {"user": "ada", "text": "once", "at": 1.0}
        number = await server.server.push("bob", "chat.told", data)
        lose(server, "bob", OfflineReason.SHUTDOWN)
        while (acknowledgement := await bob.sent.get())["cmd"] != "sys.ack":
            pass
        assert acknowledgement["data"] == {"id": number}
        assert [message["data"] for message in bob.received if "id" in message] == [data, data]
        await bob.is_online()
        await bob.say("got it")
        await expect(bob.messages).to_have_text(["got it"])
        assert list((await server.node.engine.inbox("bob", client, None, 10)).messages) == []
        await bob.open("ada")
        await expect(bob.messages).to_have_text(["once"])

    visit(main)


def test_the_rules_of_reconnecting(visit: Any) -> None:
    script = """async () => {
        const { backoff, mayReconnect } = await import("/chat/static/connection.js");
        const longest = [0, 1, 2, 4, 5, 50].map((attempt) => backoff(attempt, () => 1));
        const codes = [1000, 1001, 1006, 1012, 1013, 4001, 4499, 4500, 4504, 4999];
        return [longest, backoff(5, () => 0), codes.filter(mayReconnect)];
    }"""

    async def main(server: TestServer, arrive: Any) -> None:
        page = (await arrive()).page
        await page.goto(server.url)
        longest, shortest, may = await page.evaluate(script)
        assert longest == [1000, 2000, 4000, 16000, 30000, 30000]
        assert shortest == 0
        assert may == [1001, 1006, 1012, 1013, 4001, 4499]

    visit(main)


def test_a_connection_that_has_silently_died_is_replaced(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        async with proxy(server.port) as (port, stall):
            ada = await arrive()
            await ada.enter("ada", f"http://127.0.0.1:{port}")
            await ada.is_online()
            async with ada.page.expect_websocket():
                stall()
            await ada.is_online()

    visit(main, {"ws": {"ping_interval": 0.5, "ping_timeout": 1.0}})


def test_a_tab_that_is_reloaded_stays_signed_in(visit: Any) -> None:
    async def main(server: TestServer, arrive: Any) -> None:
        ada = await arrive("ada")
        await ada.join("garden")
        await ada.page.reload()
        await ada.is_online()
        await expect(ada.page.locator("#rooms .name")).to_have_text(["lobby", "garden"])
        await ada.open("garden")
        await expect(ada.users).to_have_text(["ada"])
        other = await ada.page.context.new_page()
        await other.goto(server.url)
        await expect(other.get_by_label("Your name")).to_have_value("ada")

    visit(main)
