"""For tests of the offline chain: plugins that behave as their name says, and the drain."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msanic_core.codes import OfflineReason
from msanic_core.identity import SessionInfo
from msanic_core.session.offline import OfflineHook

Build = Callable[..., Any]
Call = tuple[str, SessionInfo, OfflineReason]


class Plugins:
    """`ws_offline` hooks that record their calls and then do what their name says."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ended: list[str] = []
        self.gate = asyncio.Event()

    def hooks(self, *names: str) -> list[OfflineHook]:
        return [OfflineHook(name, self._bind(name)) for name in names]

    def _bind(self, name: str) -> Callable[[SessionInfo, OfflineReason], Awaitable[None]]:
        async def call(session: SessionInfo, reason: OfflineReason) -> None:
            self.calls.append((name, session, reason))
            try:
                await self._behave(name)
            finally:
                self.ended.append(name)

        return call

    async def _behave(self, name: str) -> None:
        if name == "raises":
            raise LookupError("on purpose")
        if name == "times out":
            raise TimeoutError("a time limit of its own")
        if name == "hangs":
            await asyncio.get_running_loop().create_future()
        if name == "waits":
            await self.gate.wait()
        if name == "is stubborn":
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                await self.gate.wait()

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


async def drain(house: Any, seconds: float = 5.0, grace: float = 1.0) -> int:
    cancelled: int = await house.offline.drain(asyncio.get_running_loop().time() + seconds, grace)
    return cancelled
