"""What a handler knows by its context, and what it may be given."""

import asyncio
import logging
from typing import Any

import pytest

from tests.support.contexts import BAD_NAMES, Greeting, Home, at_home, refused


def test_what_a_handler_knows_of_the_session() -> None:
    async def test(home: Home) -> None:
        ctx = (await home.client("ada", client="phone")).ctx
        [session] = await home.server.sessions("ada")
        assert ctx.session == session
        assert (session.user, session.client, session.address) == ("ada", "phone", "127.0.0.1")
        assert session.node == home.server.node == ctx.server.node
        assert ctx.user == ctx.identity.user == "ada"
        assert ctx.server is home.server
        assert ctx.db is home.server.db

    at_home(test)


def test_settings_and_log_are_the_plugins_own(caplog: pytest.LogCaptureFixture) -> None:
    async def test(home: Home) -> None:
        client = await home.client()
        await client.connection.send('{"cmd":"other.hello"}')
        await client.next()
        other = home.bench.contexts["other:ada"]
        assert client.ctx.settings == Greeting("good morning")
        assert other.settings == Greeting("hello")
        assert home.server.settings_of("test") == Greeting("good morning")
        assert home.server.settings_of("no such plugin") is None
        client.ctx.log.info("one")
        other.log.info("two")

    with caplog.at_level(logging.INFO):
        at_home(test, plugins={"test": {"text": "good morning"}})
    assert [each.name for each in caplog.records if each.getMessage() in ("one", "two")] == [
        "msanic_core.plugin.test",
        "msanic_core.plugin.other",
    ]


def test_a_session_has_one_context_per_plugin() -> None:
    async def test(home: Home) -> None:
        first = (await home.client()).ctx
        [session] = home.node.registry.all()
        assert session.contexts == {"test": first}

    at_home(test)


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_are_checked_before_anything_happens(name: Any) -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        for call in (home.server.push, home.server.online, home.server.sessions, home.server.kick):
            with refused("user"):
                await call(name, *(["test.said"] if call == home.server.push else []))
        for group_call in (ada.ctx.join, ada.ctx.leave, ada.ctx.members):
            with refused("group"):
                await group_call(name)
        for lock in (ada.ctx.lock, home.server.lock):
            with refused("lock"):
                lock(name)
        if name is not None:
            with refused("group"):
                await ada.ctx.broadcast(name, "test.said")
        assert ada.ctx.groups == []
        await ada.connection.close()
        while await home.server.online("ada"):
            await asyncio.sleep(0)
        with refused("group"):
            await ada.ctx.join(name)

    at_home(test)
