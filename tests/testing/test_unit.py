"""Handlers, called as functions, with contexts of a `UnitServer`."""

import asyncio
from typing import Any

import msgspec
import pytest

from msanic_core import CommandError, Context, ReplyCode, command
from msanic_core.testing import UnitServer


class Greeting(msgspec.Struct):
    text: str = "hello"


Seen = list[str]


@command("tea.enter")
async def enter(ctx: Context[Greeting, Seen], data: str) -> int:
    ctx.state.append(ctx.user)
    await ctx.join(data)
    return await ctx.count(data)


@command("tea.say")
async def say(ctx: Context[Greeting, Seen], data: str) -> None:
    if data not in ctx.groups:
        raise CommandError(ReplyCode.FORBIDDEN, "enter first")
    await ctx.broadcast(data, "tea.said", {"by": ctx.user, "text": ctx.settings.text})


@command("tea.tell")
async def tell(ctx: Context[Greeting, Seen], data: str) -> int | None:
    return await ctx.push(data, "tea.told", ctx.identity.claims)


def test_handlers_see_their_settings_state_and_session() -> None:
    async def run() -> None:
        server = UnitServer(settings=Greeting("good morning"), state=Seen())
        ada, bob = await server.context("ada", claims={"role": "cook"}), await server.context("bob")
        with pytest.raises(CommandError, match="enter first"):
            await say(ada, "kitchen")
        assert [await enter(ada, "kitchen"), await enter(bob, "kitchen")] == [1, 2]
        assert ada.state == ["ada", "bob"]
        await say(ada, "kitchen")
        said = {"cmd": "tea.said", "data": {"by": "ada", "text": "good morning"}, "code": 0, "hint": ""}
        assert await server.received(bob) == [said]
        assert await server.received(bob) == []
        message_id = await tell(ada, "bob")
        [told] = await server.received(bob)
        assert (told["cmd"], told["data"], told["id"]) == ("tea.told", {"role": "cook"}, message_id)

    asyncio.run(run())


def test_durable_messages_wait_for_a_user() -> None:
    async def run() -> None:
        server: UnitServer[Any, Any] = UnitServer()
        ada = await server.context("ada")
        ids = [await tell(ada, "bob") for _ in range(3)]
        bob = await server.context("bob", client="phone")
        assert [message["id"] for message in await server.received(bob)] == ids

    asyncio.run(run())


def test_a_long_message() -> None:
    async def run() -> None:
        server: UnitServer[Any, Any] = UnitServer()
        ada = await server.context("ada")
        for size in (100, 1_000, 100_000):
            await ada.push("ada", "tea.told", "x" * size, durable=False)
        assert [len(message["data"]) for message in await server.received(ada)] == [100, 1_000, 100_000]

    asyncio.run(run())


def test_a_session_that_is_lost() -> None:
    async def run() -> None:
        server = UnitServer(settings=Greeting(), state=Seen())
        one, two = await server.context("ada"), await server.context("ada")
        await enter(one, "kitchen")
        lost = await server.lose(one)
        assert (lost.id, lost.groups, lost.last, lost.closed_at is None) == (one.session.id, ("kitchen",), False, False)
        assert await server.server.members("kitchen") == []
        assert (await server.lose(two)).last

    asyncio.run(run())


def test_hooks_of_other_plugins_are_not_there() -> None:
    async def run() -> None:
        server: UnitServer[Any, Any] = UnitServer()
        with pytest.raises(LookupError, match="there is no hook 'price_of': a UnitServer has no plugins"):
            await server.server.call_hook("price_of", item="tea")

    asyncio.run(run())
