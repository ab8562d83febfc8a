"""For tests of replays: sessions in a `House`, and the messages that they were sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msanic_core.engine.base import Delivery, InboxLimits
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.session.session import Session
from msanic_core.wire import Push

Build = Callable[..., Any]
Sent = Callable[[Any], list[dict[str, Any]]]


class LossyEngine(MemoryEngine):
    """An engine whose subscription loses messages: pushes while it is `deaf` are only in the inbox."""

    def __init__(self, max_messages: int = 1000) -> None:
        super().__init__(InboxLimits(max_messages, 1_000_000, 3600.0))
        self.deaf = False

    @property
    def delivery(self) -> Delivery:
        return _Nobody(super().delivery) if self.deaf else super().delivery


class _Nobody:
    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def to_user(self, user: str, push: Push) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._delivery, name)


async def push(house: Any, *numbers: int) -> None:
    for number in numbers:
        await house.engine.push("ada", Push("n.n", number), True)


async def replay(house: Any, session: Session, after: int | None = None) -> None:
    """A whole replay, to its end."""
    page = await house.replay.first_page(session, after)
    await asyncio.wait_for(house.replay.run(session, page), 10)
    await turns(2)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["data"] for message in messages]


def losses(messages: list[dict[str, Any]]) -> list[int]:
    return [message.get("lost", 0) for message in messages]


async def left(house: Any, client: str = "") -> list[Any]:
    """The messages that still wait for a client."""
    page = await house.engine.inbox("ada", client, None, 1000)
    return [message.data for message in page.messages]


def in_house(build: Build, test: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        await test(await build(**options))

    asyncio.run(run())
