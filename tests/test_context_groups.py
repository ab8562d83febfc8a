"""Groups, who is there, and locks: what handlers have in common with each other."""

import asyncio
import json

import pytest

from msanic_core import OfflineReason
from msanic_core.testing import serving
from tests.support.contexts import Home, at_home


def test_groups() -> None:
    async def test(home: Home) -> None:
        ada, again, bob = await home.client("ada"), await home.client("ada"), await home.client("bob")
        for client in (bob, ada, again):
            await client.ctx.join("red")
            await client.ctx.join("red")
        await ada.ctx.join("blue")
        assert await bob.ctx.members("red") == ["ada", "bob"]
        assert (ada.ctx.groups, again.ctx.groups) == (["blue", "red"], ["red"])
        await ada.ctx.leave("red")
        await ada.ctx.leave("green")
        assert await home.server.members("red") == ["ada", "bob"]
        await again.ctx.leave("red")
        assert await home.server.members("red") == ["bob"]
        assert await home.server.members("empty") == []
        assert (await home.server.count(), await bob.ctx.count("red"), await bob.ctx.count("empty")) == (3, 1, 0)

    at_home(test, ws={"sessions": "multi"})


def test_groups_of_a_session_on_another_node(redis_url: str) -> None:
    async def run() -> None:
        shared = {"redis": {"url": redis_url}}
        async with serving({}, shared) as one, serving({}, shared) as two, await one.connect("ada") as ws:
            await (await ws.ping())  # it is answered when the session is open
            [session] = await two.server.sessions("ada")
            assert await two.server.join(session, "tea")
            assert await two.server.members("tea") == await one.server.members("tea") == ["ada"]
            await two.server.broadcast("tea", "tea.said", "hello")
            assert json.loads(await ws.recv())["data"] == "hello"
            assert await two.server.leave(session, "tea")
            assert await one.server.members("tea") == []
            await ws.close()
            while await two.server.online("ada"):
                await asyncio.sleep(0)
            assert not await two.server.join(session, "tea")
            assert not await two.server.leave(session, "tea")
            assert not await one.server.join(session, "tea")
            assert await two.server.members("tea") == []

    asyncio.run(run())


def test_groups_end_with_their_session() -> None:
    async def test(home: Home) -> None:
        ada = await home.client()
        await ada.ctx.join("red")
        await ada.connection.close()
        while await home.server.online("ada"):
            await asyncio.sleep(0)
        assert await home.server.members("red") == []
        # A handler that still runs harms nothing.
        assert not await ada.ctx.join("red")
        assert not await ada.ctx.leave("red")
        assert await home.server.members("red") == []
        while not home.bench.lost:
            await asyncio.sleep(0)
        session, reason = home.bench.lost[0]
        assert (session.groups, reason) == (("red",), OfflineReason.CLOSED)
        assert not home.node.registry._groups

    at_home(test)


def test_online_and_sessions() -> None:
    async def test(home: Home) -> None:
        assert not await home.server.online("ada")
        first, second = await home.client(), await home.client()
        assert await first.ctx.online("ada")
        assert not await first.ctx.online("bob")
        ids = [session.id for session in await home.server.sessions("ada")]
        assert ids == [first.ctx.session.id, second.ctx.session.id]
        assert await home.server.sessions("bob") == []

    at_home(test, ws={"sessions": "multi"})


def test_kick() -> None:
    async def test(home: Home) -> None:
        first, second, bob = await home.client(), await home.client(), await home.client("bob")
        assert await home.server.kick("ada", bob.ctx.session.id) == 0
        assert await home.server.kick("ada", first.ctx.session.id) == 1
        await first.connection.wait_closed()
        assert first.connection.close_code == 4504
        await second.nothing_more()
        assert await home.server.kick("ada") == 1
        await second.connection.wait_closed()
        assert await home.server.kick("ada") == 0
        await bob.nothing_more()
        while len(home.bench.lost) < 4:
            await asyncio.sleep(0)
        assert {(session.user, reason) for session, reason in home.bench.lost} == {("ada", OfflineReason.KICKED)}

    at_home(test, ws={"sessions": "multi"})


def test_a_lock_is_one_for_everybody() -> None:
    async def test(home: Home) -> None:
        ada, bob = (await home.client("ada")).ctx, (await home.client("bob")).ctx
        async with ada.lock("settle:2024") as lock:
            assert lock.name == "settle:2024"
            for other in (bob, home.server):
                with pytest.raises(TimeoutError, match="lock 'settle:2024' was not free within 0 s"):
                    async with other.lock("settle:2024", wait=0):
                        raise AssertionError("two hold it")
        async with bob.lock("settle:2024", wait=5) as later:
            assert later.fence > lock.fence

    at_home(test)


def test_who_waits_for_a_lock_gets_it_when_it_is_released() -> None:
    async def test(home: Home) -> None:
        ada, bob = (await home.client("ada")).ctx, (await home.client("bob")).ctx
        order: list[str] = []

        async def wait() -> None:
            async with bob.lock("x"):
                order.append("bob")

        async with ada.lock("x"):
            waiting = asyncio.create_task(wait())
            await home.server.online("ada")
            await asyncio.sleep(0)
            order.append("ada")
        await waiting
        assert order == ["ada", "bob"]

    at_home(test)
