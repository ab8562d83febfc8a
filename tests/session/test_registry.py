import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

Build = Callable[..., Any]
Run = Callable[[Callable[[Any], Awaitable[None]]], None]


@pytest.fixture
def run(build: Build) -> Run:
    def run_(test: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            await test(await build())

        asyncio.run(main())

    return run_


def found(sessions: Any) -> list[str]:
    return [session.info.id for session in sessions]


def test_a_session_is_found_by_id_user_and_address(run: Run) -> None:
    async def test(house: Any) -> None:
        registry = house.registry
        one, two, bob = await house.session(), await house.session(), await house.session("bob")
        assert registry.get("session-1") is one
        assert registry.get("session-9") is None
        assert found(registry.of_user("ada")) == ["session-1", "session-2"]
        assert found(registry.of_user("nobody")) == []
        assert registry.at_address("127.0.0.1") == len(registry) == 3
        assert registry.at_address("::1") == 0
        assert registry.all() == [one, two, bob]

    run(test)


def test_removal_is_true_exactly_once_and_leaves_nothing(run: Run) -> None:
    async def test(house: Any) -> None:
        registry = house.registry
        sessions = [await house.session(user) for user in ("ada", "ada", "bob")]
        for session in sessions:
            registry.join(session, "red")
        for session in sessions:
            assert registry.remove(session)
            assert not registry.remove(session)
        assert len(registry) == 0
        assert registry.at_address("127.0.0.1") == 0
        assert not any((registry._sessions, registry._users, registry._groups, registry._addresses))

    run(test)


def test_removal_compares_the_session(run: Run) -> None:
    async def test(house: Any) -> None:
        old, new = await house.session(), await house.session()
        house.registry.remove(old)
        new.info = msgspec.structs.replace(new.info, id=old.info.id)
        house.registry.add(new)
        assert not house.registry.remove(old)
        assert house.registry.get(old.info.id) is new
        assert new in house.registry.of_user("ada")

    run(test)


def test_groups(run: Run) -> None:
    async def test(house: Any) -> None:
        registry = house.registry
        one, two = await house.session(), await house.session("bob")
        assert registry.join(one, "red")
        assert not registry.join(one, "red")
        assert registry.join(two, "red")
        assert registry.join(two, "blue")
        assert found(registry.of_group("red")) == ["session-1", "session-2"]
        assert found(registry.of_group(None)) == ["session-1", "session-2"]
        assert registry.leave(two, "red")
        assert not registry.leave(two, "red")
        assert not registry.leave(two, "green")
        assert found(registry.of_group("red")) == ["session-1"]
        registry.remove(two)
        assert found(registry.of_group("blue")) == []
        assert two.groups == {"blue"}, "the offline chain tells which groups it was in"
        assert not registry.join(two, "red")

    run(test)
